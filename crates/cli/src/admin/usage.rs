//! `gmtech usage …`: what was used, and what a crash kept from being counted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, with_query};
use super::{Connection, show};

/// How many log lines are sent at once: well under what the service takes.
const BATCH: usize = 500;

/// Requests, tokens and cost, in groups.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  gmtech usage --by team --from 2026-11-01
  gmtech usage --by day --key key_x --json
  gmtech usage import .local/access.log"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    command: Option<Import>,
    #[command(flatten)]
    query: Query,
    #[command(flatten)]
    at: Connection,
}

#[derive(Args, Debug)]
struct Query {
    /// What to group by
    #[arg(long, value_enum, default_value_t = By::Key)]
    by: By,
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only of this key
    #[arg(long)]
    key: Option<String>,
    /// From this UTC day on, as 2026-11-23
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Up to and with this day
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Key,
    Team,
    Model,
    Day,
}

#[derive(Subcommand, Debug)]
enum Import {
    /// Count what Envoy's JSON access log has and the service does not; safe to repeat
    #[command(after_help = "Examples:
  gmtech usage import .local/access.log
  zcat access.log.*.gz | gmtech usage import -")]
    Import {
        /// The log, a JSON object a line; `-` is standard input
        file: PathBuf,
    },
}

/// Does what was asked.
///
/// # Errors
/// Where the service cannot be reached or refuses, or the file cannot be read.
pub(crate) fn run(command: &Command) -> Result<()> {
    let client = command.at.client()?;
    match &command.command {
        Some(Import::Import { file }) => import(&client, file, &command.at),
        None => query(&client, &command.query, &command.at),
    }
}

fn query(client: &Client, query: &Query, at: &Connection) -> Result<()> {
    let by = match query.by {
        By::Key => "key",
        By::Team => "team",
        By::Model => "model",
        By::Day => "day",
    };
    let params = [
        ("by", Some(by)),
        ("team", query.team.as_deref()),
        ("key", query.key.as_deref()),
        ("from", query.from.as_deref()),
        ("to", query.to.as_deref()),
    ];
    let answer = client.get(&with_query("usage", params))?;
    if at.json() {
        return show::json(&answer);
    }
    let rows = answer
        .get("data")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let heading = by.to_uppercase();
    let columns = [
        (heading.as_str(), "group"),
        ("REQUESTS", "requests"),
        ("INPUT", "input_tokens"),
        ("CACHED", "cached_input_tokens"),
        ("OUTPUT", "output_tokens"),
        ("COST", "cost_nano_usd"),
        ("LAST USED", "last_used_at"),
        ("REFUSALS", "refusals"),
    ];
    show::table(&rows, &columns)
}

fn import(client: &Client, file: &Path, at: &Connection) -> Result<()> {
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened =
            std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let mut totals = Totals::default();
    let mut batch = Vec::new();
    for line in reader.split(b'\n') {
        let line = line.with_context(|| format!("cannot read {}", file.display()))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        totals.lines += 1;
        match serde_json::from_slice::<Value>(&line) {
            Ok(entry) => batch.push(entry),
            // A crash cuts the last line, and other programs may share the file.
            Err(_) => totals.malformed += 1,
        }
        if batch.len() == BATCH {
            totals.add(&client.post("usage/import", &Value::Array(std::mem::take(&mut batch)))?);
        }
    }
    if !batch.is_empty() {
        totals.add(&client.post("usage/import", &Value::Array(batch))?);
    }
    totals.print(at)
}

/// What became of the lines. But for `late` and the cost, which are of accepted ones, the counts add up to `lines`.
const COUNTS: [&str; 8] = [
    "accepted",
    "late",
    "duplicate",
    "unknown_key",
    "malformed",
    "summed",
    "nobodys",
    "cost_nano_usd",
];

#[derive(Default)]
struct Totals {
    lines: u64,
    malformed: u64,
    counts: [u64; COUNTS.len()],
}

impl Totals {
    fn add(&mut self, answer: &Value) {
        for (sum, name) in self.counts.iter_mut().zip(COUNTS) {
            let count = answer.get(name).and_then(Value::as_u64).unwrap_or(0);
            *sum = sum.saturating_add(count);
        }
    }

    fn print(&self, at: &Connection) -> Result<()> {
        let mut all = serde_json::Map::new();
        all.insert("lines".into(), json!(self.lines));
        for (count, name) in self.counts.iter().zip(COUNTS) {
            let here = if name == "malformed" {
                self.malformed
            } else {
                0
            };
            all.insert(name.into(), json!(count.saturating_add(here)));
        }
        let all = Value::Object(all);
        at.print(&all, &[&["lines"][..], &COUNTS].concat())
    }
}
