//! Answers for people to read: aligned columns, or one field on each line.

use anyhow::Result;
use serde_json::Value;

use crate::out;

/// The text for a missing value.
const NOTHING: &str = "-";

/// Prints rows under headings. A column is a heading and the path of its value.
pub(super) fn table(rows: &[Value], columns: &[(&str, &str)]) -> Result<()> {
    out::print(&format_table(rows, columns))
}

fn format_table(rows: &[Value], columns: &[(&str, &str)]) -> String {
    let mut lines: Vec<Vec<String>> = vec![
        columns
            .iter()
            .map(|(heading, _)| (*heading).to_owned())
            .collect(),
    ];
    for row in rows {
        lines.push(columns.iter().map(|(_, field)| cell(row, field)).collect());
    }
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|l| l.get(column))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Prints one field on each line, without fields that are null.
pub(super) fn fields(value: &Value, names: &[&str]) -> Result<()> {
    out::print(&format_fields(value, names))
}

/// Prints every field of an object that has a value.
pub(super) fn all_fields(value: &Value) -> Result<()> {
    let names: Vec<&str> = match value {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    out::print(&(format_fields(value, &names) + "\n"))
}

/// One field on each line, without fields that are null.
pub(super) fn format_fields(value: &Value, names: &[&str]) -> String {
    let lines = names.iter().filter_map(|name| {
        let shown = cell(value, name);
        let label = name.trim_end_matches("_nano_usd");
        (shown != NOTHING).then(|| format!("{label:<15} {shown}\n"))
    });
    lines.collect()
}

/// The value of a field as text. Amounts in nano-dollars are shown in dollars.
fn cell(row: &Value, field: &str) -> String {
    let path = format!("/{}", field.replace('.', "/"));
    shown(field, row.pointer(&path).unwrap_or(&Value::Null))
}

fn shown(field: &str, value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_i64() {
            Some(nanos) if field.ends_with("_nano_usd") => {
                dollars(&gmtech_service::money::format_usd(nanos))
            }
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().map(|item| shown(field, item)).collect();
            texts.join(" ")
        }
        Value::Object(map) => {
            let given = map.iter().filter(|(name, v)| shown(name, v) != NOTHING);
            let texts: Vec<_> = given
                .map(|(name, value)| {
                    format!(
                        "{}={}",
                        name.trim_end_matches("_nano_usd"),
                        shown(name, value)
                    )
                })
                .collect();
            texts.join(" ")
        }
        Value::Bool(yes) => yes.to_string(),
    };
    if text.is_empty() {
        NOTHING.into()
    } else {
        text
    }
}

/// Prints the service's answer as JSON.
pub(super) fn json(value: &Value) -> Result<()> {
    out::print(&format!("{value}\n"))
}

/// An amount in dollars, with the sign before the currency.
fn dollars(amount: &str) -> String {
    match amount.strip_prefix('-') {
        Some(debt) => format!("-${debt}"),
        None => format!("${amount}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            json!({"id": "key_1", "cost_nano_usd": 1_500_000_000, "models": ["a", "b*"]}),
            json!({"id": "k", "cost_nano_usd": -1, "models": null}),
        ];
        let columns = [
            ("ID", "id"),
            ("COST", "cost_nano_usd"),
            ("MODELS", "models"),
        ];
        let shown =
            "ID     COST           MODELS\nkey_1  $1.50          a b*\nk      -$0.000000001  -\n";
        assert_eq!(format_table(&rows, &columns), shown);
        assert_eq!(
            cell(&json!({"limits": {"a": 1, "b": null}}), "limits"),
            "a=1"
        );
        assert_eq!(cell(&json!({"a": {"b": true}}), "a.b"), "true");
        let budgets =
            json!({"budgets": {"day_nano_usd": 2_500_000_000_i64, "month_nano_usd": null}});
        assert_eq!(cell(&budgets, "budgets"), "day=$2.50");
    }
}
