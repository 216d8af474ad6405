//! A table of answers: what providers and gateways send, and the tokens that they charge for it.
//!
//! The table is the files in `tests/answers/`, one entry after another:
//!
//! ```text
//! === name
//! endpoint /v1/chat/completions
//! source https://… 2026-08-22     (where the answer was recorded or printed, and when)
//! form https://…                  (in its place: the page that documents the form; the entry is written after it)
//! type application/json
//! usage exact input=19 output=10 total=29
//! ---
//! the body, up to the next entry
//! ```
//!
//! Recorded answers are shortened: long strings are cut, and of many like events a few are left.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails loudly")]

use std::path::Path;

use gmtech_core::usage::{
    Ending, MeterPlan, Output, ResponseFacts, ResponseMeter, TokenKind, Tokens, Unread, Usage,
    UsageSource,
};
use serde_json::Value;

/// The estimates that apply where an answer has no count.
const PLAN: MeterPlan = MeterPlan {
    prompt_estimate: 7,
    output_estimate: 1_000,
    generates: true,
    drop_usage_event: false,
};

/// Content types that upstreams give, rightly and wrongly; none at all.
const LABELS: [&str; 6] = [
    "application/json",
    "text/event-stream",
    "text/plain; charset=utf-8",
    "application/octet-stream",
    "audio/mpeg",
    "",
];

struct Entry {
    name: String,
    content_type: String,
    body: String,
    usage: Usage,
}

impl Entry {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n---\n").unwrap();
        let mut lines = head.lines();
        let name = lines.next().unwrap().to_owned();
        let of = |key: &str| {
            let mut lines = head.lines();
            lines.find_map(|line| line.strip_prefix(key)).map(str::trim)
        };
        assert!(of("source").or(of("form")).is_some(), "{name}: no source");
        assert!(of("endpoint").is_some(), "{name}: no endpoint");
        let mut words = of("usage").unwrap().split_whitespace();
        let source = UsageSource::named(words.next().unwrap()).unwrap();
        let tokens = words.fold(Tokens::default(), |tokens, word| {
            let (kind, count) = word.split_once('=').unwrap();
            let count = count.parse().unwrap();
            match kind {
                "total" => tokens.with_total(count),
                _ => tokens.with(TokenKind::named(kind).unwrap(), count),
            }
        });
        Self {
            name,
            content_type: of("type").unwrap().to_owned(),
            body: body.to_owned(),
            usage: Usage::new(source, tokens),
        }
    }

    fn is_stream(&self) -> bool {
        self.content_type == "text/event-stream"
    }
}

fn entries() -> Vec<Entry> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
    let files = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let mut entries = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = format!("\n{text}");
        for entry in text.split("\n=== ").skip(1) {
            entries.push(Entry::read(entry));
        }
    }
    entries
}

fn read<'a>(
    label: &str,
    plan: MeterPlan,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    ending: Ending,
) -> (Vec<u8>, Usage, Option<Unread>) {
    let facts = ResponseFacts {
        status: 200,
        content_type: (!label.is_empty()).then_some(label.as_bytes()),
        content_encoding: None,
    };
    let mut meter = ResponseMeter::new(&facts, plan);
    let mut out = Vec::new();
    for piece in pieces {
        match meter.push(piece) {
            Output::Unchanged => out.extend_from_slice(piece),
            Output::Replaced(bytes) => out.extend(bytes),
        }
    }
    let metered = meter.finish(ending);
    out.extend(metered.tail);
    (out, metered.usage, metered.unread)
}

fn whole(label: &str, body: &str) -> Usage {
    read(label, PLAN, [body.as_bytes()], Ending::Complete).1
}

#[test]
fn every_answer_is_charged_what_its_provider_charges() {
    let entries = entries();
    assert!(entries.len() >= 150, "{}", entries.len());
    let mut wrong = Vec::new();
    for entry in &entries {
        let (out, usage, unread) = read(
            &entry.content_type,
            PLAN,
            [entry.body.as_bytes()],
            Ending::Complete,
        );
        assert_eq!(out, entry.body.as_bytes(), "{}", entry.name);
        if (usage, unread) != (entry.usage, None) {
            wrong.push((&entry.name, usage, entry.usage, unread));
        }
    }
    assert!(wrong.is_empty(), "(answer, got, charged): {wrong:#?}");
}

#[test]
fn every_split_reads_the_same() {
    for entry in entries() {
        let body = entry.body.as_bytes();
        for plan in [
            PLAN,
            MeterPlan {
                drop_usage_event: true,
                ..PLAN
            },
        ] {
            let once = read(&entry.content_type, plan, [body], Ending::Complete);
            assert_eq!(once.1, entry.usage, "{}", entry.name);
            let bytewise = read(&entry.content_type, plan, body.chunks(1), Ending::Complete);
            assert_eq!(bytewise, once, "{} byte by byte", entry.name);
            for at in 0..=body.len() {
                let (head, tail) = body.split_at(at);
                let split = read(&entry.content_type, plan, [head, tail], Ending::Complete);
                assert_eq!(split, once, "{} split at {at}", entry.name);
            }
        }
    }
}

#[test]
fn every_answer_is_charged_the_same_whatever_its_content_type() {
    for entry in entries() {
        for label in LABELS {
            for size in [1, 5, 64, entry.body.len()] {
                let pieces = entry.body.as_bytes().chunks(size);
                let (_, usage, unread) = read(label, PLAN, pieces, Ending::Complete);
                assert_eq!(
                    (usage, unread),
                    (entry.usage, None),
                    "{} as {label:?} by {size}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn parts_fit_into_their_wholes_and_totals_are_explained() {
    for entry in entries() {
        let tokens = entry.usage.tokens();
        for whole in [TokenKind::Input, TokenKind::Output] {
            for part in whole.parts() {
                assert!(
                    tokens.get(part) <= tokens.get(whole),
                    "{}: {part:?}",
                    entry.name
                );
            }
        }
        let sum = tokens.input() + tokens.output();
        assert!(sum >= tokens.total(), "{}: {tokens:?}", entry.name);
        assert_eq!(tokens.apart().iter().map(|(_, n)| n).sum::<u64>(), sum);
    }
}

/// What may stand between events without meaning anything.
const NOISE: [&str; 9] = [
    ": ping\n\n",
    ":\n\n",
    "\n",
    "id: 7\nretry: 3000\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "data: {}\n\n",
    "data:\n\n",
    "data: {\"type\":\"response.heartbeat\",\"sequence_number\":7}\n\n",
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":null}\n\n",
];

#[test]
fn noise_changes_no_charge() {
    for entry in entries() {
        for noise in NOISE {
            let noisy = if entry.is_stream() {
                let events = entry.body.split_inclusive("\n\n");
                events.fold(noise.to_owned(), |all, event| all + event + noise)
            } else {
                format!("\n {}\n{noise}", entry.body)
            };
            let usage = whole(&entry.content_type, &noisy);
            assert_eq!(usage, entry.usage, "{} with {noise:?}", entry.name);
        }
    }
}

/// What the answer rests on, and nothing that was generated.
const QUOTES: [&str; 5] = [
    "groundingMetadata",
    "annotations",
    "citations",
    "search_results",
    "reasoning_details",
];

/// The text of a document that a client would show, by the names under which providers have it.
fn visible(value: &Value, shown: bool, text: &mut String) {
    const TEXT: [&str; 8] = [
        "content",
        "text",
        "reasoning_content",
        "reasoning",
        "thinking",
        "arguments",
        "partial_json",
        "response",
    ];
    match value {
        Value::Object(members) => {
            for (key, value) in members
                .iter()
                .filter(|(key, _)| !QUOTES.contains(&key.as_str()))
            {
                let shown = TEXT.contains(&key.as_str()) || (key == "delta" && value.is_string());
                visible(value, shown, text);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visible(item, shown, text)),
        Value::String(string) if shown => text.push_str(string),
        _ => {}
    }
}

fn documents(entry: &Entry) -> Vec<Value> {
    let lines = entry.body.lines();
    let documents = lines.filter_map(|line| {
        let line = line.strip_prefix("data:").unwrap_or(line);
        serde_json::from_str(line).ok()
    });
    documents.collect()
}

/// Whether an event repeats what others had, or what the prompt had.
fn repeats(document: &Value) -> bool {
    let kind = document["type"].as_str().unwrap_or_default();
    let whole_response = document["response"].is_object();
    whole_response
        || kind.ends_with(".done")
        || kind.ends_with(".added")
        || !document["error"].is_null()
}

#[test]
fn without_its_count_an_answer_is_charged_its_visible_text_at_least() {
    let mut texts = 0;
    for entry in entries() {
        let mut body = entry.body.clone();
        for count in ["tokens", "TokenCount", "Tokens", "eval_count"] {
            body = body.replace(&format!("{count}\":"), "count_x\":");
        }
        let deltas = documents(&entry).into_iter().filter(|d| !repeats(d));
        let mut text = String::new();
        for document in deltas {
            // Perplexity's chunks have all so far beside the delta.
            let both = document["choices"][0]["delta"].is_object();
            let mut document = document;
            if both && let Some(choice) = document["choices"][0].as_object_mut() {
                choice.remove("message");
            }
            visible(&document, false, &mut text);
        }
        texts += usize::from(!text.is_empty());
        for ending in [Ending::Complete, Ending::Cut] {
            for label in LABELS {
                let usage = read(label, PLAN, [body.as_bytes()], ending).1;
                assert!(
                    usage.tokens().output() + 1 >= text.len() as u64 / 8,
                    "{} as {label:?}: {usage:?} for {text:?}",
                    entry.name
                );
            }
        }
    }
    assert!(texts >= 100, "{texts}");
}
