//! Answers for people to read: aligned columns, or a field a line.

use serde_json::Value;

/// Prints rows under headings; a column is a heading and where its value is.
pub(super) fn table(rows: &[Value], columns: &[(&str, &str)]) {
    print!("{}", format_table(rows, columns));
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

/// Prints a field a line, leaving out what is null.
pub(super) fn fields(value: &Value, names: &[&str]) {
    for name in names {
        let shown = cell(value, name);
        if shown != "-" {
            println!("{:<16}{shown}", name.trim_end_matches("_nano_usd"));
        }
    }
}

/// A value as text. Amounts in nano-dollars are shown in dollars.
fn cell(row: &Value, field: &str) -> String {
    match row.pointer(&format!("/{}", field.replace('.', "/"))) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if text.is_empty() => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if field.ends_with("_nano_usd") => match number.as_i64() {
            Some(nanos) => dollars(&gmtech_service::money::format_usd(nanos)),
            None => number.to_string(),
        },
        Some(Value::Array(items)) => {
            let texts: Vec<_> = items
                .iter()
                .map(|i| i.as_str().map_or_else(|| i.to_string(), String::from))
                .collect();
            texts.join(" ")
        }
        Some(Value::Object(map)) => {
            let given = map.iter().filter(|(_, v)| !v.is_null());
            let texts: Vec<_> = given.map(|(name, v)| format!("{name}={v}")).collect();
            if texts.is_empty() {
                "-".into()
            } else {
                texts.join(" ")
            }
        }
        Some(other) => other.to_string(),
    }
}

/// Prints the service's answer as it is.
pub(super) fn json(value: &Value) {
    println!("{value}");
}

/// An amount as people write it: the sign before the currency.
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
    }
}
