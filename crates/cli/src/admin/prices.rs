//! `gmtech prices`: the prices in force, and which models were charged without one.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::Connection;
use super::client::escape;
use crate::out;

/// The options of `gmtech prices`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech prices
  gmtech prices --model gpt-4o-mini
  gmtech prices --json | jq '.fallback.charged'

Prices are dollars for a million tokens. They are changed in the service's file of prices (--prices of gmtech serve, read
again on SIGHUP).")]
pub(crate) struct Prices {
    /// A model whose price to show
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    at: Connection,
}

/// Shows the prices.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(asked: &Prices) -> Result<()> {
    let path = match &asked.model {
        Some(model) => format!("prices?model={}", escape(model)),
        None => "prices".to_owned(),
    };
    let told = asked.at.client()?.get(&path)?;
    if asked.at.json() {
        return out::print(&format!("{told}\n"));
    }
    let mut rows = Vec::new();
    if let Some(model) = told.get("model").filter(|model| model.is_object()) {
        let from = text(model, "priced_by");
        rows.push(row(text(model, "name"), from, model));
    } else {
        for own in list(&told, "/own") {
            rows.push(row(text(own, "models"), "configuration", own));
        }
        let fallback = told.get("fallback").unwrap_or(&Value::Null);
        rows.push(row("(without a price)", "fallback", fallback));
    }
    let columns = [
        ("MODELS", "models"),
        ("PRICE FROM", "from"),
        ("INPUT", "input"),
        ("OUTPUT", "output"),
    ];
    asked.at.print_list(rows, &columns)?;
    let list_text = |field: &str| text(told.get("list").unwrap_or(&Value::Null), field);
    let mut said = format!(
        "\nOther models: {} {}, which is built in and does not tell the date of its prices.\n",
        list_text("name"),
        list_text("version"),
    );
    let charged = list(&told, "/fallback/charged");
    if !charged.is_empty() {
        said += "\nCharged by the fallback within 30 days, because no price is known:\n";
    }
    out::print(&said)?;
    if charged.is_empty() {
        return Ok(());
    }
    let rows = charged.iter().map(|one| {
        let model = Some(text(one, "model")).filter(|model| !model.is_empty());
        json!({
            "model": model.unwrap_or("(none)"), "requests": one.get("requests"),
            "cost": dollars(one.get("cost_nano_usd")), "last": one.get("last_day"),
        })
    });
    let columns = [
        ("MODEL", "model"),
        ("REQUESTS", "requests"),
        ("CHARGED", "cost"),
        ("LAST DAY", "last"),
    ];
    asked.at.print_list(rows.collect(), &columns)
}

fn row(models: &str, from: &str, of: &Value) -> Value {
    let price = |kind: &str| dollars(of.pointer(&format!("/nano_usd_per_million/{kind}")));
    json!({"models": models, "from": from, "input": price("input"), "output": price("output")})
}

fn list<'a>(told: &'a Value, place: &str) -> &'a [Value] {
    let list = told.pointer(place).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Nano-dollars as dollars.
fn dollars(nanos: Option<&Value>) -> String {
    let nanos = nanos.and_then(Value::as_i64).unwrap_or(0);
    format!("${}", gmtech_service::money::format_usd(nanos))
}
