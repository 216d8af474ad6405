//! The cost of a request.

/// The tokens to reserve: as many as remain, between `least` and `most`. So a generous cap of the client is not a
/// reason to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBounds {
    /// If fewer remain, the request is refused.
    pub least: u64,
    /// At most these are reserved.
    pub most: u64,
}

impl TokenBounds {
    /// Exactly `tokens`.
    #[must_use]
    pub fn exactly(tokens: u64) -> Self {
        Self {
            least: tokens,
            most: tokens,
        }
    }

    /// Makes the bounds of a request; all arguments are in tokens. `prompt` is the estimate of the prompt, `expected`
    /// the expected output, `most` the largest output allowed, and `at_once` the most that the limits admit at one
    /// instant. If only the output exceeds `at_once`, the bounds are cut to it.
    ///
    /// ```
    /// use gmtech_core::limiter::TokenBounds;
    ///
    /// // A prompt of 100 tokens, an expected answer of 200 that may have 5,000, and a limit of 1,000 tokens.
    /// let bounds = TokenBounds::new(100, 200, 5_000, 1_000);
    /// assert_eq!((bounds.least, bounds.most), (300, 1_000));
    /// ```
    #[must_use]
    pub fn new(prompt: u64, expected: u64, most: u64, at_once: u64) -> Self {
        let ceiling = at_once.max(prompt);
        let least = prompt.saturating_add(expected.min(most)).min(ceiling);
        Self {
            least,
            most: prompt.saturating_add(most).min(ceiling).max(least),
        }
    }
}

/// The cost of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests, normally one.
    pub requests: u64,
    /// Tokens to reserve until the request is settled.
    pub tokens: TokenBounds,
}
