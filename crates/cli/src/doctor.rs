//! `gmtech doctor`: checks a service and its Envoys, and reports what is wrong and how to fix it.
//!
//! It changes nothing. It reads only what a reader's token may read, and Envoy's admin page if that is named.
//!
//! # Failure policy
//! A check that cannot be made is a finding of its own; the others go on. The exit status is 0 if nothing failed
//! (warnings do not count), 6 if the service cannot be reached, and 1 otherwise.

mod envoy;
mod proxies;
mod service;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::admin::Connection;
use crate::exit::{Exit, Failure};
use crate::out;

/// The options of `gmtech doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech doctor
  gmtech doctor --envoy http://127.0.0.1:9901
  gmtech doctor --json | jq '.checks[] | select(.status != \"ok\")'

Exit status: 0 if nothing failed (a warning is no failure), 1 if something did, 6 if the service cannot be reached.")]
pub(crate) struct Command {
    /// The admin page of an Envoy, to check its filter too; may be repeated
    #[arg(
        long,
        env = "ENVOY_ADMIN_URL",
        value_name = "URL",
        value_delimiter = ','
    )]
    envoy: Vec<String>,
    #[command(flatten)]
    at: Connection,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Ok,
    Warn,
    Fail,
}

impl Found {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of the result.
#[derive(Debug)]
struct Check {
    name: &'static str,
    found: Found,
    detail: String,
    /// How to fix it; empty if nothing is wrong.
    fix: &'static str,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Found::Ok, detail, "")
    }

    fn warn(name: &'static str, detail: impl Into<String>, fix: &'static str) -> Self {
        Self::new(name, Found::Warn, detail, fix)
    }

    fn fail(name: &'static str, detail: impl Into<String>, fix: &'static str) -> Self {
        Self::new(name, Found::Fail, detail, fix)
    }

    fn new(name: &'static str, found: Found, detail: impl Into<String>, fix: &'static str) -> Self {
        Self {
            name,
            found,
            detail: detail.into(),
            fix,
        }
    }

    fn json(&self) -> Value {
        let fix = Some(self.fix).filter(|fix| !fix.is_empty());
        json!({"name": self.name, "status": self.found.name(), "detail": self.detail, "fix": fix})
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{:<5} {:<9} {}\n",
            self.found.name(),
            self.name,
            self.detail
        );
        if !self.fix.is_empty() {
            line += &format!("{:<15} -> {}\n", "", self.fix);
        }
        line
    }
}

/// Makes the checks and prints what was found.
///
/// # Errors
/// If a check failed.
pub(crate) fn run(command: &Command) -> Result<()> {
    let service::Service {
        mut checks,
        reached,
    } = service::look(&command.at);
    for url in &command.envoy {
        checks.extend(envoy::look(url));
    }
    let failed = checks.iter().filter(|c| c.found == Found::Fail).count();
    if command.at.json() {
        let all: Vec<_> = checks.iter().map(Check::json).collect();
        out::print(&format!("{}\n", json!({"ok": failed == 0, "checks": all})))?;
    } else {
        let lines: String = checks.iter().map(Check::line).collect();
        out::print(&lines)?;
    }
    match (failed, reached) {
        (0, _) => Ok(()),
        (_, false) => Err(Failure::new(
            Exit::Unreachable,
            "unreachable",
            "the key service cannot be reached",
        )
        .into()),
        (1, true) => bail!("1 check failed"),
        (n, true) => bail!("{n} checks failed"),
    }
}

/// The text of a field; empty if there is none.
fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
