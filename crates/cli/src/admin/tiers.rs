//! `gmtech tiers …`: the limits and models that many keys share.

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::Connection;
use super::client::escape;

/// What is shown of a tier.
const FIELDS: [&str; 8] = [
    "name",
    "requests_per_minute",
    "requests_burst",
    "tokens_per_minute",
    "tokens_burst",
    "max_in_flight",
    "models",
    "keys",
];

/// The subcommands of `gmtech tiers`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List tiers
    #[command(after_help = "Example:\n  gmtech tiers list")]
    List {
        #[command(flatten)]
        at: Connection,
    },
    /// Make a tier
    #[command(
        after_help = "Example:\n  gmtech tiers create gold --requests-per-minute 10000 --tokens-per-minute 1000000 --model 'gpt-4o*'"
    )]
    Create(Create),
    /// Change a tier; its keys have the new limits as soon as the proxies have applied the change
    #[command(after_help = "Examples:
  gmtech tiers update free --requests-per-minute 30
  gmtech tiers update free --model 'gpt-4o-mini*' --model 'text-embedding-*'
  gmtech tiers update free --any-model --no-max-in-flight")]
    Update(Update),
    /// Remove a tier that no key has
    #[command(after_help = "Example:\n  gmtech tiers remove gold")]
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        at: Connection,
    },
}

/// The options of `gmtech tiers create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name: letters, digits, `_` or `-`
    name: String,
    /// Requests a minute
    #[arg(long, value_name = "N")]
    requests_per_minute: u32,
    /// Tokens a minute
    #[arg(long, value_name = "N")]
    tokens_per_minute: u32,
    #[command(flatten)]
    more: More,
    #[command(flatten)]
    at: Connection,
}

/// The options of `gmtech tiers update`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args([
    "requests_per_minute", "tokens_per_minute", "requests_burst", "tokens_burst", "max_in_flight", "model",
    "no_requests_burst", "no_tokens_burst", "no_max_in_flight", "any_model",
]))]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// Requests a minute
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Tokens a minute
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u32>,
    #[command(flatten)]
    more: More,
    /// As many requests at once as in a minute
    #[arg(long, conflicts_with = "requests_burst")]
    no_requests_burst: bool,
    /// As many tokens at once as in a minute
    #[arg(long, conflicts_with = "tokens_burst")]
    no_tokens_burst: bool,
    /// Any number of requests under way
    #[arg(long, conflicts_with = "max_in_flight")]
    no_max_in_flight: bool,
    /// All models
    #[arg(long, conflicts_with = "model")]
    any_model: bool,
    #[command(flatten)]
    at: Connection,
}

/// What a tier need not have.
#[derive(Args, Debug)]
pub(crate) struct More {
    /// Requests at once from a full bucket; by default as many as in a minute
    #[arg(long, value_name = "N")]
    requests_burst: Option<u32>,
    /// Tokens at once from a full bucket; by default as many as in a minute
    #[arg(long, value_name = "N")]
    tokens_burst: Option<u32>,
    /// Requests under way at once; by default any number
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// A model that its keys may use, or a pattern with `*` at its end; can be repeated; by default all
    #[arg(long, value_name = "PATTERN")]
    model: Vec<String>,
}

impl More {
    /// Puts what is given into a request's body.
    fn fill(&self, body: &mut Map<String, Value>) {
        for (name, value) in [
            ("requests_burst", self.requests_burst),
            ("tokens_burst", self.tokens_burst),
            ("max_in_flight", self.max_in_flight),
        ] {
            body.extend(value.map(|n| (name.to_owned(), json!(n))));
        }
        if !self.model.is_empty() {
            body.insert("models".into(), json!(self.model));
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List { at } => {
            let columns = [
                ("NAME", "name"),
                ("REQUESTS/MIN", "requests_per_minute"),
                ("BURST", "requests_burst"),
                ("TOKENS/MIN", "tokens_per_minute"),
                ("BURST", "tokens_burst"),
                ("IN FLIGHT", "max_in_flight"),
                ("MODELS", "models"),
                ("KEYS", "keys"),
            ];
            at.print_list(at.client()?.list("tiers")?, &columns)
        }
        Command::Create(asked) => {
            let mut body = Map::from_iter([
                ("name".to_owned(), json!(asked.name)),
                (
                    "requests_per_minute".to_owned(),
                    json!(asked.requests_per_minute),
                ),
                (
                    "tokens_per_minute".to_owned(),
                    json!(asked.tokens_per_minute),
                ),
            ]);
            asked.more.fill(&mut body);
            let made = asked.at.client()?.post("tiers", &body.into())?;
            asked.at.print(&made, &FIELDS)
        }
        Command::Update(asked) => {
            let mut body = Map::new();
            for (name, value) in [
                ("requests_per_minute", asked.requests_per_minute),
                ("tokens_per_minute", asked.tokens_per_minute),
            ] {
                body.extend(value.map(|n| (name.to_owned(), json!(n))));
            }
            asked.more.fill(&mut body);
            for (name, removed) in [
                ("requests_burst", asked.no_requests_burst),
                ("tokens_burst", asked.no_tokens_burst),
                ("max_in_flight", asked.no_max_in_flight),
                ("models", asked.any_model),
            ] {
                if removed {
                    body.insert(name.into(), Value::Null);
                }
            }
            let path = format!("tiers/{}", escape(&asked.name));
            let changed = asked
                .at
                .client()?
                .send(Method::PATCH, &path, &body.into())?;
            asked.at.print(&changed, &FIELDS)
        }
        Command::Remove { name, at } => {
            let path = format!("tiers/{}", escape(name));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            at.print(
                &json!({"tier": name, "removed": true}),
                &["tier", "removed"],
            )
        }
    }
}
