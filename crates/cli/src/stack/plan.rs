//! The files of a stack: Envoy's configuration and `demo.env`.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::demo::Demo;
use super::files::LocalDir;
use crate::render::{self, ServiceAddress, Upstream};

/// The variable with the provider's key.
pub(super) const UPSTREAM_KEY: &str = "UPSTREAM_KEY";

/// The inputs of the files.
pub(super) struct Plan {
    pub(super) api: (IpAddr, u16),
    pub(super) admin: (IpAddr, u16),
    pub(super) public: PublicPorts,
    pub(super) upstream: Upstream,
    pub(super) upstream_key: Option<String>,
    pub(super) filter_wasm: PathBuf,
    /// The access log; `None` is standard output.
    pub(super) access_log: Option<PathBuf>,
    /// The address at which Envoy reaches the key service.
    pub(super) service: ServiceAddress,
    /// The address at which Envoy reaches the service's pages.
    pub(super) pages: ServiceAddress,
    /// The directory of the key service's tokens.
    pub(super) state: PathBuf,
}

/// Ports on loopback, as the host sees them.
#[derive(Clone, Copy)]
pub(super) struct PublicPorts {
    pub(super) api: u16,
    /// Envoy's admin page.
    pub(super) admin: u16,
    /// The management API.
    pub(super) service: u16,
}

/// The provider's key from the environment, trimmed.
pub(super) fn upstream_key_from_env() -> Option<String> {
    let key = std::env::var(UPSTREAM_KEY).ok()?;
    let key = key.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

impl Plan {
    /// Reads the administrator's token, which the service has made.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(super) fn admin_token(&self) -> Result<String> {
        let path = self.state.join("admin.token");
        let token = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(token.trim().to_owned())
    }

    /// Writes Envoy's configuration and the files that it refers to. The service must have made its tokens.
    ///
    /// # Errors
    /// When a file cannot be written or the configuration cannot be rendered.
    pub(super) fn write(&self, dir: &LocalDir) -> Result<()> {
        let upstream_key_file = match &self.upstream_key {
            Some(key) => Some(dir.write("upstream.key", key)?),
            None => {
                // It may be left from an earlier run.
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
            // `gmtech up` has checked it; a container has its own.
            allow_missing_module: true,
            service: Some(self.service.clone()),
            service_token_file: Some(self.state.join("sync.token")),
            pages: Some(self.pages.clone()),
            access_log: self.access_log.clone(),
            ..render::Args::default()
        })
        .context("cannot render Envoy's configuration")?;
        dir.write("envoy.json", &serde_json::to_string_pretty(&config)?)?;
        Ok(())
    }

    /// Writes the stack's addresses and keys for programs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write_demo_env(
        &self,
        dir: &LocalDir,
        demo: &Demo,
        admin_token: &str,
    ) -> Result<()> {
        let PublicPorts {
            api,
            admin,
            service,
        } = self.public;
        let text = format!(
            "OPENAI_BASE_URL=http://127.0.0.1:{api}/api/v1\n\
             OPENAI_API_KEY={}\n\
             ENVOY_ADMIN_URL=http://127.0.0.1:{admin}\n\
             GMTECH_PRO_API_KEY={}\n\
             GMTECH_ADMIN_URL=http://127.0.0.1:{service}\n\
             GMTECH_ADMIN_TOKEN={admin_token}\n",
            demo.free, demo.pro
        );
        dir.write("demo.env", &text).map(|_| ())
    }

    /// The summary for people once the stack is up. It omits the administrator's token, which outlives the stack, since
    /// terminals are recorded.
    /// `sign_in` is the path of a one-time link to the pages.
    pub(super) fn summary(&self, dir: &LocalDir, demo: &Demo, sign_in: &str) -> String {
        let PublicPorts {
            api,
            admin,
            service,
        } = self.public;
        let log = match &self.access_log {
            Some(path) => path.display().to_string(),
            None => "standard output of Envoy".into(),
        };
        let program = std::env::args().next().unwrap_or_else(|| "gmtech".into());
        let variables = dir.path("demo.env");
        let create = "keys create --team demo --name ci --tier free";
        let create = match &self.access_log {
            Some(_) => format!("(set -a; . '{}'; {program} {create})", variables.display()),
            // In containers this directory does not exist on the host.
            None => format!(
                "docker compose exec service gmtech {create} --token-file {}",
                self.state.join("admin.token").display()
            ),
        };
        format!(
            "\x20 pages       http://127.0.0.1:{api}/users/api-keys/\n\
             \x20 sign in     http://127.0.0.1:{api}{sign_in} (once, within an hour)\n\
             \x20 API         http://127.0.0.1:{api}/api/v1\n\
             \x20 management  http://127.0.0.1:{service}\n\
             \x20 metrics     http://127.0.0.1:{admin}/stats/prometheus\n\
             \x20 upstream    {}://{}\n\
             \x20 access log  {log}\n\
             \x20 variables   {variables}\n\
             \x20 key, free   {}\n\
             \x20 key, pro    {}\n\n\
             Try it:\n\
             \x20 curl http://127.0.0.1:{api}/api/v1/chat/completions \\\n\
             \x20   -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n\
             \x20   -d '{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n\n\
             Make another key:\n\
             \x20 {create}\n",
            if self.upstream.tls { "https" } else { "http" },
            self.upstream.authority,
            demo.free,
            demo.pro,
            demo.free,
            variables = variables.display(),
        )
    }
}

/// Reads the demo keys of an earlier run.
pub(super) fn kept_keys(dir: &LocalDir) -> Option<Demo> {
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
