//! `gmtech tokens …`: bearer tokens of administrators, readers and proxies.

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use gmtech_service::secret::Token;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::escape;
use super::{Connection, show};
use crate::out;

const ROTATE: &str = "Examples:
  gmtech tokens list
  gmtech tokens create --role admin --name 'Ada Lovelace'
  gmtech tokens create --role team-admin --team acme --name 'ACME CI'
  gmtech tokens revoke tok_x

To replace the proxies' token without refusing a key or letting a revoked one pass:
  gmtech tokens generate > sync.token      where `gmtech serve` reads it; then restart the service, or send it SIGHUP
  gmtech envoy-config … > envoy.json       with the new token; restart the Envoys, one by one
  gmtech tokens list                       check that the old one is no longer used
  gmtech tokens revoke tok_old             otherwise it ends by itself after --token-overlap (24h)";

/// The subcommands of `gmtech tokens`.
#[derive(Subcommand, Debug)]
#[command(after_help = ROTATE)]
pub(crate) enum Command {
    /// List tokens, without their text
    #[command(after_help = "Example:\n  gmtech tokens list --json")]
    List {
        #[command(flatten)]
        at: Connection,
    },
    /// Make a token in the running service; its text is shown only once
    #[command(after_help = ROTATE)]
    Create {
        /// The role, which says what the token allows
        #[arg(long, value_enum)]
        role: Role,
        /// A name that says what it is for
        #[arg(long)]
        name: String,
        /// The team; a team-admin needs one, a reader may have one
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        at: Connection,
    },
    /// End a token
    #[command(
        after_help = "Example:\n  gmtech tokens revoke tok_x\n\nThe last administrator's token cannot be ended: make another one first."
    )]
    Revoke {
        /// Its id (`tok_…`)
        id: String,
        #[command(flatten)]
        at: Connection,
    },
    /// Show the token that is used here: its name, and what it allows
    #[command(after_help = "Example:\n  gmtech tokens show --token-file admin.token")]
    Show {
        #[command(flatten)]
        at: Connection,
    },
    /// Print a new random token, for a file that `gmtech serve` reads; needs no running service
    #[command(after_help = "Example:\n  (umask 077; gmtech tokens generate > sync.token)")]
    Generate,
}

/// The role of a token.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everything
    Admin,
    /// Everything of one team except its credit
    TeamAdmin,
    /// Reading: everything, or one team
    Reader,
    /// Sync of proxies; at most two such tokens are valid at a time
    Proxy,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::TeamAdmin => "team_admin",
            Self::Reader => "reader",
            Self::Proxy => "proxy",
        }
    }
}

const TOKEN: [&str; 9] = [
    "id",
    "name",
    "role",
    "team",
    "configured",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
];

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List { at } => {
            let tokens = at.client()?.list("tokens")?;
            let columns = [
                ("ID", "id"),
                ("NAME", "name"),
                ("ROLE", "role"),
                ("TEAM", "team"),
                ("CONFIGURED", "configured"),
                ("CREATED", "created_at"),
                ("LAST USED", "last_used_at"),
                ("ENDS", "expires_at"),
                ("REVOKED", "revoked_at"),
            ];
            at.print_list(tokens, &columns)
        }
        Command::Create {
            role,
            name,
            team,
            at,
        } => {
            let body = json!({"role": role.name(), "name": name, "team": team});
            print_new(&at.client()?.post("tokens", &body)?, at)
        }
        Command::Revoke { id, at } => {
            let path = format!("tokens/{}", escape(id));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            at.print(&json!({"id": id, "status": "revoked"}), &["id", "status"])
        }
        Command::Show { at } => at.print(&at.client()?.get("me")?, &TOKEN),
        Command::Generate => {
            let token = Token::generate().context("the system gave no random bytes")?;
            out::print(&format!("{}\n", token.reveal()))
        }
    }
}

fn print_new(made: &Value, at: &Connection) -> Result<()> {
    let text = |field: &str| made.get(field).and_then(Value::as_str).unwrap_or_default();
    let shown = if at.json() {
        format!("{made}\n")
    } else {
        format!(
            "{}\n\nThis is the only time that the token is shown.\n\n{}",
            text("token"),
            show::format_fields(made, &TOKEN)
        )
    };
    let lost = format!("{} was made and could not be shown: revoke it", text("id"));
    out::print_once(&shown, &lost)
}
