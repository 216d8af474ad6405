//! The local stack: the key service, a demo key, an upstream and Envoy with the filter, from one command.
//!
//! `gmtech up` runs it in the foreground; `gmtech stack-files` writes the same files for containers. It is for
//! laptops and evaluation, and listens on loopback. The next start ends its demo keys. Teams, other keys and usage
//! stay in the key service's database.
//!
//! # Failure policy
//! All or nothing. A child that cannot start or that ends stops the stack; the message names the
//! variable to change or shows the child's last lines. Only the key service is restarted, since the gate works without it.
//! However the stack ends, no process stays, and only logs, the database and the service's two tokens stay in the directory.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::admin::Management;
use crate::render::{ServiceAddress, Upstream};

pub(crate) mod child;
mod demo;
mod files;
mod parent;
mod plan;
mod probe;
mod supervisor;

use child::Program;
use files::LocalDir;
use plan::{Plan, PublicPorts};
use supervisor::Supervisor;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Envoy compiles the filter at start, which takes seconds on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The key service's name among the children.
const SERVICE: &str = "service";
/// How long the gate may take to get the keys.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "Examples:
  gmtech up
  API_PORT=8180 ENVOY_ADMIN_PORT=9902 UPSTREAM_PORT=8190 SERVICE_PORT=8181 SYNC_PORT=8182 \\
      LOCAL_DIR=.local2 gmtech up
  UPSTREAM_KEY=\"$(cat openai.key)\" gmtech up --upstream https://api.openai.com/v1

The provider's key is read from the variable UPSTREAM_KEY only: every user of the machine can see
command lines. One SIGINT (Ctrl-C) or SIGTERM ends everything. The key service's database and tokens stay in
LOCAL_DIR, so that keys made with `gmtech keys create` work again after the next start; the keys `demo` and
`demo-pro` of the team `demo` are replaced: those of the previous run are revoked.";

/// The options of `gmtech up`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpArgs {
    /// The port of the API, on loopback
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    api_port: u16,
    /// The port of Envoy's admin page, on loopback
    #[arg(long, env = "ENVOY_ADMIN_PORT", default_value_t = 9901)]
    admin_port: u16,
    /// The port of mock-llm, on loopback
    #[arg(long, env = "UPSTREAM_PORT", default_value_t = 8090)]
    upstream_port: u16,
    /// The port of the key service's management API, on loopback
    #[arg(long, env = "SERVICE_PORT", default_value_t = 8081)]
    service_port: u16,
    /// The port of the key service's listener for Envoy, on loopback
    #[arg(long, env = "SYNC_PORT", default_value_t = 8082)]
    sync_port: u16,
    /// The base URL of a real provider, in place of mock-llm
    #[arg(long, env = "UPSTREAM", value_name = "URL")]
    upstream: Option<String>,
    /// The directory of the logs, the demo keys and the key service's database
    #[arg(long, env = "LOCAL_DIR", value_name = "DIR", default_value = ".local")]
    local_dir: PathBuf,
    /// The Envoy program (default: the one in .venv, else `envoy` of the PATH)
    #[arg(long, env = "ENVOY_BIN", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The mock-llm program (default: the one beside this program)
    #[arg(long, env = "MOCK_LLM_BIN", value_name = "PATH")]
    mock_llm: Option<PathBuf>,
    /// The filter's Wasm module
    #[arg(
        long,
        env = "FILTER_WASM",
        value_name = "PATH",
        default_value = "target/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm"
    )]
    filter_wasm: PathBuf,
}

/// The options of `gmtech stack-files`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example:\n  gmtech stack-files --dir /stack --state-dir /keys")]
pub(crate) struct FilesArgs {
    /// The directory for envoy.json and demo.env; demo keys in it that still work are kept
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The directory of the key service's tokens
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// The URL of the key service's management API
    #[arg(long, value_name = "URL", default_value = "http://service:8081")]
    service_url: String,
    /// The address at which the key service listens for Envoy
    #[arg(long, value_name = "HOST:PORT", default_value = "service:8082")]
    service: ServiceAddress,
    /// The address at which the key service listens for people
    #[arg(long, value_name = "HOST:PORT", default_value = "service:8081")]
    pages: ServiceAddress,
    /// The port of the API inside the container
    #[arg(long, default_value_t = 8080)]
    api_port: u16,
    /// The port of the admin page inside the container
    #[arg(long, default_value_t = 9901)]
    admin_port: u16,
    /// The API's port on the host, for demo.env
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    public_api_port: u16,
    /// The admin page's port on the host, for demo.env
    #[arg(long, env = "ENVOY_ADMIN_PORT", default_value_t = 9901)]
    public_admin_port: u16,
    /// The management API's port on the host, for demo.env
    #[arg(long, env = "SERVICE_PORT", default_value_t = 8081)]
    public_service_port: u16,
    /// The provider's base URL
    #[arg(long, env = "UPSTREAM", default_value = "http://mock-llm:8090")]
    upstream: Upstream,
    /// The path of the filter's Wasm module in Envoy's container
    #[arg(
        long,
        default_value = "/usr/local/share/gmtech/gmtech_auth_filter.wasm"
    )]
    filter_wasm: PathBuf,
}

/// Runs the stack until a signal or a dead child ends it.
///
/// # Errors
/// When something does not start, or a child ends by itself.
pub(crate) fn up(args: &UpArgs) -> Result<()> {
    // In this order, so that the children end before their files are removed.
    let dir = LocalDir::create(&args.local_dir)?;
    let mut supervisor = Supervisor::new()?;
    parent::end_with_make();
    let external = match args.upstream.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => Some(
            url.parse()
                .map_err(|e| anyhow::anyhow!("UPSTREAM {url} {e}"))?,
        ),
        None => None,
    };

    let mut ports = vec![
        (args.api_port, "API_PORT"),
        (args.admin_port, "ENVOY_ADMIN_PORT"),
        (args.service_port, "SERVICE_PORT"),
        (args.sync_port, "SYNC_PORT"),
    ];
    if external.is_none() {
        ports.push((args.upstream_port, "UPSTREAM_PORT"));
    }
    for (port, variable) in ports {
        probe::port_is_free(LOOPBACK, port, variable)?;
    }
    anyhow::ensure!(
        args.filter_wasm.is_file(),
        "there is no filter at {}: build it with `make wasm`, or set FILTER_WASM",
        args.filter_wasm.display()
    );

    let plan = Plan {
        api: (LOOPBACK, args.api_port),
        admin: (LOOPBACK, args.admin_port),
        public: PublicPorts {
            api: args.api_port,
            admin: args.admin_port,
            service: args.service_port,
        },
        upstream: match &external {
            Some(url) => Upstream::clone(url),
            None => format!("http://{LOOPBACK}:{}", args.upstream_port)
                .parse()
                .map_err(|e: String| anyhow::anyhow!("UPSTREAM_PORT: {e}"))?,
        },
        upstream_key: plan::upstream_key_from_env(),
        filter_wasm: args.filter_wasm.clone(),
        access_log: Some(dir.path("access.log")),
        service: ServiceAddress {
            host: LOOPBACK.to_string(),
            port: args.sync_port,
        },
        pages: ServiceAddress {
            host: LOOPBACK.to_string(),
            port: args.service_port,
        },
        state: dir.root().to_owned(),
    };
    start_service(args, &mut supervisor, &dir)?;
    let admin_token = plan.admin_token()?;
    let api = Management::new(
        &format!("http://{LOOPBACK}:{}", args.service_port),
        &admin_token,
    )?;
    let demo = demo::prepare(&api, None)?;
    plan.write(&dir)?;
    drop(dir.new_log("access.log")?);

    if external.is_none() {
        let program = args
            .mock_llm
            .clone()
            .unwrap_or_else(|| beside_this("mock-llm"));
        supervisor.start(
            Program::new("mock-llm", program).args([
                "--host",
                &LOOPBACK.to_string(),
                "--port",
                &args.upstream_port.to_string(),
            ]),
            &dir,
        )?;
        supervisor.wait_until("mock-llm", READY_WITHIN, || {
            probe::accepts(LOOPBACK, args.upstream_port)
        })?;
    }

    start_envoy(args, &mut supervisor, &dir)?;
    supervisor.wait_until("the gate's list of keys", KNOWN_WITHIN, || {
        probe::has_synced(LOOPBACK, args.admin_port)
    })?;
    // Not with the free key: its 60 requests are for the user.
    supervisor.wait_until("the demo key", KNOWN_WITHIN, || {
        probe::admits(LOOPBACK, args.api_port, &demo.pro)
    })?;

    plan.write_demo_env(&dir, &demo, &admin_token)?;
    print_summary(
        "The gate is ready. Ctrl-C ends it; the keys' database stays in its directory.\n",
        &plan.summary(&dir, &demo, &demo::sign_in_path(&api)?),
    );
    supervisor.run_until_stopped(SERVICE)
}

/// Starts the key service. All options are on its command line, so that variables for another service have no effect.
fn start_service(args: &UpArgs, supervisor: &mut Supervisor, dir: &LocalDir) -> Result<()> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let (database, state) = (dir.path("gmtech.db"), dir.root());
    let host = LOOPBACK.to_string();
    supervisor.start(
        Program::new(SERVICE, this)
            .args(["serve", "--host", &host, "--sync-host", &host])
            .args([
                "--public-url",
                &format!("http://{LOOPBACK}:{}", args.api_port),
            ])
            .args(["--trusted-proxies", &host])
            .args(["--alert-networks", "127.0.0.0/8,::1/128"])
            .args(["--port", &args.service_port.to_string()])
            .args(["--sync-port", &args.sync_port.to_string()])
            .args(["--database".as_ref(), database.as_os_str()])
            .args(["--state-dir".as_ref(), state.as_os_str()]),
        dir,
    )?;
    supervisor.wait_until(SERVICE, READY_WITHIN, || {
        probe::is_ready(LOOPBACK, args.service_port, "/readyz")
            && probe::accepts(LOOPBACK, args.sync_port)
    })
}

fn start_envoy(args: &UpArgs, supervisor: &mut Supervisor, dir: &LocalDir) -> Result<()> {
    let envoy = args.envoy.clone().unwrap_or_else(default_envoy);
    let config = dir.path("envoy.json");
    supervisor.start(
        Program::new("envoy", envoy)
            .args([
                "--config-path",
                &config.to_string_lossy(),
                "--concurrency",
                "2",
            ])
            // Without hot restart Envoy uses no shared memory, so any number of stacks can run side by side.
            .args([
                "--disable-hot-restart",
                "--log-level",
                "info",
                "--file-flush-interval-msec",
                "200",
            ]),
        dir,
    )?;
    supervisor.wait_until("envoy", READY_WITHIN, || {
        probe::is_ready(LOOPBACK, args.admin_port, "/ready")
    })
}

/// Makes the demo team and keys in the key service of docker-compose.yml, and writes the files of the other containers.
///
/// # Errors
/// When a file cannot be written or the service refuses.
pub(crate) fn write_files(args: &FilesArgs) -> Result<()> {
    let dir = LocalDir::create(&args.dir)?;
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let plan = Plan {
        api: (any, args.api_port),
        admin: (any, args.admin_port),
        public: PublicPorts {
            api: args.public_api_port,
            admin: args.public_admin_port,
            service: args.public_service_port,
        },
        upstream: args.upstream.clone(),
        upstream_key: plan::upstream_key_from_env(),
        filter_wasm: args.filter_wasm.clone(),
        access_log: None,
        service: args.service.clone(),
        pages: args.pages.clone(),
        state: args.state_dir.clone(),
    };
    let admin_token = plan.admin_token()?;
    let api = Management::new(&args.service_url, &admin_token)?;
    let demo = demo::prepare(&api, plan::kept_keys(&dir))?;
    plan.write(&dir)?;
    plan.write_demo_env(&dir, &demo, &admin_token)?;
    print_summary(
        "The files are written. Once Envoy is up:\n",
        &plan.summary(&dir, &demo, &demo::sign_in_path(&api)?),
    );
    dir.keep();
    Ok(())
}

/// Prints the summary. A failure is ignored: a closed output must not end the stack.
fn print_summary(headline: &str, text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(format!("{headline}{text}").as_bytes())
        .and_then(|()| out.flush());
}

fn beside_this(name: &str) -> PathBuf {
    std::env::current_exe()
        .context("unknown")
        .map_or_else(|_| name.into(), |exe| exe.with_file_name(name))
}

/// The Envoy program that `make` links. The Python package's wrapper is not used, since it does not forward signals.
fn default_envoy() -> PathBuf {
    let ours = PathBuf::from(".venv/envoy");
    if ours.is_file() { ours } else { "envoy".into() }
}
