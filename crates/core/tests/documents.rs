//! The documents and the log fields of `envoy.yaml` name every word of the vocabulary. Where one differs, the failure shows
//! what must stand there.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails loudly")]

use std::fmt::Write;
use std::path::Path;

use gmtech_core::decision::{Decision, Outcome};
use gmtech_core::usage::{TokenKind, Unread, UsageSource};

const DEPLOYING: &str = "envoy/README.md";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// What stands between the comments `<!-- name -->` and `<!-- /name -->`.
fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (_, rest) = text.split_once(&start).unwrap();
    rest.split_once(&end).unwrap().0
}

fn table(head: &str, rows: impl Iterator<Item = String>) -> String {
    let columns = head.matches('|').count() - 1;
    let mut table = format!("{head}\n|{}\n", "---|".repeat(columns));
    for row in rows {
        writeln!(table, "{row}").unwrap();
    }
    table
}

#[test]
fn the_table_of_decisions_has_all_of_them() {
    let rows = Decision::ALL.into_iter().map(|decision| {
        let outcome = match decision.outcome() {
            Outcome::Admits => "admitted",
            Outcome::Refuses => "refused",
            Outcome::Neither => "neither",
        };
        let (name, meaning) = (decision.name(), decision.meaning());
        format!("| `{name}` | {outcome} | {meaning} |")
    });
    let table = table("| decision | the request is | meaning |", rows);
    assert_eq!(between(&read(DEPLOYING), "decisions"), table, "{table}");
}

#[test]
fn the_table_of_token_kinds_has_all_of_them() {
    let rows = TokenKind::ALL.into_iter().map(|kind| {
        let whole = kind.part_of().map(|whole| format!("`{}`", whole.name()));
        let whole = whole.unwrap_or_default();
        format!("| `{}` | {whole} | {} |", kind.name(), kind.meaning())
    });
    let table = table("| kind | part of | meaning |", rows);
    assert_eq!(between(&read(DEPLOYING), "token kinds"), table, "{table}");
}

#[test]
fn the_table_of_usage_sources_has_all_of_them() {
    let rows = UsageSource::ALL
        .into_iter()
        .map(|source| format!("| `{}` | {} |", source.name(), source.meaning()));
    let table = table("| source | meaning |", rows);
    assert_eq!(between(&read(DEPLOYING), "usage sources"), table, "{table}");
}

#[test]
fn the_table_of_reasons_for_unread_usage_has_all_of_them() {
    let rows = Unread::ALL
        .into_iter()
        .map(|why| format!("| `{}` | {} |", why.name(), why.meaning()));
    let table = table("| reason | meaning |", rows);
    assert_eq!(between(&read(DEPLOYING), "unread usage"), table, "{table}");
}

#[test]
fn the_access_log_has_a_field_for_each_kind_of_tokens() {
    const OTHERS: [&str; 3] = ["total", "charged", "reserved"];
    let yaml = read("envoy/envoy.yaml");
    let fields: Vec<&str> = yaml
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("tokens_"))
        .collect();
    let names = TokenKind::NAMES.into_iter().chain(OTHERS);
    let expected: Vec<String> = names
        .map(|name| format!("tokens_{name}: \"%FILTER_STATE(wasm.gmtech_tokens_{name}:PLAIN)%\""))
        .collect();
    assert_eq!(fields, expected);
}
