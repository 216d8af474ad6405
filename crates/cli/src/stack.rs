//! The local stack: a demo key, an upstream and Envoy with the filter, from one command.
//!
//! `gmtech up` runs it in the foreground; `gmtech stack-files` writes the same files for containers. It is for
//! laptops and evaluation: it listens on loopback, and its keys live as long as it does.
//!
//! # Failure policy
//! All or nothing. What cannot start ends the stack, and so does a child that ends; the message names the
//! variable to change or shows the child's last lines. Whatever ends it, only logs stay in the directory.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::render::Upstream;

pub(crate) mod child;
mod files;
mod parent;
mod plan;
mod probe;
mod supervisor;

use child::Program;
use files::LocalDir;
use plan::Plan;
use supervisor::Supervisor;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Envoy compiles the filter at start, which takes seconds on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "Examples:
  gmtech up
  API_PORT=8081 ENVOY_ADMIN_PORT=9902 UPSTREAM_PORT=8091 LOCAL_DIR=.local2 gmtech up
  UPSTREAM_KEY=\"$(cat openai.key)\" gmtech up --upstream https://api.openai.com/v1

The provider's key is read from the variable UPSTREAM_KEY only: a command line can be seen by everybody
on the machine. One SIGINT (Ctrl-C) or SIGTERM ends everything.";

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
    /// A real provider's base URL in place of mock-llm
    #[arg(long, env = "UPSTREAM", value_name = "URL")]
    upstream: Option<String>,
    /// Where logs and the demo key are put
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
pub(crate) struct FilesArgs {
    /// Where to put envoy.json, filter.json and demo.env; a demo key that is there is kept
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
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
        public_ports: (args.api_port, args.admin_port),
        upstream: match &external {
            Some(url) => Upstream::clone(url),
            None => format!("http://{LOOPBACK}:{}", args.upstream_port)
                .parse()
                .map_err(|e: String| anyhow::anyhow!("UPSTREAM_PORT: {e}"))?,
        },
        upstream_key: plan::upstream_key_from_env(),
        filter_wasm: args.filter_wasm.clone(),
        access_log: Some(dir.path("access.log")),
        keep_keys: false,
    };
    let demo = plan.write(&dir)?;
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
        &dir,
    )?;
    supervisor.wait_until("envoy", READY_WITHIN, || {
        probe::is_ready(LOOPBACK, args.admin_port)
    })?;

    plan.write_demo_env(&dir, &demo)?;
    print_summary(
        "The gate is ready. Ctrl-C ends it.\n",
        &plan.summary(&dir, &demo),
    );
    supervisor.run_until_stopped()
}

/// Writes what the containers of docker-compose.yml need.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write_files(args: &FilesArgs) -> Result<()> {
    let dir = LocalDir::create(&args.dir)?;
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let plan = Plan {
        api: (any, args.api_port),
        admin: (any, args.admin_port),
        public_ports: (args.public_api_port, args.public_admin_port),
        upstream: args.upstream.clone(),
        upstream_key: plan::upstream_key_from_env(),
        filter_wasm: args.filter_wasm.clone(),
        access_log: None,
        keep_keys: true,
    };
    let demo = plan.write(&dir)?;
    plan.write_demo_env(&dir, &demo)?;
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
