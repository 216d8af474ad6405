//! `gmtech usage …`: reports of usage, and the import of usage that was not counted because of a crash.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use gmtech_service::export;
use gmtech_service::store::{Dimension, Every};
use serde_json::{Value, json};

use super::client::{Client, with_query};
use super::{Connection, show};
use crate::out;

/// How many log lines are sent at once: well below the service's limit.
const BATCH: usize = 500;

/// The most groups in one answer.
const PAGE: &str = "10000";

/// The options of the report: requests, tokens and cost in groups.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  gmtech usage --by team --from 2026-11-01
  gmtech usage --by key,model --every day --team acme --json
  gmtech usage --every hour --from 2026-11-23T08:00:00Z --to 2026-11-23T18:00:00Z
  gmtech usage --by decision,endpoint --key key_x --format csv > usage.csv
  gmtech usage import .local/access.log

Times are UTC. Minutes are kept as long as single requests (30 days), hours 60 days longer, days for ever."
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
    /// What to group by, separated by commas [default: key, or nothing with --every]
    #[arg(long, value_delimiter = ',', value_parser = by())]
    by: Option<Vec<String>>,
    /// The length of time that each row covers
    #[arg(long, value_name = "SPAN", value_parser = PossibleValuesParser::new(Every::NAMES))]
    every: Option<String>,
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only of this key
    #[arg(long)]
    key: Option<String>,
    /// Only of this model
    #[arg(long)]
    model: Option<String>,
    /// Only of this group of endpoints, such as chat_completions
    #[arg(long)]
    endpoint: Option<String>,
    /// Only with this decision, such as allowed or rate_limit_requests
    #[arg(long)]
    decision: Option<String>,
    /// Only of keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only of keys with this tag
    #[arg(long)]
    tag: Option<String>,
    /// The first UTC day (2026-11-23) or instant (2026-11-23T08:00:00Z) to include
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The last day to include, or the instant to stop before
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The output format; csv and jsonl are for other programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
}

fn by() -> PossibleValuesParser {
    PossibleValuesParser::new(Dimension::NAMES.iter().chain(&Every::NAMES))
}

#[derive(Subcommand, Debug)]
enum Import {
    /// Count the usage in Envoy's JSON access log that the service has not counted; safe to repeat
    #[command(after_help = "Examples:
  gmtech usage import .local/access.log
  zcat access.log.*.gz | gmtech usage import -")]
    Import {
        /// The log, one JSON object on each line; `-` is standard input
        file: PathBuf,
    },
}

/// Does what was asked.
///
/// # Errors
/// If the service cannot be reached or refuses, or the file cannot be read.
pub(crate) fn run(command: &Command) -> Result<()> {
    let client = command.at.client()?;
    match &command.command {
        Some(Import::Import { file }) => import(&client, file, &command.at),
        None => query(&client, &command.query, &command.at),
    }
}

fn query(client: &Client, query: &Query, at: &Connection) -> Result<()> {
    let format = if at.json() {
        Format::Json
    } else {
        query.format
    };
    let told = query.by.as_deref().unwrap_or_default();
    let is_span = |name: &&String| Every::NAMES.contains(&name.as_str());
    let spans = query.every.is_some() || told.iter().any(|name| is_span(&name));
    let mut by: Vec<&str> = Vec::new();
    for name in told.iter().filter(|name| !is_span(name)) {
        if !by.contains(&name.as_str()) {
            by.push(name);
        }
    }
    if query.by.is_none() && !spans {
        by.push("key");
    }
    let asked = query.by.as_ref().map(|by| by.join(","));
    let params = [
        ("by", asked.as_deref()),
        ("every", query.every.as_deref()),
        ("team", query.team.as_deref()),
        ("key", query.key.as_deref()),
        ("model", query.model.as_deref()),
        ("endpoint", query.endpoint.as_deref()),
        ("decision", query.decision.as_deref()),
        ("owner", query.owner.as_deref()),
        ("tag", query.tag.as_deref()),
        ("from", query.from.as_deref()),
        ("to", query.to.as_deref()),
        ("limit", Some(PAGE)),
    ];
    let (mut all, mut after, mut is_first): (Vec<Value>, Option<String>, _) =
        (Vec::new(), None, true);
    loop {
        let next = [("after", after.as_deref())];
        let mut answer = client.get(&with_query("usage", params.into_iter().chain(next)))?;
        let rows = match answer.get_mut("data").map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => bail!("the service's answer is not a list"),
        };
        after = answer.get("next").and_then(Value::as_str).map(Into::into);
        match format {
            Format::Table | Format::Json => all.extend(rows),
            Format::Jsonl => out::print(&export::lines(&rows))?,
            Format::Csv => out::print(&export::csv(&rows, &by, spans, is_first)?)?,
        }
        is_first = false;
        if after.is_none() {
            break;
        }
    }
    match format {
        Format::Json => show::json(&json!({"object": "list", "data": all, "next": null})),
        Format::Table => table(all, &by, spans),
        Format::Jsonl | Format::Csv => Ok(()),
    }
}

fn table(mut rows: Vec<Value>, by: &[&str], spans: bool) -> Result<()> {
    // Each dimension of the grouping gets a column of its own.
    for row in &mut rows {
        let groups = row.get("groups").cloned().unwrap_or_default();
        for name in by {
            if let Some(fields) = row.as_object_mut() {
                let value = groups.get(*name).cloned().unwrap_or_default();
                fields.insert((*name).to_owned(), value);
            }
        }
    }
    let names: Vec<String> = by.iter().map(|name| name.to_uppercase()).collect();
    let told = names.iter().map(String::as_str).zip(by.iter().copied());
    let columns: Vec<(&str, &str)> = spans
        .then_some(("START", "start"))
        .into_iter()
        .chain(told)
        .chain([
            ("REQUESTS", "requests"),
            ("INPUT", "input_tokens"),
            ("CACHED", "cached_input_tokens"),
            ("OUTPUT", "output_tokens"),
            ("COST", "cost_nano_usd"),
            ("LAST USED", "last_used_at"),
            ("REFUSALS", "refusals"),
        ])
        .collect();
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

/// The result of an import. All counts but `late` and the cost, which are parts of `accepted`, add up to `lines`.
const COUNTS: [&str; 8] = [
    "accepted",
    "late",
    "duplicate",
    "unknown_key",
    "malformed",
    "summed",
    "unattributed",
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
