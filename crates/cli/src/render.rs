//! `gmtech envoy-config`: renders an Envoy bootstrap for given ports, upstream and filter from the deployed template.
//!
//! The template is parsed and its nodes are found by name (listener `api`, cluster `upstream`, filter
//! `gmtech`, …), so that the local stack and the end-to-end tests run the deployed configuration.
//!
//! # Failure policy
//! A missing node is an error that names it. No option is ignored because the template
//! lacks its node.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::out;

mod merge;
mod module;
mod nodes;
mod pages;
mod patch;
mod service;
mod upstream;

pub(crate) use service::ServiceAddress;
pub(crate) use upstream::Upstream;

/// The deployed template, which is part of the program.
const ENVOY_YAML: &str = include_str!("../../../envoy/envoy.yaml");

const EXAMPLES: &str = "Examples:
  gmtech envoy-config --api-port 8081 --admin-port 9902 --upstream http://127.0.0.1:8090 \\
      --filter-wasm target/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm \\
      --filter-config filter.json > envoy.json
  gmtech envoy-config --upstream https://api.openai.com/v1 --upstream-key-file openai.key
  gmtech envoy-config --filter-wasm /in/the/container.wasm --allow-missing-module
  gmtech envoy-config --service keys.internal:8082 --service-token-file sync.token > envoy.json
  gmtech envoy-config --service keys.internal:8082 --service-token-file sync.token --pages keys.internal:8081
  gmtech envoy-config --no-filter --set-file overlay.yaml

The output holds the service's token: protect it as you protect the token (umask 077).

An overlay is a YAML mapping that is merged in: mappings key by key (null removes a key), lists of named items
by name. Other lists are replaced.";

/// The options of `gmtech envoy-config`.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The YAML template (default: the built-in envoy/envoy.yaml)
    #[arg(long, value_name = "PATH")]
    pub(crate) template: Option<PathBuf>,
    /// The port of the API (0 lets the system choose; the admin page shows it at /listeners)
    #[arg(long, value_name = "PORT")]
    pub(crate) api_port: Option<u16>,
    /// The address that the API listens on
    #[arg(long, value_name = "IP")]
    pub(crate) api_host: Option<std::net::IpAddr>,
    /// The port of the admin page (0 lets the system choose; see Envoy's --admin-address-path)
    #[arg(long, value_name = "PORT")]
    pub(crate) admin_port: Option<u16>,
    /// The address that the admin page listens on; whoever reaches it can stop Envoy
    #[arg(long, value_name = "IP")]
    pub(crate) admin_host: Option<std::net::IpAddr>,
    /// The provider: http(s)://host[:port][/path]; /api/v1/x becomes <path>/x, or /v1/x without a path
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<Upstream>,
    /// A file that holds only the provider's key, without a newline (default: a placeholder is sent, never the client's key)
    #[arg(long, value_name = "PATH")]
    pub(crate) upstream_key_file: Option<PathBuf>,
    /// A file of the CA certificates to trust for an https provider (default: the system's)
    #[arg(long, value_name = "PATH")]
    pub(crate) upstream_ca_file: Option<PathBuf>,
    /// The filter's Wasm module
    #[arg(long, value_name = "PATH")]
    pub(crate) filter_wasm: Option<PathBuf>,
    /// Do not check that the filter's module exists: for a configuration that another machine or a container runs
    #[arg(long)]
    pub(crate) allow_missing_module: bool,
    /// A file with the filter's configuration as JSON; `-` is standard input
    #[arg(long, value_name = "PATH|-")]
    pub(crate) filter_config: Option<PathBuf>,
    /// The address at which the key service listens for proxies (its SYNC_PORT)
    #[arg(long, value_name = "HOST:PORT", requires = "service_token_file")]
    pub(crate) service: Option<ServiceAddress>,
    /// A file with the service's token for proxies (its sync.token): the filter also gets keys from the service
    #[arg(long, value_name = "PATH", conflicts_with = "no_filter")]
    pub(crate) service_token_file: Option<PathBuf>,
    /// The address at which the key service listens for people (its PORT): /users/ and /api/v1/organization/ lead there (default:
    /// there are no such routes)
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) pages: Option<ServiceAddress>,
    /// Write the access log to this file in place of standard output
    #[arg(long, value_name = "PATH")]
    pub(crate) access_log: Option<PathBuf>,
    /// Leave the gmtech filter out, to compare with Envoy without it: every request passes
    #[arg(long, conflicts_with_all = ["filter_wasm", "filter_config"])]
    pub(crate) no_filter: bool,
    /// A YAML overlay to merge in at the end; may be repeated
    #[arg(long = "set-file", value_name = "PATH")]
    pub(crate) set_files: Vec<PathBuf>,
}

/// Runs `gmtech envoy-config`.
///
/// # Errors
/// When the configuration cannot be rendered or printed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let text = serde_json::to_string_pretty(&bootstrap(args)?)? + "\n";
    out::print(&text)
}

/// Renders the bootstrap for `args`.
///
/// # Errors
/// When a file cannot be read or a node of the template is missing; the message names it.
pub(crate) fn bootstrap(args: &Args) -> Result<Value> {
    let mut config = template(args)?;
    patch::addresses(&mut config, args)?;
    if let Some(upstream) = &args.upstream {
        patch::upstream(&mut config, upstream, args.upstream_ca_file.as_deref())?;
    }
    patch::upstream_key(&mut config, args.upstream_key_file.as_deref())?;
    if let Some(path) = &args.filter_wasm {
        patch::filter_wasm(&mut config, path)?;
    }
    if let Some(path) = &args.filter_config {
        patch::filter_config(&mut config, &read_filter_config(path)?)?;
    }
    if let Some(address) = &args.service {
        service::address(&mut config, address)?;
    }
    if let Some(path) = &args.service_token_file {
        service::token(&mut config, path)?;
    }
    match &args.pages {
        Some(address) => pages::address(&mut config, address)?,
        None => pages::remove(&mut config)?,
    }
    if let Some(path) = &args.access_log {
        patch::access_log(&mut config, path)?;
    }
    if args.no_filter {
        patch::remove_filter(&mut config)?;
    }
    for path in &args.set_files {
        let overlay = parse_yaml(&read(path)?).with_context(|| format!("{}", path.display()))?;
        merge::merge(&mut config, overlay);
    }
    if !args.allow_missing_module {
        module::check(&mut config)?;
    }
    Ok(config)
}

fn template(args: &Args) -> Result<Value> {
    match &args.template {
        Some(path) => parse_yaml(&read(path)?).with_context(|| format!("{}", path.display())),
        None => parse_yaml(ENVOY_YAML),
    }
}

fn parse_yaml(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).map_err(|e| anyhow::anyhow!("is not YAML: {e}"))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads the filter's configuration verbatim. The filter checks it.
fn read_filter_config(path: &Path) -> Result<String> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read --filter-config from standard input")?;
        text
    } else {
        read(path)?
    };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        bail!("--filter-config {} is not JSON: {error}", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
