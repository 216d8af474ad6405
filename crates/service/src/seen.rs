//! When sessions were last used, until housekeeping writes it: a page view writes nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Millis;
use crate::config::PeopleConfig;
use crate::secret::TokenDigest;
use crate::store::StoredSession;

/// What is remembered of sessions between requests.
pub(crate) struct Seen {
    seen: Mutex<HashMap<TokenDigest, Millis>>,
    /// How long a session may lie idle.
    pub(crate) idle: Duration,
    /// How long a session of a person lives.
    pub(crate) life: Duration,
}

impl Seen {
    pub(crate) fn new(config: &PeopleConfig) -> Self {
        Self {
            seen: Mutex::default(),
            idle: config.session_idle,
            life: config.session_life,
        }
    }

    /// The last use of each session since the last call.
    pub(crate) fn take(&self) -> Vec<(TokenDigest, Millis)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen).into_iter().collect()
    }

    pub(crate) fn note(&self, digest: TokenDigest, now: Millis) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seen.entry(digest).or_insert(now);
        *at = now.max(*at);
    }

    /// Whether a session still counts at `now`.
    pub(crate) fn is_open(&self, session: &StoredSession, now: Millis) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seen.get(&session.digest).copied();
        let at = at.unwrap_or(session.seen_at).max(session.seen_at);
        now < session.expires_at && now < at.after(self.idle)
    }
}
