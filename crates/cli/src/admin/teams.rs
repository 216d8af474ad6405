//! `gmtech teams …`: billing accounts, their members, their credit.

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::json;
use ureq::http::Method;

use super::client::escape;
use super::{Connection, show};

/// What `gmtech teams` does.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a team
    #[command(
        after_help = "Examples:\n  gmtech teams create demo\n  gmtech teams create acme --name 'ACME Corp.' --prepaid"
    )]
    Create {
        /// Its id: letters, digits, `_`, `.` or `-`
        id: String,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// Let it spend only what it has topped up; the first top-up does so too
        #[arg(long)]
        prepaid: bool,
        #[command(flatten)]
        at: Connection,
    },
    /// List teams and their balances
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
        /// Dollars; below zero is a correction
        #[arg(allow_negative_numbers = true)]
        usd: String,
        /// What for
        #[arg(long, default_value = "")]
        note: String,
        /// Makes a repeated call count once
        #[arg(long, value_name = "TEXT")]
        idempotency_key: Option<String>,
        #[command(flatten)]
        at: Connection,
    },
    /// Show a team's balance
    Balance(One),
    /// List what moved a team's balance, the newest first
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

/// What `gmtech teams members` does.
#[derive(Subcommand, Debug)]
pub(crate) enum Members {
    /// List members
    List(One),
    /// Add a member, or change what the person is to the team
    Add {
        /// The team
        id: String,
        /// The person's address
        email: String,
        /// `owner` or `member`
        #[arg(long, default_value = "member")]
        role: String,
        #[command(flatten)]
        at: Connection,
    },
    /// Remove a member
    Remove {
        /// The team
        id: String,
        /// The person's address
        email: String,
        #[command(flatten)]
        at: Connection,
    },
}

/// Dollars as nano-dollars.
pub(super) fn dollars(text: &str) -> Result<i64> {
    gmtech_service::money::parse_usd(text)
        .ok_or_else(|| anyhow!("{text:?} is no amount in dollars, such as 2.50"))
}

const TEAM: [&str; 6] = [
    "id",
    "name",
    "balance_nano_usd",
    "prepaid",
    "exhausted",
    "created_at",
];

/// Does what was asked.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Create {
            id,
            name,
            prepaid,
            at,
        } => {
            let body = json!({"id": id, "name": name, "prepaid": prepaid});
            print(&at.client()?.post("teams", &body)?, at, &TEAM);
        }
        Command::List { at } => {
            let teams = at.client()?.all("teams", &[])?;
            let columns = [
                ("ID", "id"),
                ("NAME", "name"),
                ("BALANCE", "balance_nano_usd"),
                ("PREPAID", "prepaid"),
                ("EXHAUSTED", "exhausted"),
            ];
            print_list(teams, at, &columns);
        }
        Command::TopUp {
            id,
            usd,
            note,
            idempotency_key,
            at,
        } => {
            let body = json!({"amount_nano_usd": dollars(usd)?, "note": note});
            let path = format!("teams/{}/credit", escape(id));
            print(
                &at.client()?
                    .post_once(&path, &body, idempotency_key.as_deref())?,
                at,
                &TEAM,
            );
        }
        Command::Balance(One { id, at }) => {
            print(
                &at.client()?.get(&format!("teams/{}", escape(id)))?,
                at,
                &TEAM,
            );
        }
        Command::Ledger(One { id, at }) => {
            let rows = at
                .client()?
                .all(&format!("teams/{}/ledger", escape(id)), &[])?;
            let columns = [
                ("AT", "at"),
                ("KIND", "kind"),
                ("AMOUNT", "amount_nano_usd"),
                ("KEY", "key"),
                ("EVENTS", "events"),
                ("BY", "actor"),
                ("NOTE", "note"),
            ];
            print_list(rows, at, &columns);
        }
        Command::Members(command) => members(command)?,
    }
    Ok(())
}

fn members(command: &Members) -> Result<()> {
    match command {
        Members::List(One { id, at }) => {
            let answer = at.client()?.get(&format!("teams/{}/members", escape(id)))?;
            let rows = answer
                .get("data")
                .and_then(|d| d.as_array())
                .cloned()
                .unwrap_or_default();
            print_list(
                rows,
                at,
                &[("EMAIL", "email"), ("ROLE", "role"), ("SINCE", "added_at")],
            );
        }
        Members::Add {
            id,
            email,
            role,
            at,
        } => {
            let body = json!({"email": email, "role": role});
            let member =
                at.client()?
                    .send(Method::PUT, &format!("teams/{}/members", escape(id)), &body)?;
            print(&member, at, &["email", "role", "added_at"]);
        }
        Members::Remove { id, email, at } => {
            let path = format!("teams/{}/members/{}", escape(id), escape(email));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            let removed = json!({"team": id, "removed": email});
            print(&removed, at, &["team", "removed"]);
        }
    }
    Ok(())
}

fn print(value: &serde_json::Value, at: &Connection, names: &[&str]) {
    if at.json {
        show::json(value);
    } else {
        show::fields(value, names);
    }
}

fn print_list(rows: Vec<serde_json::Value>, at: &Connection, columns: &[(&str, &str)]) {
    if at.json {
        show::json(&json!({"object": "list", "data": rows}));
    } else {
        show::table(&rows, columns);
    }
}
