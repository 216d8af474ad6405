//! `GET /key` and `GET /usage`: the caller's own account, as the key service knows it.
//!
//! The gate authenticates the key, asks the service about the key's id with the proxies' token, and passes the
//! service's answer on. Neither costs tokens or money, nor counts as a request of the key. A bucket for each key and one
//! for the whole process bound how often the service is asked.
//!
//! # Failure policy
//! Without an answer the request is refused with a retryable 503.

use std::num::NonZeroU32;

use super::{Exchange, Now, Phase, Step};
use crate::decision::Decision;
use crate::denial::{Denial, Reply};
use crate::directory::resolve_budget;
use crate::head::Head;
use crate::ident::KeyId;
use crate::limiter::gcra::Limit;
use crate::limiter::{self, Account, Counter, Limits, Scope};
use crate::shared::CounterStore;
use crate::sync::own;

/// How many questions about its account a key may ask a minute, and at once.
const A_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// A question about the caller's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnQuestion {
    /// The key's id.
    pub key: KeyId,
    /// What is asked about it.
    pub about: About,
    /// The request's query, without the `?`. The service reads it.
    pub query: String,
}

/// What is asked about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// What it may spend and has spent: `GET /key`.
    Key,
    /// What it has used by day and model: `GET /usage`.
    Usage,
}

impl About {
    /// Its name in the path of the question.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Usage => "usage",
        }
    }
}

/// What the request asks about its own key, if it does.
pub(super) fn asked(head: &Head<'_>) -> Option<About> {
    match (head.method(), head.path()) {
        (b"GET", b"/api/v1/key" | b"/v1/key") => Some(About::Key),
        (b"GET", b"/api/v1/usage" | b"/v1/usage") => Some(About::Usage),
        _ => None,
    }
}

/// The longest query that is passed on, in bytes.
const LONGEST_QUERY: usize = 256;

/// The query, if it can stand in a path as it is; otherwise a word that the service refuses.
fn query(head: &Head<'_>) -> String {
    let mut parts = head.target().splitn(2, |b| *b == b'?');
    let query = parts.nth(1).unwrap_or_default();
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:&=%+,".contains(b);
    match std::str::from_utf8(query) {
        Ok(text) if text.len() <= LONGEST_QUERY && query.iter().all(fits) => text.to_owned(),
        _ => "unreadable".to_owned(),
    }
}

impl Exchange {
    /// The question to the service, if this key may ask one.
    pub(super) fn ask_own(
        &mut self,
        head: &Head<'_>,
        about: About,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        let principal = self.principal()?;
        let Some(service) = self.policy.service().filter(|_| !self.inline) else {
            return Err(Denial::NoKeyService);
        };
        let question = OwnQuestion {
            key: principal.key().clone(),
            about,
            query: query(head),
        };
        let requests = Limit::per_minute(A_MINUTE).with_burst(AT_ONCE);
        let limits = Limits {
            requests: Some(requests),
            ..Limits::default()
        };
        let counter = Counter::new(Scope::OwnAccount, principal.account().as_str(), limits);
        let admission = limiter::admit(store, Account::new([counter]), 0, now.monotonic)
            .map_err(|refused| self.not_reserved(refused))?;
        let _ = admission.leave(store, now.monotonic);
        let may = resolve_budget::may_ask_own(store, &service.resolves, now.monotonic);
        if !may.map_err(|_| Denial::Unavailable)? {
            return Err(Denial::NotReady);
        }
        self.decision = Decision::OwnAccount;
        self.phase = Phase::AskingOwn;
        Ok(Step::AskOwn(question))
    }

    /// Takes the service's answer to [`Step::AskOwn`], or `None` if there was none.
    pub fn own_answered(
        &mut self,
        answer: Option<&[u8]>,
        store: &impl CounterStore,
        now: Now,
    ) -> Step {
        let Some(answer) = answer.and_then(own::decode) else {
            return self.refuse(&Denial::NotReady, store, now);
        };
        self.phase = Phase::Refused;
        self.status = answer.status;
        Step::Reply(Reply {
            status: answer.status,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("cache-control", "no-store".to_owned()),
            ],
            body: answer.json.to_owned(),
            details: Decision::OwnAccount.details(),
        })
    }
}
