//! Writes events as the lines of an event stream, in every form that the standard allows.

use serde_json::Value;

use crate::directive::Directives;
use crate::job::Event;
use crate::script::{Mark, Piece};

/// Writes one event.
pub(crate) fn write_event(event: &Event, d: &Directives) -> Piece {
    let end = d.line_end.text();
    let colon = if d.no_space { ":" } else { ": " };
    let mut text = String::new();
    let mut line = |field: &str, value: &str| {
        text.push_str(field);
        text.push_str(colon);
        text.push_str(value);
        text.push_str(end);
    };
    if d.comment_lines {
        line("", "keep-alive");
    }
    if let Some(name) = event.name {
        line("event", name);
    }
    match &event.data {
        None => line("data", "[DONE]"),
        Some(data) if d.multiline_data => {
            let pretty = serde_json::to_string_pretty(data).unwrap_or_default();
            pretty.lines().for_each(|part| line("data", part));
        }
        Some(data) => line("data", &data.to_string()),
    }
    text.push_str(end);
    let mark = Mark {
        events: 1,
        tokens: event.tokens,
        usage: event.usage,
    };
    Piece {
        bytes: text.into_bytes(),
        mark,
    }
}

/// Pads the first event's document so that its line has at least `bytes` bytes, as OpenAI's own padding
/// field does.
pub(crate) fn pad_first(events: &mut [Event], bytes: u64) {
    let first = events
        .iter_mut()
        .find_map(|event| event.data.as_mut().filter(|data| data.is_object()));
    if let Some(data) = first {
        let padding = "x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX));
        data["obfuscation"] = Value::String(padding);
    }
}
