//! An accepted request before it is answered: what it asks, its answer's words, and its token counts.

use serde_json::Value;

use crate::count::{Prompt, Tokens, Words};
use crate::directive::{AnswerAs, Directives};

/// The creation time in every answer: fixed, so that answers are the same in every run.
pub(crate) const CREATED: u64 = 1_767_225_600;

/// What a request asks, independent of its API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub model: String,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// vLLM's `stream_options.continuous_usage_stats`.
    pub continuous_usage: bool,
    /// The number of answers (`n`, `candidateCount`).
    pub choices: u64,
    pub prompt: Prompt,
    /// The text that the answer echoes.
    pub echo: String,
    /// The smallest of the caps that the request sets, in tokens.
    pub cap: Option<u64>,
    /// The request's body, for fields that only one endpoint has.
    pub body: Value,
}

/// An [`Ask`] with the words of its answer and the token counts.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub ask: Ask,
    pub seq: u64,
    pub words: Words,
    /// Whether a cap cut the answer short.
    pub capped: bool,
    /// The true token counts.
    pub counted: Tokens,
    /// The token counts that the answer states; `None` if it states no usage.
    pub reported: Option<Tokens>,
    pub directives: Directives,
}

impl Job {
    /// Works out the answer.
    pub(crate) fn new(ask: Ask, seq: u64, directives: Directives) -> Self {
        let (words, capped) = Words::answer(&ask.echo, directives.output_tokens, ask.cap);
        let reasoning = directives.reasoning_tokens;
        let counted = Tokens {
            prompt: ask.prompt.tokens(),
            completion: words.len() as u64 * ask.choices + reasoning,
            cached: directives.cached_tokens,
            cache_creation: directives.cache_creation_tokens,
            reasoning,
        };
        let mut job = Self {
            ask,
            seq,
            words,
            capped,
            counted,
            reported: None,
            directives,
        };
        job.set_counts(counted);
        job
    }

    /// Replaces the counts, for an endpoint that does not count words.
    pub(crate) fn set_counts(&mut self, counted: Tokens) {
        self.counted = counted;
        self.reported = (!self.directives.no_usage).then_some(Tokens {
            prompt: self.directives.usage_prompt.unwrap_or(counted.prompt),
            completion: self
                .directives
                .usage_completion
                .unwrap_or(counted.completion),
            ..counted
        });
    }

    /// Whether the answer is an event stream.
    pub(crate) fn streams(&self) -> bool {
        match self.directives.answer_as {
            Some(AnswerAs::Json) => false,
            Some(AnswerAs::Sse) => true,
            None => self.ask.stream,
        }
    }

    /// An id in the providers' form: a prefix and a number that is unique in this process.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}mock{:020}", self.seq)
    }

    /// The whole answer as text.
    pub(crate) fn text(&self) -> &str {
        self.words.text()
    }

    /// The counts to state after `sent` output tokens.
    pub(crate) fn reported_after(&self, sent: u64) -> Option<Tokens> {
        self.reported.map(|all| Tokens {
            completion: sent.min(all.completion),
            ..all
        })
    }

    /// The indices of the answers.
    pub(crate) fn choices(&self) -> std::ops::Range<u64> {
        0..self.ask.choices
    }
}

/// One event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub name: Option<&'static str>,
    /// The JSON; `None` is `[DONE]`.
    pub data: Option<Value>,
    /// Output tokens that the event delivers.
    pub tokens: u64,
    /// The usage that it states.
    pub usage: Option<Tokens>,
}

impl Event {
    /// An event of JSON without a name.
    pub(crate) fn data(data: Value) -> Self {
        Self {
            name: None,
            data: Some(data),
            tokens: 0,
            usage: None,
        }
    }

    /// An event of JSON with a name.
    pub(crate) fn named(name: &'static str, data: Value) -> Self {
        Self {
            name: Some(name),
            ..Self::data(data)
        }
    }

    /// OpenAI's last event, `[DONE]`.
    pub(crate) fn done() -> Self {
        Self {
            name: None,
            data: None,
            tokens: 0,
            usage: None,
        }
    }

    /// The same event, delivering `tokens`.
    pub(crate) fn tokens(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    /// The same event, stating `usage`.
    pub(crate) fn usage(self, usage: Option<Tokens>) -> Self {
        Self { usage, ..self }
    }
}

/// An answer before it is written.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// One JSON document, and whether it states usage.
    Json(Value, bool),
    /// Plain text.
    Text(String),
    /// 202 without a document: the work is not finished.
    Accepted,
    /// An event stream.
    Events(Vec<Event>),
}
