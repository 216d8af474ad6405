//! Sums of true usage, whatever usage the answers stated. Tests compare them with a ledger.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{MAX_KEYS, Outcome};
use crate::count::Tokens;

/// Requests with one outcome, and their usage.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sum {
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Sum {
    fn add(&mut self, tokens: &Tokens) {
        self.requests += 1;
        self.prompt_tokens += tokens.prompt;
        self.completion_tokens += tokens.completion;
        self.total_tokens += tokens.total();
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sums {
    completed: Sum,
    /// Cut by the mock or by the client.
    cut: Sum,
    failed: Sum,
}

impl Sums {
    fn add(&mut self, outcome: Outcome, tokens: &Tokens) {
        match outcome {
            Outcome::Completed => self.completed.add(tokens),
            Outcome::Cut | Outcome::Disconnected => self.cut.add(tokens),
            Outcome::Failed => self.failed.add(tokens),
            Outcome::Open => {}
        }
    }
}

/// The sums of all requests and of each key's.
#[derive(Debug, Default)]
pub(super) struct Totals {
    overall: Sums,
    keys: BTreeMap<String, Sums>,
}

impl Totals {
    pub(super) fn add(&mut self, key: String, outcome: Outcome, tokens: &Tokens) {
        self.overall.add(outcome, tokens);
        let full = self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&key);
        let key = if full { "(others)".into() } else { key };
        self.keys.entry(key).or_default().add(outcome, tokens);
    }

    pub(super) fn render(&self) -> Value {
        json!({"overall": self.overall, "keys": self.keys})
    }
}
