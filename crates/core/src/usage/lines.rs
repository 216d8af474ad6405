//! The answers of a batch, one a line: what all of them used together.
//!
//! A line is OpenAI's `{"response":{"body":{"usage":…}}}` or Anthropic's `{"result":{"message":{"usage":…}}}`; a request that
//! failed has no usage and used nothing.
//!
//! # Failure policy
//! What was cut, or is no JSON, is no sum: [`Usage::LowerBound`].

use super::counts::USAGE;
use super::report::Report;
use super::schema::{Kind, Names, Schema};
use super::shapes;
use super::tokens::{Tokens, Usage};
use super::walker::{Sink, Walker};

static LINE: Schema = Schema::Object(&[
    (
        "response",
        Schema::Object(&[("body", Schema::Object(&[("usage", Schema::Object(USAGE))]))]),
    ),
    (
        "result",
        Schema::Object(&[(
            "message",
            Schema::Object(&[("usage", Schema::Object(USAGE))]),
        )]),
    ),
]);

/// Sums the usage of lines as they pass.
#[derive(Debug)]
pub struct LinesMeter {
    walker: Walker,
    sums: Sums,
}

#[derive(Debug, Default)]
struct Sums {
    line: Report,
    total: Tokens,
}

impl Default for LinesMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl LinesMeter {
    /// A meter for an answer of lines.
    #[must_use]
    pub fn new() -> Self {
        Self {
            walker: Walker::new(&LINE),
            sums: Sums::default(),
        }
    }

    /// Takes the next bytes, in any split.
    pub fn push(&mut self, chunk: &[u8]) {
        self.walker.push(chunk, &mut self.sums);
    }

    /// What all lines used; `complete` if the transport saw the end.
    #[must_use]
    pub fn finish(self, complete: bool) -> Usage {
        let total = self.sums.total;
        if complete && self.walker.is_closed() && !total.is_zero() {
            Usage::Exact(total)
        } else {
            Usage::LowerBound(total)
        }
    }
}

impl Sink for Sums {
    fn value(&mut self, _: &'static Schema, _: Kind) {}
    fn item(&mut self, _: &'static Schema) {}
    fn text(&mut self, _: &[u8]) {}
    fn id(&mut self, _: &[u8]) {}
    fn end_id(&mut self, _: Names) {}
    fn tag(&mut self, _: &'static Schema, _: &[u8]) {}
    fn blob(&mut self, _: usize) {}
    fn loose(&mut self, _: &[u8]) {}
    fn unknown(&mut self, _: &[u8]) {}
    fn end_string(&mut self) {}

    fn count(&mut self, place: &'static Schema, count: u64) {
        if let Schema::Count(field) = place {
            self.line.note(*field, count);
        }
    }

    fn document(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some(used) = shapes::tokens(&line) {
            self.total = self.total.plus(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::TokenKind;

    const LINES: &str = concat!(
        r#"{"custom_id":"a","response":{"status_code":200,"body":{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}},"error":null}"#,
        "\n",
        r#"{"custom_id":"b","response":null,"error":{"code":"batch_expired"}}"#,
        "\r\n\n",
        r#"{"custom_id":"c","result":{"type":"succeeded","message":{"content":[{"text":"{\"usage\":{}}"}],"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":2}}}}"#,
    );

    fn read(text: &str, split: usize, complete: bool) -> Usage {
        let mut meter = LinesMeter::new();
        let (head, tail) = text.as_bytes().split_at(split);
        meter.push(head);
        meter.push(tail);
        meter.finish(complete)
    }

    #[test]
    fn lines_are_summed_at_every_split() {
        let sum = Tokens::of(18, 6)
            .with(TokenKind::CachedInput, 5)
            .with_total(24);
        for split in 0..=LINES.len() {
            assert_eq!(read(LINES, split, true), Usage::Exact(sum), "{split}");
        }
        let ended = format!("{LINES}\n");
        assert_eq!(read(&ended, 9, true), Usage::Exact(sum));
    }

    #[test]
    fn what_is_no_whole_file_is_a_lower_bound() {
        for (what, text, complete) in [
            ("cut by the transport", LINES, false),
            ("cut in a line", LINES.strip_suffix('}').unwrap(), true),
            ("nothing", "", true),
            ("no usage at all", r#"{"response":{"body":{}}}"#, true),
            ("no JSON", "custom_id,usage\na,5\n", true),
        ] {
            let usage = read(text, 0, complete);
            assert!(matches!(usage, Usage::LowerBound(_)), "{what}: {usage:?}");
        }
    }
}
