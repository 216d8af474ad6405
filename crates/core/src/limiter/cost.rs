//! What a request asks of its limits.

/// Tokens asked for: as many as are there, between the least that will do and the most that it could
/// need. A generous cap of the client's is thus never by itself a reason to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBounds {
    /// Without these it is refused.
    pub least: u64,
    /// Not more than these are held.
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

    /// The bounds of a request by its parts, all in tokens: the `prompt` as estimated, the output `expected`
    /// and the `most` that it was allowed. What exceeds `at_once`, the most that its limits admit at one instant, only by
    /// its output is held to that.
    ///
    /// ```
    /// use gmtech_core::limiter::TokenBounds;
    ///
    /// // A prompt of 100 tokens, an answer of usually 200 that may have 5,000, and a limit of 1,000 tokens.
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

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests, normally one.
    pub requests: u64,
    /// Tokens to hold until it is settled.
    pub tokens: TokenBounds,
}
