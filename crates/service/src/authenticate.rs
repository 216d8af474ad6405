//! Authentication: administrators' tokens open the management API, proxies' tokens the listener for proxies, and neither opens
//! the other.
//!
//! What it is not: authorization. What a caller may do is decided in [`crate::caller`].
//!
//! # Failure policy
//! A refusal is counted by its reason and logged, at most once a second in the long run. The log names the token by the first
//! bytes of its digest, which reveal nothing of it. Only the holder of a token is told that it has ended.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use gmtech_core::limiter::gcra::{Limit, Tat};
use gmtech_core::time::Nanos;

use crate::clock::Millis;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::secret;
use crate::store::{Ended, Role, ServiceToken, Store, StoreError};

/// How many bytes of a digest a log line shows.
const DIGEST_SHOWN: usize = 4;

/// How many refusals are logged at once, and a minute.
const LOGGED_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const LOGGED_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The management API.
    Management,
    /// The proxies' listener.
    Proxies,
}

impl Listener {
    /// As metrics and log lines name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Proxies => "sync",
        }
    }

    fn admits(self, role: Role) -> bool {
        (self == Self::Proxies) == (role == Role::Proxy)
    }
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejection {
    Missing,
    Unknown,
    OtherListener,
    Ended(Ended),
}

impl Rejection {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::OtherListener => "other_listener",
            Self::Ended(Ended::Revoked(_)) => "revoked",
            Self::Ended(Ended::Expired(_)) => "expired",
        }
    }

    fn error(self, listener: Listener) -> ApiError {
        let message = match (self, listener) {
            (Self::Missing, _) => "Send a token as Authorization: Bearer.".into(),
            (Self::Unknown, Listener::Management) => {
                "This token is not known here: it is mistyped, or of another service.".into()
            }
            (Self::Unknown, Listener::Proxies) => {
                "This is not one of the proxies' tokens. See `gmtech tokens list`.".into()
            }
            (Self::OtherListener, Listener::Management) => {
                "This is a proxies' token: it opens the listener for proxies only.".into()
            }
            (Self::OtherListener, Listener::Proxies) => {
                "This is not a proxies' token: it opens the management API only.".into()
            }
            (Self::Ended(Ended::Revoked(at)), _) => {
                format!("This token was revoked at {}.", at.to_rfc3339())
            }
            (Self::Ended(Ended::Expired(at)), _) => {
                format!("This token ended at {}.", at.to_rfc3339())
            }
        };
        ApiError::unauthorized(&message)
    }
}

/// What is remembered of tokens between requests.
pub(crate) struct Authenticator {
    log: Throttle,
    used: Mutex<HashMap<String, Millis>>,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self {
            log: Throttle::new(),
            used: Mutex::default(),
        }
    }

    /// The last use of each token since the last call.
    pub(crate) fn take_used(&self) -> Vec<(String, Millis)> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *used).into_iter().collect()
    }

    /// The last use of this token since then.
    pub(crate) fn used(&self, id: &str) -> Option<Millis> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(id).copied()
    }

    /// Notes a use, unless a later one is noted.
    pub(crate) fn note_use(&self, id: &str, now: Millis) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(id) {
            Some(at) => *at = now.max(*at),
            None => {
                used.insert(id.to_owned(), now);
            }
        }
    }

    /// The token of a request, if it opens this listener.
    ///
    /// # Errors
    /// 401 with what is wrong; 503 where the store does not answer.
    pub(crate) async fn authenticate(
        &self,
        store: &Store,
        metrics: &Metrics,
        listener: Listener,
        parts: &Parts,
    ) -> Result<ServiceToken, ApiError> {
        let now = Millis::now();
        let text = bearer(&parts.headers);
        let rejection = match text {
            None => Rejection::Missing,
            Some(text) => match judge(store, listener, text, now).await? {
                Ok(token) => {
                    self.note_use(&token.id, now);
                    return Ok(token);
                }
                Err(rejection) => rejection,
            },
        };
        metrics.token_rejected(listener.name(), rejection.name());
        self.log_rejection(listener, rejection, text, parts);
        Err(rejection.error(listener))
    }

    fn log_rejection(
        &self,
        listener: Listener,
        rejection: Rejection,
        text: Option<&str>,
        parts: &Parts,
    ) {
        let Some(left_out) = self.log.pass() else {
            return;
        };
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| peer.to_string());
        let digest = text.map(|text| {
            let digest = secret::digest(text);
            hex::encode(digest.get(..DIGEST_SHOWN).unwrap_or_default())
        });
        tracing::warn!(
            listener = listener.name(),
            reason = rejection.name(),
            digest,
            peer,
            left_out,
            "a token was rejected"
        );
    }
}

async fn judge(
    store: &Store,
    listener: Listener,
    text: &str,
    now: Millis,
) -> Result<Result<ServiceToken, Rejection>, StoreError> {
    let Some(token) = store.token(&secret::digest(text)).await? else {
        return Ok(Err(Rejection::Unknown));
    };
    Ok(match token.ended(now) {
        Some(ended) => Err(Rejection::Ended(ended)),
        None if !listener.admits(token.role) => Err(Rejection::OtherListener),
        None => Ok(token),
    })
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Limits log lines: lets a few through and counts the others.
struct Throttle {
    since: Instant,
    state: Mutex<(Tat, u64)>,
}

impl Throttle {
    fn new() -> Self {
        Self {
            since: clock(),
            state: Mutex::default(),
        }
    }

    fn pass(&self) -> Option<u64> {
        self.pass_at(Nanos::try_from(self.since.elapsed().as_nanos()).unwrap_or(Nanos::MAX))
    }

    /// How many lines were left out before this one; `None` if this one is left out too.
    fn pass_at(&self, now: Nanos) -> Option<u64> {
        let limit = Limit::per_minute(LOGGED_PER_MINUTE).with_burst(LOGGED_AT_ONCE);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match limit.take(state.0, 1, now) {
            Ok(next) => {
                let left_out = state.1;
                *state = (next, 0);
                Some(left_out)
            }
            Err(_) => {
                state.1 += 1;
                None
            }
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use gmtech_core::time::SECOND;

    use super::*;

    #[test]
    fn a_flood_of_refusals_is_few_lines_that_say_how_many_were_left_out() {
        let throttle = Throttle::new();
        let passed = (0..1_000).filter(|_| throttle.pass_at(0).is_some()).count();
        assert_eq!(passed, 10);
        assert_eq!(throttle.pass_at(SECOND), Some(990));
        assert_eq!(throttle.pass_at(SECOND), None);
        assert_eq!(throttle.pass_at(2 * SECOND), Some(1));
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("abc", None),
        ] {
            let headers = HeaderMap::from_iter([(
                header::AUTHORIZATION,
                HeaderValue::from_str(value).unwrap(),
            )]);
            assert_eq!(bearer(&headers), token, "{value:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
