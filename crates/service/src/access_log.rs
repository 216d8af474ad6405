//! Envoy's JSON access log as usage events.
//!
//! The log carries what the filter reports: `event_id`, `key_id`, `team_id`, `tier`, `model`, `path` (or `endpoint`),
//! `decision`, `usage_source`, `response_code` (or `status`), `duration_ms`, `start_time`, `method`, `request_id` and the tokens by kind
//! (`tokens_input`, `tokens_cached_input`, …, `tokens_total`). Envoy writes a number as a number or as a text, and what is
//! absent not at all, or as null, `-` or an empty text; all are read alike.

use std::time::Duration;

use gmtech_core::decision::Decision;
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::holds_key;
use gmtech_core::model::ModelId;
use gmtech_core::request::Endpoint;
use gmtech_core::sync::events::{Label, NamedDecision, UsageEvent};
use gmtech_core::usage::{TokenKind, Tokens, Usage, UsageSource};
use serde_json::Value;

use crate::store::Ingested;

/// What an entry of the log is.
#[derive(Debug, PartialEq)]
pub enum Entry {
    /// A request of a key.
    Event(Box<UsageEvent>),
    /// A request that no key was known for: nobody's usage.
    Unattributed,
    /// A refused request, which cost nothing: the proxies report it in a sum with others, so that its line names no
    /// event, and to count the line would count it twice.
    Summed,
    /// A key's request that cannot be counted: something is missing, or a number is one that no request has.
    Malformed,
}

impl Entry {
    /// The event, if it is one.
    #[must_use]
    pub fn event(self) -> Option<UsageEvent> {
        match self {
            Self::Event(event) => Some(*event),
            _ => None,
        }
    }
}

/// Reads entries: the events, and how many are none for which reason.
#[must_use]
pub fn read_all(entries: &[Value]) -> (Vec<UsageEvent>, Ingested) {
    let (mut events, mut rest) = (Vec::new(), Ingested::default());
    for entry in entries {
        match read(entry) {
            Entry::Event(event) => events.push(*event),
            Entry::Unattributed => rest.unattributed += 1,
            Entry::Summed => rest.summed += 1,
            Entry::Malformed => rest.malformed += 1,
        }
    }
    (events, rest)
}

/// Reads one entry.
#[must_use]
pub fn read(entry: &Value) -> Entry {
    if text(entry, "key_id").is_empty() {
        return Entry::Unattributed;
    }
    let decision = decision(entry);
    let is_named = !decision.as_str().is_empty();
    if text(entry, "event_id").is_empty() && is_named && decision != Decision::Allowed.into() {
        return Entry::Summed;
    }
    event(entry)
        .filter(UsageEvent::is_within_bounds)
        .map_or(Entry::Malformed, |event| Entry::Event(Box::new(event)))
}

fn event(entry: &Value) -> Option<UsageEvent> {
    let model = text(entry, "model");
    let source = match text(entry, "usage_source").as_str() {
        // A refusal has no source: its zero tokens are exact.
        "" => UsageSource::Exact,
        name => UsageSource::named(name)?,
    };
    Some(UsageEvent {
        id: event_id(&text(entry, "event_id"))?,
        key: KeyId::new(&text(entry, "key_id")).ok()?,
        team: TeamId::new(&text(entry, "team_id")).ok()?,
        tier: TierName::new(&text(entry, "tier")).ok()?,
        model: if model.is_empty() {
            None
        } else {
            Some(ModelId::new(&model).ok()?)
        },
        endpoint: Label::clip(
            first(entry, ["endpoint", "path"])
                .split('?')
                .next()
                .unwrap_or(""),
        ),
        decision: decision(entry),
        status: first(entry, ["status", "response_code"])
            .parse()
            .unwrap_or(0),
        duration_ms: u32::try_from(number(entry, "duration_ms").unwrap_or(0)).unwrap_or(u32::MAX),
        started_unix_ms: started(entry)?,
        usage: Usage::new(source, tokens(entry)?),
        requests: 1,
        object: None,
        request_id: request_id(&text(entry, "request_id")),
        endpoint_group: group(entry),
    })
}

/// The counts of every kind, and the total.
fn tokens(entry: &Value) -> Option<Tokens> {
    let of = |name: &str| count(&text(entry, &format!("tokens_{name}")));
    let mut tokens = Tokens::default().with_total(of("total")?);
    for kind in TokenKind::ALL {
        tokens = tokens.with(kind, of(kind.name())?);
    }
    Some(tokens)
}

fn decision(entry: &Value) -> NamedDecision {
    Label::clip(&text(entry, "decision")).into()
}

/// One that holds a key, which a client may have put there, is left out.
fn request_id(text: &str) -> Label {
    if !holds_key(text.as_bytes()) {
        Label::clip(text)
    } else {
        Label::default()
    }
}

/// The group of endpoints that the line's method and path lead to.
fn group(entry: &Value) -> Label {
    let method = text(entry, "method");
    let path = first(entry, ["path", "endpoint"]);
    if method.is_empty() || path.is_empty() {
        return Label::default();
    }
    let endpoint = Endpoint::new(method.as_bytes(), path.as_bytes());
    endpoint.map_or_else(|_| Label::default(), |e| Label::clip(e.group().name()))
}

/// A field as text; what Envoy writes for an absent one is empty.
fn text(entry: &Value, name: &str) -> String {
    match entry.get(name) {
        Some(Value::String(text)) if text != "-" => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The first of two fields that is there.
fn first(entry: &Value, names: [&str; 2]) -> String {
    let mut texts = names.iter().map(|name| text(entry, name));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn number(entry: &Value, name: &str) -> Option<u64> {
    text(entry, name).parse().ok()
}

/// A count, 0 where it is absent; `None` for what is no count, or none that fits.
fn count(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    text.parse().ok()
}

/// 32 hexadecimal digits, with or without the dashes of a UUID.
fn event_id(text: &str) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    hex::decode_to_slice(text.replace('-', ""), &mut id).ok()?;
    Some(id)
}

/// RFC 3339, or milliseconds since the Unix epoch.
fn started(entry: &Value) -> Option<u64> {
    if let Some(millis) = number(entry, "start_time") {
        return Some(millis);
    }
    let at: jiff::Timestamp = text(entry, "start_time").parse().ok()?;
    u64::try_from(
        Duration::try_from(at.duration_since(jiff::Timestamp::UNIX_EPOCH))
            .ok()?
            .as_millis(),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Value {
        json!({
            "event_id": "00112233445566778899aabbccddeeff", "key_id": "key_1", "team_id": "acme", "tier": "free",
            "model": "gpt-4o", "path": "/v1/chat/completions?x=1", "tokens_input": 10, "tokens_output": "5",
            "tokens_cached_input": "-", "usage_source": "lower_bound", "response_code": 200, "decision": "allowed",
            "method": "POST", "request_id": "7a1c-8f30", "duration_ms": "12", "start_time": "2026-11-23T12:00:00.250Z", "something_else": {"a": 1}
        })
    }

    #[test]
    fn an_entry_is_the_event_that_the_filter_reports() {
        let event = read(&entry()).event().unwrap();
        assert_eq!(event.id[..2], [0x00, 0x11]);
        assert_eq!(
            (event.endpoint.as_str(), event.decision.as_str()),
            ("/v1/chat/completions", "allowed")
        );
        assert_eq!(
            (event.request_id.as_str(), event.endpoint_group.as_str()),
            ("7a1c-8f30", "chat_completions")
        );
        let tokens = Tokens::of(10, 5);
        assert_eq!(
            (event.usage, event.status, event.duration_ms),
            (Usage::LowerBound(tokens), 200, 12)
        );
        assert_eq!(event.started_unix_ms, 1_795_435_200_250);
    }

    #[test]
    fn each_field_is_needed_or_has_a_meaning_when_absent() {
        for (field, value, means) in [
            ("key_id", json!("-"), "unattributed"),
            ("key_id", json!(null), "unattributed"),
            ("key_id", json!("two words"), "malformed"),
            ("event_id", json!("-"), "malformed"),
            ("event_id", json!("xyz"), "malformed"),
            (
                "event_id",
                json!("00112233-4455-6677-8899-aabbccddeeff"),
                "event",
            ),
            ("team_id", json!("-"), "malformed"),
            ("model", json!("-"), "event"),
            ("start_time", json!("yesterday"), "malformed"),
            ("start_time", json!(1_795_435_200_250_u64), "event"),
            ("usage_source", json!("-"), "event"),
            ("usage_source", json!("guess"), "malformed"),
            ("response_code", json!("-"), "event"),
            ("tokens_input", json!(null), "event"),
            ("tokens_input", json!(1_000_000_000_000_u64), "event"),
            ("tokens_input", json!(1_000_000_000_001_u64), "malformed"),
            ("tokens_output", json!("9200000000000000000"), "malformed"),
            ("tokens_total", json!(u64::MAX), "malformed"),
            ("tokens_total", json!("1e30"), "malformed"),
            ("tokens_reasoning", json!(-1), "malformed"),
            ("tokens_reasoning", json!(0.5), "malformed"),
            ("duration_ms", json!(u64::MAX), "event"),
            ("start_time", json!(0), "event"),
            ("start_time", json!(7_258_118_400_000_u64), "event"),
            ("start_time", json!(7_258_118_400_001_u64), "malformed"),
            ("start_time", json!(u64::MAX), "malformed"),
            ("start_time", json!("9999-12-31T00:00:00Z"), "malformed"),
            ("start_time", json!("1969-12-31T23:59:59Z"), "malformed"),
            ("request_id", json!("-"), "event"),
            ("method", json!(null), "event"),
        ] {
            let mut changed = entry();
            changed[field] = value.clone();
            let is = match read(&changed) {
                Entry::Event(_) => "event",
                Entry::Unattributed => "unattributed",
                Entry::Summed => "summed",
                Entry::Malformed => "malformed",
            };
            assert_eq!(is, means, "{field} = {value}");
        }
        assert_eq!(read(&json!("text")), Entry::Unattributed);
        for (decision, event_id, is_summed) in [
            ("key_revoked", "-", true),
            ("limits", "-", true),
            ("allowed", "-", false),
            ("-", "-", false),
            // An older proxy's line: the id says that it was reported by itself.
            ("key_revoked", "00112233445566778899aabbccddeeff", false),
        ] {
            let mut line = entry();
            (line["decision"], line["event_id"]) = (json!(decision), json!(event_id));
            assert_eq!(
                read(&line) == Entry::Summed,
                is_summed,
                "{decision}, {event_id}"
            );
        }
    }
}
