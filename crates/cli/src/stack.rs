//! The local stack: the key service, a demo key, an upstream and Envoy with the filter, from one command.
//!
//! `gmtech up` runs it in the foreground; `gmtech stack-files` prepares the same for containers. It is for
//! laptops and evaluation: it listens on loopback. Its demo keys end with its next start; teams, keys and usage
//! that were made meanwhile are in the key service's database and stay.
//!
//! # Failure policy
//! All or nothing. What cannot start ends the stack, and so does a child that ends; the message names the
//! variable to change or shows the child's last lines. Only the key service is started again: the gate goes on without it. Whatever ends it, no process stays, and in the directory
//! only logs, the database and the service's two tokens.

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
/// How long the gate may take to learn the keys.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "Examples:
  gmtech up
  API_PORT=8180 ENVOY_ADMIN_PORT=9902 UPSTREAM_PORT=8190 SERVICE_PORT=8181 SYNC_PORT=8182 \\
      LOCAL_DIR=.local2 gmtech up
  UPSTREAM_KEY=\"$(cat openai.key)\" gmtech up --upstream https://api.openai.com/v1

The provider's key is read from the variable UPSTREAM_KEY only: a command line can be seen by everybody
on the machine. One SIGINT (Ctrl-C) or SIGTERM ends everything. The key service's database and tokens stay in
LOCAL_DIR, so that keys made with `gmtech keys create` work again after the next start; the keys `demo` and
`demo-pro` of the team `demo` are made anew, and those of the run before are revoked.";

/// The options of `gmtech up`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpArgs {
    /// Where the API listens, on loopback
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    api_port: u16,
    /// Where Envoy's admin page listens, on loopback
    #[arg(long, env = "ENVOY_ADMIN_PORT", default_value_t = 9901)]
    admin_port: u16,
    /// Where mock-llm listens, on loopback
    #[arg(long, env = "UPSTREAM_PORT", default_value_t = 8090)]
    upstream_port: u16,
    /// Where the key service's management API listens, on loopback
    #[arg(long, env = "SERVICE_PORT", default_value_t = 8081)]
    service_port: u16,
    /// Where the key service listens for Envoy, on loopback
    #[arg(long, env = "SYNC_PORT", default_value_t = 8082)]
    sync_port: u16,
    /// A real provider's base URL in place of mock-llm
    #[arg(long, env = "UPSTREAM", value_name = "URL")]
    upstream: Option<String>,
    /// Where logs, the demo key and the key service's database are put
    #[arg(long, env = "LOCAL_DIR", value_name = "DIR", default_value = ".local")]
    local_dir: PathBuf,
    /// The Envoy program (default: the one in .venv, else `envoy` of the PATH)
    #[arg(long, env = "ENVOY_BIN", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The mock-llm program (default: the one beside this program)
    #[arg(long, env = "MOCK_LLM_BIN", value_name = "PATH")]
    mock_llm: Option<PathBuf>,
    /// The filter's module
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
    /// Where to put envoy.json and demo.env; a demo key that is there and works is kept
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where the key service keeps its tokens
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// The key service's management API
    #[arg(long, value_name = "URL", default_value = "http://service:8081")]
    service_url: String,
    /// Where the key service listens for Envoy
    #[arg(long, value_name = "HOST:PORT", default_value = "service:8082")]
    service: ServiceAddress,
    /// Where the API listens inside the container
    #[arg(long, default_value_t = 8080)]
    api_port: u16,
    /// Where the admin page listens inside the container
    #[arg(long, default_value_t = 9901)]
    admin_port: u16,
    /// The port that the API is published at on the host, for demo.env
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    public_api_port: u16,
    /// The port that the admin page is published at on the host, for demo.env
    #[arg(long, env = "ENVOY_ADMIN_PORT", default_value_t = 9901)]
    public_admin_port: u16,
    /// The port that the management API is published at on the host, for demo.env
    #[arg(long, env = "SERVICE_PORT", default_value_t = 8081)]
    public_service_port: u16,
    /// The provider's base URL
    #[arg(long, env = "UPSTREAM", default_value = "http://mock-llm:8090")]
    upstream: Upstream,
    /// The filter's module, as Envoy's container sees it
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
    // In this order, so that the children end before their files go.
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
    // Not the free key: its 60 requests are the user's.
    supervisor.wait_until("the demo key", KNOWN_WITHIN, || {
        probe::admits(LOOPBACK, args.api_port, &demo.pro)
    })?;

    plan.write_demo_env(&dir, &demo, &admin_token)?;
    print_summary(
        "The gate is ready. Ctrl-C ends it; the keys' database stays in its directory.\n",
        &plan.summary(&dir, &demo),
    );
    supervisor.run_until_stopped(SERVICE)
}

/// With everything on its command line: variables that are meant for another service must not count.
fn start_service(args: &UpArgs, supervisor: &mut Supervisor, dir: &LocalDir) -> Result<()> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let (database, state) = (dir.path("gmtech.db"), dir.root());
    let host = LOOPBACK.to_string();
    supervisor.start(
        Program::new(SERVICE, this)
            .args(["serve", "--host", &host, "--sync-host", &host])
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
            // No hot restart: nothing in shared memory, and any number of stacks side by side.
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

/// Makes the demo team and keys in the key service of docker-compose.yml, and writes what its other containers need.
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
        state: args.state_dir.clone(),
    };
    let admin_token = plan.admin_token()?;
    let api = Management::new(&args.service_url, &admin_token)?;
    let demo = demo::prepare(&api, plan::kept_keys(&dir))?;
    plan.write(&dir)?;
    plan.write_demo_env(&dir, &demo, &admin_token)?;
    print_summary(
        "The files are written. Once Envoy is up:\n",
        &plan.summary(&dir, &demo),
    );
    dir.keep();
    Ok(())
}

/// A reader that went away must not end the stack.
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

/// `make` links the real program there: the Python package's wrapper would not pass signals on.
fn default_envoy() -> PathBuf {
    let ours = PathBuf::from(".venv/envoy");
    if ours.is_file() { ours } else { "envoy".into() }
}
