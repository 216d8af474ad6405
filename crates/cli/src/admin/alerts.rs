//! `gmtech alerts …`: what teams are told of, and the addresses that it is posted to.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::Connection;
use super::client::escape;
use crate::out;

/// What is shown of an address.
const FIELDS: [&str; 7] = [
    "id",
    "team",
    "name",
    "url",
    "enabled",
    "disabled_by",
    "previous_secret_until",
];

/// What is shown of a new secret.
const SECRET: [&str; 6] = [
    "id",
    "team",
    "name",
    "url",
    "secret",
    "previous_secret_until",
];

/// The subcommands of `gmtech alerts`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List the addresses that a team's alerts are posted to
    #[command(after_help = "Example:\n  gmtech alerts list acme")]
    List(OfTeam),
    /// Show a team's latest alerts
    #[command(after_help = "Example:\n  gmtech alerts recent acme")]
    Recent(OfTeam),
    /// Show the latest deliveries to a team's addresses, and what was wrong with those that failed
    #[command(after_help = "Example:\n  gmtech alerts deliveries acme")]
    Deliveries(OfTeam),
    /// Add an address; its secret, which signs the posts, is shown once
    #[command(
        after_help = "Example:\n  gmtech alerts add acme https://hooks.example.com/gmtech --name on-call"
    )]
    Add {
        /// The team's id
        team: String,
        /// Where alerts are posted to, such as https://hooks.example.com/gmtech
        address: String,
        /// What people call it; by default its host
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        at: Connection,
    },
    /// Post a test to an address, once; fails if it is not delivered
    #[command(after_help = "Example:\n  gmtech alerts test acme address_0123456789abcdef")]
    Test(OfAddress),
    /// Give an address another secret; for a day the posts are signed by both
    #[command(after_help = "Example:\n  gmtech alerts rotate-secret acme address_0123456789abcdef")]
    RotateSecret(OfAddress),
    /// Turn an address on
    #[command(after_help = "Example:\n  gmtech alerts enable acme address_0123456789abcdef")]
    Enable(OfAddress),
    /// Turn an address off; what waits for it is not sent
    #[command(after_help = "Example:\n  gmtech alerts disable acme address_0123456789abcdef")]
    Disable(OfAddress),
    /// Remove an address
    #[command(after_help = "Example:\n  gmtech alerts remove acme address_0123456789abcdef")]
    Remove(OfAddress),
}

/// A team.
#[derive(Args, Debug)]
pub(crate) struct OfTeam {
    /// The team's id
    team: String,
    #[command(flatten)]
    at: Connection,
}

impl OfTeam {
    fn list(&self, what: &str) -> Result<Vec<Value>> {
        let path = format!("teams/{}/{what}", escape(&self.team));
        self.at.client()?.list(&path)
    }
}

/// An address of a team.
#[derive(Args, Debug)]
pub(crate) struct OfAddress {
    /// The team's id
    team: String,
    /// The address's id, as `gmtech alerts list` shows it
    id: String,
    #[command(flatten)]
    at: Connection,
}

impl OfAddress {
    fn path(&self, what: &str) -> String {
        let (team, id) = (escape(&self.team), escape(&self.id));
        format!("teams/{team}/alert-addresses/{id}{what}")
    }

    fn switch(&self, enabled: bool) -> Result<()> {
        let body = json!({"enabled": enabled});
        let client = self.at.client()?;
        let changed = client.send(Method::PATCH, &self.path(""), &body)?;
        self.at.print(&changed, &FIELDS)
    }
}

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses, or a test is not delivered.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List(of) => {
            let columns = [
                ("ID", "id"),
                ("NAME", "name"),
                ("URL", "url"),
                ("ENABLED", "enabled"),
                ("OFF BY", "disabled_by"),
            ];
            of.at.print_list(of.list("alert-addresses")?, &columns)
        }
        Command::Recent(of) => {
            let columns = [("AT", "at"), ("KIND", "kind"), ("MESSAGE", "message")];
            of.at.print_list(of.list("alerts")?, &columns)
        }
        Command::Deliveries(of) => {
            let columns = [
                ("AT", "created_at"),
                ("ADDRESS", "address"),
                ("STATUS", "status"),
                ("ATTEMPTS", "attempts"),
                ("PROBLEM", "problem"),
                ("MESSAGE", "message"),
            ];
            of.at.print_list(of.list("alert-deliveries")?, &columns)
        }
        Command::Add {
            team,
            address,
            name,
            at,
        } => {
            let mut body = Map::new();
            body.insert("url".into(), json!(address));
            body.extend(name.as_ref().map(|name| ("name".into(), json!(name))));
            let path = format!("teams/{}/alert-addresses", escape(team));
            show_secret(at, &at.client()?.post(&path, &body.into())?)
        }
        Command::RotateSecret(of) => {
            let rotated = of
                .at
                .client()?
                .post(&of.path("/rotate-secret"), &json!({}))?;
            show_secret(&of.at, &rotated)
        }
        Command::Test(of) => {
            let done = of.at.client()?.post(&of.path("/test"), &json!({}))?;
            of.at
                .print(&done, &["alert", "delivered", "answered", "problem"])?;
            match done.get("delivered").and_then(Value::as_bool) {
                Some(true) => Ok(()),
                _ => bail!("the test was not delivered"),
            }
        }
        Command::Enable(of) => of.switch(true),
        Command::Disable(of) => of.switch(false),
        Command::Remove(of) => {
            let client = of.at.client()?;
            client.send(Method::DELETE, &of.path(""), &json!({}))?;
            let done = json!({"address": of.id, "removed": true});
            of.at.print(&done, &["address", "removed"])
        }
    }
}

fn show_secret(at: &Connection, value: &Value) -> Result<()> {
    if !at.json() {
        out::say("The secret signs the posts. It is shown only now.\n");
    }
    at.print(value, &SECRET)
}
