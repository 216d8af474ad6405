//! Usage as spreadsheets and programs read it: CSV (RFC 4180) and JSON Lines, from the rows as the management API
//! writes them, so that the service and the command line write the same.

use std::borrow::Cow;

use serde_json::Value;

use crate::money::format_usd;
use crate::store::TokenCounts;

/// The columns behind what is told apart; all but the last are numbers.
fn columns() -> Vec<String> {
    let before = ["requests", "refused"].map(String::from);
    let after = ["not_exact", "cost_nano_usd", "cost_usd", "last_used_at"].map(String::from);
    let tokens = TokenCounts::names();
    before.into_iter().chain(tokens).chain(after).collect()
}

/// Rows of usage as CSV: the start of the span if there are `spans`, what is told apart `by`, then numbers; `head` with a
/// line of names before them.
///
/// # Errors
/// Where the table cannot be written, which no rows cause.
pub fn csv(rows: &[Value], by: &[&str], spans: bool, head: bool) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let start = spans.then_some("start");
    let columns = columns();
    if head {
        let names = columns.iter().map(String::as_str);
        writer.write_record(start.into_iter().chain(by.iter().copied()).chain(names))?;
    }
    for row in rows {
        let start = start.map(|name| text(row, name).into());
        let groups = row.get("groups");
        let names = by
            .iter()
            .map(|name| guarded(groups.map_or("", |g| text(g, name))));
        let numbers = columns.iter().map(|name| Cow::Owned(cell(row, name)));
        let cells = start.into_iter().chain(names).chain(numbers);
        writer.write_record(cells.map(Cow::into_owned))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Rows as JSON, one a line.
#[must_use]
pub fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn cell(row: &Value, name: &str) -> String {
    let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
    match name {
        "refused" => {
            let refusals = row.get("refusals").and_then(Value::as_object);
            let counts = refusals.into_iter().flat_map(|r| r.values());
            let sum: i64 = counts.filter_map(Value::as_i64).sum();
            sum.to_string()
        }
        "cost_usd" => format_usd(number("cost_nano_usd")),
        "last_used_at" => text(row, name).to_owned(),
        _ => number(name).to_string(),
    }
}

/// A text that no spreadsheet takes for a formula: clients choose the names of models
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_always_one_cell() {
        for (model, cell) in [
            ("gpt-4o", "gpt-4o"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
            ("", ""),
        ] {
            let row = json!({"start": "2026-11-23T12:00:00Z", "groups": {"model": model}, "requests": 3,
                "refusals": {"key_revoked": 2}, "cost_nano_usd": -1_500_000_000_i64, "last_used_at": null});
            let written = csv(&[row], &["model"], true, true).unwrap();
            let (head, row) = written.split_once('\n').unwrap();
            assert!(
                head.starts_with("start,model,requests,refused,input_tokens,"),
                "{head}"
            );
            let begins = format!("2026-11-23T12:00:00Z,{cell},3,2,0,");
            assert!(row.starts_with(&begins), "{row}");
            // What is a number stays one, below zero too.
            assert!(row.ends_with(",-1500000000,-1.50,\n"), "{row}");
        }
    }

    #[test]
    fn a_later_page_has_no_head_and_a_line_is_a_row() {
        let rows = [json!({"requests": 1}), json!({"requests": 2})];
        assert_eq!(csv(&rows, &[], false, false).unwrap().lines().count(), 2);
        assert_eq!(csv(&[], &["key"], false, true).unwrap().lines().count(), 1);
        assert_eq!(lines(&rows), "{\"requests\":1}\n{\"requests\":2}\n");
    }
}
