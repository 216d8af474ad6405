//! `gmtech teams …`: billing accounts, their members, their credit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::Connection;
use super::client::escape;

/// The subcommands of `gmtech teams`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a team
    #[command(
        after_help = "Examples:\n  gmtech teams create demo\n  gmtech teams create acme --name 'ACME Corp.' --prepaid"
    )]
    Create {
        /// Its id: letters, digits, `_`, `.` or `-`
        id: String,
        /// The team's name
        #[arg(long)]
        name: Option<String>,
        /// Make it prepaid: it spends only its credit; the first top-up does this too
        #[arg(long)]
        prepaid: bool,
        /// A JSON file with the policy: what the team's own administrators may do with keys
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        #[command(flatten)]
        at: Connection,
    },
    /// List teams and their balances
    #[command(after_help = "Example:\n  gmtech teams list --json")]
    List {
        #[command(flatten)]
        at: Connection,
    },
    /// Add to a team's credit
    #[command(
        after_help = "Example:\n  gmtech teams top-up demo 25.00 --note 'invoice 7' --idempotency-key invoice-7"
    )]
    TopUp {
        /// The team
        id: String,
        /// Dollars; a negative amount is a correction
        #[arg(allow_negative_numbers = true, value_parser = dollars)]
        usd: i64,
        /// The reason, for the ledger
        #[arg(long, default_value = "")]
        note: String,
        /// With the same value a repeated call counts only once
        #[arg(long, value_name = "TEXT")]
        idempotency_key: Option<String>,
        #[command(flatten)]
        at: Connection,
    },
    /// Show a team: its credit and its policy
    #[command(
        visible_alias = "balance",
        after_help = "Example:\n  gmtech teams show demo --json"
    )]
    Show(One),
    /// Change a team's name or policy, or whether it is prepaid
    #[command(after_help = "Examples:
  gmtech teams update acme --name 'ACME Corporation'
  gmtech teams update acme --prepaid true
  gmtech teams update acme --policy acme.json")]
    Update(Update),
    /// Close a team: its keys are revoked; its ledger and its usage stay
    #[command(after_help = "Example:\n  gmtech teams close acme")]
    Close(One),
    /// List the entries of a team's ledger, the newest first
    #[command(after_help = "Example:\n  gmtech teams ledger demo --json")]
    Ledger(One),
    /// List, add or remove a team's members
    #[command(subcommand)]
    Members(Members),
}

/// One team.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// Its id
    id: String,
    #[command(flatten)]
    at: Connection,
}

/// The options of `gmtech teams update`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").args(["name", "prepaid", "policy", "default_policy"]).required(true).multiple(true))]
pub(crate) struct Update {
    /// Its id
    id: String,
    /// The team's name
    #[arg(long)]
    name: Option<String>,
    /// Whether it is prepaid: it spends only its credit
    #[arg(long, value_name = "true|false")]
    prepaid: Option<bool>,
    /// A JSON file with the policy: what the team's own administrators may do with keys
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Go back to the default policy
    #[arg(long, conflicts_with = "policy")]
    default_policy: bool,
    #[command(flatten)]
    at: Connection,
}

/// The subcommands of `gmtech teams members`.
#[derive(Subcommand, Debug)]
pub(crate) enum Members {
    /// List members
    #[command(after_help = "Example:\n  gmtech teams members list acme")]
    List(One),
    /// Add a member, or change a member's role
    #[command(
        after_help = "Example:\n  gmtech teams members add acme ada@example.com --role owner"
    )]
    Add {
        /// The team
        id: String,
        /// The member's email address
        email: String,
        /// `owner`, `developer` or `viewer`
        #[arg(long, default_value = "developer")]
        role: String,
        #[command(flatten)]
        at: Connection,
    },
    /// Remove a member
    #[command(after_help = "Example:\n  gmtech teams members remove acme ada@example.com")]
    Remove {
        /// The team
        id: String,
        /// The member's email address
        email: String,
        #[command(flatten)]
        at: Connection,
    },
}

/// Converts dollars to nano-dollars.
pub(super) fn dollars(text: &str) -> Result<i64, String> {
    let amount = text.strip_prefix('$').unwrap_or(text);
    gmtech_service::money::parse_usd(amount)
        .ok_or_else(|| "is not an amount in dollars, such as 2.50".into())
}

const TEAM: [&str; 8] = [
    "id",
    "name",
    "balance_nano_usd",
    "prepaid",
    "exhausted",
    "policy",
    "created_at",
    "closed_at",
];

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Create {
            id,
            name,
            prepaid,
            policy,
            at,
        } => {
            let mut body = json!({"id": id, "name": name, "prepaid": prepaid});
            if let (Some(path), Some(body)) = (policy, body.as_object_mut()) {
                body.insert("policy".into(), policy_of(path)?);
            }
            at.print(&at.client()?.post("teams", &body)?, &TEAM)
        }
        Command::List { at } => {
            let columns = [
                ("ID", "id"),
                ("NAME", "name"),
                ("BALANCE", "balance_nano_usd"),
                ("PREPAID", "prepaid"),
                ("EXHAUSTED", "exhausted"),
            ];
            at.print_list(at.client()?.all("teams", &[])?, &columns)
        }
        Command::TopUp {
            id,
            usd,
            note,
            idempotency_key,
            at,
        } => {
            let body = json!({"amount_nano_usd": usd, "note": note});
            let path = format!("teams/{}/credit", escape(id));
            let once = idempotency_key.as_deref();
            at.print(&at.client()?.post_once(&path, &body, once)?, &TEAM)
        }
        Command::Show(One { id, at }) => {
            let team = at.client()?.get(&format!("teams/{}", escape(id)))?;
            at.print(&team, &TEAM)
        }
        Command::Update(change) => {
            let mut body = Map::new();
            if let Some(name) = &change.name {
                body.insert("name".into(), json!(name));
            }
            if let Some(prepaid) = change.prepaid {
                body.insert("prepaid".into(), json!(prepaid));
            }
            if let Some(path) = &change.policy {
                body.insert("policy".into(), policy_of(path)?);
            }
            if change.default_policy {
                body.insert("policy".into(), Value::Null);
            }
            let path = format!("teams/{}", escape(&change.id));
            let client = change.at.client()?;
            let team = client.send(Method::PATCH, &path, &body.into())?;
            change.at.print(&team, &TEAM)
        }
        Command::Close(One { id, at }) => {
            let path = format!("teams/{}/close", escape(id));
            let team = at.client()?.send(Method::POST, &path, &json!({}))?;
            at.print(&team, &["id", "closed_at"])
        }
        Command::Ledger(One { id, at }) => {
            let path = format!("teams/{}/ledger", escape(id));
            let columns = [
                ("AT", "at"),
                ("KIND", "kind"),
                ("AMOUNT", "amount_nano_usd"),
                ("KEY", "key"),
                ("EVENTS", "events"),
                ("BY", "actor"),
                ("NOTE", "note"),
            ];
            at.print_list(at.client()?.all(&path, &[])?, &columns)
        }
        Command::Members(command) => members(command),
    }
}

fn policy_of(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --policy {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("--policy {} is not JSON", path.display()))
}

fn members(command: &Members) -> Result<()> {
    match command {
        Members::List(One { id, at }) => {
            let rows = at
                .client()?
                .list(&format!("teams/{}/members", escape(id)))?;
            let columns = [("EMAIL", "email"), ("ROLE", "role"), ("SINCE", "added_at")];
            at.print_list(rows, &columns)
        }
        Members::Add {
            id,
            email,
            role,
            at,
        } => {
            let body = json!({"email": email, "role": role});
            let path = format!("teams/{}/members", escape(id));
            let member = at.client()?.send(Method::PUT, &path, &body)?;
            at.print(&member, &["email", "role", "added_at"])
        }
        Members::Remove { id, email, at } => {
            let path = format!("teams/{}/members/{}", escape(id), escape(email));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            at.print(&json!({"team": id, "removed": email}), &["team", "removed"])
        }
    }
}
