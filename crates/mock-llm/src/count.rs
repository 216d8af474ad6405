//! The token rule: deterministic, easy to compute by hand, and the same for every endpoint.
//!
//! - prompt tokens = ceil(bytes of all text / 4) + 4 for each message
//! - output tokens = words of the answer times `n`; a stream has one delta event for each word
//! - reasoning tokens are output tokens that no event shows; cached tokens are part of
//!   the prompt, but at Anthropic come on top of it
//!
//! It is no tokenizer: a test must be able to compute in advance what a request costs.

use serde_json::Value;

/// Prompt tokens that each message costs on top of its text.
pub const TOKENS_PER_MESSAGE: u64 = 4;

/// The size of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Bytes of UTF-8 text in all of its messages or inputs.
    pub bytes: u64,
    /// Messages; 0 where the endpoint has none (completions, embeddings, images).
    pub messages: u64,
}

impl Prompt {
    /// The prompt's tokens.
    #[must_use]
    pub fn tokens(self) -> u64 {
        self.bytes.div_ceil(4) + TOKENS_PER_MESSAGE * self.messages
    }

    /// Adds all text of one message's `content`.
    pub(crate) fn message(&mut self, content: &Value) {
        self.messages += 1;
        self.text(content);
    }

    /// Adds all text of `value`.
    pub(crate) fn text(&mut self, value: &Value) {
        each_text(value, &mut |text| self.bytes += text.len() as u64);
    }
}

/// Token counts of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Prompt tokens, including those read from and written to a cache.
    pub prompt: u64,
    /// Output tokens, reasoning included.
    pub completion: u64,
    /// Prompt tokens read from a cache.
    pub cached: u64,
    /// Prompt tokens written to a cache.
    pub cache_creation: u64,
    /// Output tokens used for reasoning.
    pub reasoning: u64,
}

impl Tokens {
    /// Prompt and output together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

/// Calls `f` with every text of a message's content: a string, or parts with a `text`, in any nesting of lists.
pub(crate) fn each_text(value: &Value, f: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => f(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, f)),
        Value::Object(part) => {
            for key in ["text", "content", "parts"] {
                if let Some(inner) = part.get(key) {
                    each_text(inner, f);
                }
            }
        }
        _ => {}
    }
}

/// The text of a message's content, its parts joined by a space.
pub(crate) fn text_of(value: &Value) -> String {
    let mut all = String::new();
    each_text(value, &mut |text| {
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(text);
    });
    all
}

/// An answer: its text, and the offset at which each word ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    /// Echoes the prompt's last text. With `wanted` it has exactly so many words, repeating the text; it has no more
    /// than `cap` words. The second value says whether the cap cut it.
    pub(crate) fn answer(echo: &str, wanted: Option<u64>, cap: Option<u64>) -> (Self, bool) {
        let echo = if echo.trim().is_empty() {
            "Hello from the mock."
        } else {
            echo
        };
        let natural = wanted.unwrap_or_else(|| echo.split_whitespace().count() as u64);
        let count = cap.map_or(natural, |cap| cap.min(natural));
        let mut words = Self::default();
        for word in echo
            .split_whitespace()
            .cycle()
            .take(usize::try_from(count).unwrap_or(usize::MAX))
        {
            if !words.text.is_empty() {
                words.text.push(' ');
            }
            words.text.push_str(word);
            words.ends.push(words.text.len());
        }
        (words, count < natural)
    }

    /// The number of words.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All words, separated by one space.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text of each event: a word, with the space in front of it.
    pub(crate) fn deltas(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.text.get(start..*end).unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prompt_tokens_follow_the_rule() {
        for (content, tokens) in [
            (json!(""), 4),
            (json!("a"), 5),
            (json!("abcd"), 5),
            (json!("abcde"), 6),
            (json!("été"), 6), // 5 bytes
            (
                json!([{"type": "text", "text": "abcd"}, {"type": "image_url", "image_url": {"url": "data:x"}}]),
                5,
            ),
            (json!([{"text": "abcd"}, {"text": "e"}]), 6),
        ] {
            let mut prompt = Prompt::default();
            prompt.message(&content);
            assert_eq!(prompt.tokens(), tokens, "{content}");
        }
    }

    #[test]
    fn the_answer_echoes_repeats_and_is_capped() {
        for (echo, wanted, cap, words, cut) in [
            ("say  this", None, None, "say this", false),
            ("", None, None, "Hello from the mock.", false),
            ("say this", Some(5), None, "say this say this say", false),
            ("say this", Some(0), None, "", false),
            ("say this now", None, Some(2), "say this", true),
            ("say this now", Some(9), Some(2), "say this", true),
            ("say this", None, Some(2), "say this", false),
        ] {
            let (got, was_cut) = Words::answer(echo, wanted, cap);
            assert_eq!(
                (got.text(), was_cut),
                (words, cut),
                "{echo:?} {wanted:?} {cap:?}"
            );
            assert_eq!(got.deltas().collect::<String>(), words);
            assert_eq!(got.deltas().count(), got.len());
        }
    }
}
