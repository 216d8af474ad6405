//! What a stack consists of, as files: Envoy's configuration, the filter's, the demo keys.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use gmtech_core::ident::{TeamId, TierName};
use serde_json::{Map, Value, json};

use super::files::LocalDir;
use crate::keys;
use crate::render::{self, Upstream};

/// The variable with the provider's key.
pub(super) const UPSTREAM_KEY: &str = "UPSTREAM_KEY";

/// What to write.
pub(super) struct Plan {
    pub(super) api: (IpAddr, u16),
    pub(super) admin: (IpAddr, u16),
    /// API and admin page as the host sees them.
    pub(super) public_ports: (u16, u16),
    pub(super) upstream: Upstream,
    pub(super) upstream_key: Option<String>,
    pub(super) filter_wasm: PathBuf,
    /// `None` is standard output.
    pub(super) access_log: Option<PathBuf>,
    /// Whether demo keys that are there already stay.
    pub(super) keep_keys: bool,
}

/// The demo keys' text.
pub(super) struct Demo {
    free: String,
    pro: String,
}

/// The provider's key of the environment, without white space around it.
pub(super) fn upstream_key_from_env() -> Option<String> {
    let key = std::env::var(UPSTREAM_KEY).ok()?;
    let key = key.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

impl Plan {
    /// Writes Envoy's configuration and what it refers to.
    ///
    /// # Errors
    /// When a file cannot be written or the configuration not be rendered.
    pub(super) fn write(&self, dir: &LocalDir) -> Result<Demo> {
        let kept = if self.keep_keys { kept_keys(dir) } else { None };
        let demo = match kept {
            Some(demo) => demo,
            None => new_keys(dir)?,
        };
        let upstream_key_file = match &self.upstream_key {
            Some(key) => Some(dir.write("upstream.key", key)?),
            None => {
                // Of an earlier run; it may well not be there.
                let _ = std::fs::remove_file(dir.path("upstream.key"));
                None
            }
        };
        let config = render::bootstrap(&render::Args {
            api_host: Some(self.api.0),
            api_port: Some(self.api.1),
            admin_host: Some(self.admin.0),
            admin_port: Some(self.admin.1),
            upstream: Some(self.upstream.clone()),
            upstream_key_file,
            filter_wasm: Some(self.filter_wasm.clone()),
            filter_config: Some(dir.path("filter.json")),
            access_log: self.access_log.clone(),
            ..render::Args::default()
        })
        .context("cannot render Envoy's configuration")?;
        dir.write("envoy.json", &serde_json::to_string_pretty(&config)?)?;
        Ok(demo)
    }

    /// Tells programs where the stack is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write_demo_env(&self, dir: &LocalDir, demo: &Demo) -> Result<()> {
        let (api, admin) = self.public_ports;
        let text = format!(
            "OPENAI_BASE_URL=http://127.0.0.1:{api}/api/v1\n\
             OPENAI_API_KEY={}\n\
             ENVOY_ADMIN_URL=http://127.0.0.1:{admin}\n\
             GMTECH_PRO_API_KEY={}\n",
            demo.free, demo.pro
        );
        dir.write("demo.env", &text).map(|_| ())
    }

    /// What a person wants to know once the stack is up.
    pub(super) fn summary(&self, dir: &LocalDir, demo: &Demo) -> String {
        let (api, admin) = self.public_ports;
        let log = match &self.access_log {
            Some(path) => path.display().to_string(),
            None => "standard output of Envoy".into(),
        };
        format!(
            "\x20 API         http://127.0.0.1:{api}/api/v1\n\
             \x20 metrics     http://127.0.0.1:{admin}/stats/prometheus\n\
             \x20 upstream    {}://{}\n\
             \x20 access log  {log}\n\
             \x20 variables   {}\n\
             \x20 key, free   {}\n\
             \x20 key, pro    {}\n\n\
             Try it:\n\
             \x20 curl http://127.0.0.1:{api}/api/v1/chat/completions \\\n\
             \x20   -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n\
             \x20   -d '{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n",
            if self.upstream.tls { "https" } else { "http" },
            self.upstream.authority,
            dir.path("demo.env").display(),
            demo.free,
            demo.pro,
            demo.free,
        )
    }
}

/// Makes the demo keys and the filter's configuration that knows them.
fn new_keys(dir: &LocalDir) -> Result<Demo> {
    let mut entries = Map::new();
    let mut make = |tier: &str| -> Result<String> {
        let new = keys::generate(&keys::Generate {
            team: TeamId::new("demo")?,
            tier: TierName::new(tier)?,
            name: None,
            models: Vec::new(),
            requests_per_minute: None,
            tokens_per_minute: None,
            expires_at: None,
            json: false,
        })?;
        entries.extend(new.entry);
        Ok(new.key.reveal().to_owned())
    };
    let demo = Demo {
        free: make("free")?,
        pro: make("pro")?,
    };
    let filter: Value = json!({ "keys": entries });
    dir.write("filter.json", &serde_json::to_string_pretty(&filter)?)?;
    Ok(demo)
}

/// The keys of an earlier run, if both its files are there.
fn kept_keys(dir: &LocalDir) -> Option<Demo> {
    if !dir.path("filter.json").is_file() {
        return None;
    }
    let text = std::fs::read_to_string(dir.path("demo.env")).ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.strip_prefix('='))
            .map(str::to_owned)
    };
    Some(Demo {
        free: value("OPENAI_API_KEY")?,
        pro: value("GMTECH_PRO_API_KEY")?,
    })
}
