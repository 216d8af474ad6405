//! The story of one request: what the filter is told, and what it then has to do.
//!
//! An [`Exchange`] is made when the head of a request arrives and ends when Envoy logs the stream. It
//! owns the order of decisions and nothing else: who may pass is judged in [`crate::auth`], how much
//! in [`crate::ledger`], what an answer looks like in [`crate::denial`].
//!
//! # Failure policy
//! Whatever cannot be decided is refused with a retryable 503; nothing passes undecided. A reservation
//! exists only in [`Phase::Forwarded`], and whichever way the stream ends, [`Exchange::finish`] settles
//! it once.

use crate::attribution;
use crate::auth::{self, Principal};
use crate::config::Policy;
use crate::denial::{Denial, LimitHit, METHODS, Reply, rate_limit_headers};
use crate::head::{Head, HeadEdits};
use crate::ledger::{self, Account, Cost, CounterStore, NotReserved, Reservation, Standings};
use crate::model::ModelId;
use crate::path::PathAction;
use crate::quota::Nanos;

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For limits: monotonic, the same for all workers of a process.
    pub monotonic: Nanos,
    /// For expiry: seconds since the Unix epoch.
    pub wall_seconds: u64,
}

/// What the filter does next.
#[derive(Debug)]
pub enum Step {
    /// Change the head, then let the request go on.
    Forward(HeadEdits),
    /// Answer it here.
    Reply(Reply),
}

/// Where a request stands.
#[derive(Debug)]
enum Phase {
    /// On its way to the upstream; `None` where the path costs nothing.
    Forwarded(Option<Reservation>),
    /// Answered here.
    Refused,
    /// Logged: nothing is owed any more.
    Settled,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    phase: Phase,
    principal: Option<Principal>,
    model: Option<ModelId>,
    decision: &'static str,
    standings: Option<Standings>,
    logged_target: Option<String>,
}

impl Exchange {
    /// Decides on a request by its head.
    pub fn start(
        head: &Head<'_>,
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> (Self, Step) {
        let mut exchange = Self {
            phase: Phase::Refused,
            principal: None,
            model: None,
            decision: "preflight",
            standings: None,
            logged_target: auth::holds_key(head.target())
                .then(|| printable(&auth::without_keys(head.target()))),
        };
        if head.method() == b"OPTIONS" {
            // Browsers send no credential with a preflight, so that it can never be judged by one.
            return (exchange, Step::Reply(preflight()));
        }
        let step = match exchange.admit(head, policy, store, now) {
            Ok(reservation) => {
                exchange.standings = reservation.as_ref().map(Reservation::standings);
                exchange.phase = Phase::Forwarded(reservation);
                let principal = exchange.principal.as_ref();
                Step::Forward(attribution::forward(
                    head,
                    principal,
                    exchange.model.as_ref(),
                ))
            }
            Err(denial) => {
                exchange.decision = denial.decision();
                Step::Reply(denial.reply())
            }
        };
        (exchange, step)
    }

    fn admit(
        &mut self,
        head: &Head<'_>,
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Option<Reservation>, Denial> {
        check_method(head.method())?;
        if is_upgrade(head) && !policy.allows_upgrades() {
            return Err(Denial::Upgrade);
        }
        if self.logged_target.is_some() {
            return Err(Denial::InvalidKey(auth::InvalidKey::InUrl));
        }
        match policy.path_action(head.path()) {
            PathAction::Free => {
                self.decision = "free";
                return Ok(None);
            }
            PathAction::Refused => {
                return Err(Denial::UnknownUrl {
                    method: printable(head.method()),
                    path: printable(head.path()),
                });
            }
            PathAction::Metered => {}
        }
        let key =
            auth::credential(head, policy.credential_headers()).map_err(Denial::InvalidKey)?;
        let record = policy.key(&key.digest());
        let principal = auth::judge(&key, record, now.wall_seconds)?;
        // A record whose tier nobody configured has no limits to be held to.
        let tier = policy.tier(principal.tier()).ok_or(Denial::Unavailable)?;
        let account = Account::of(principal.key(), tier.limits(&principal.record().limits));
        let principal = self.principal.insert(principal);
        let cost = Cost {
            requests: 1,
            tokens: 0,
        };
        let reservation = ledger::reserve(store, account, cost, now.monotonic)
            .map_err(|refused| not_reserved(refused, principal))?;
        self.decision = "allowed";
        Ok(Some(reservation))
    }

    /// What to change in the head of the answer, whoever gives it: the upstream's own limits are not
    /// the client's, and its account is not either.
    #[must_use]
    pub fn respond(&self, head: &Head<'_>) -> HeadEdits {
        let mut edits = HeadEdits::default();
        if !matches!(self.phase, Phase::Forwarded(_)) {
            return edits;
        }
        let foreign = |name: &&[u8]| {
            name.starts_with(b"x-ratelimit-")
                || name.starts_with(b"anthropic-ratelimit-")
                || matches!(*name, b"openai-organization" | b"openai-project")
        };
        for name in head.names().filter(foreign) {
            if !edits.remove.iter().any(|known| **known == *name) {
                edits.remove.push(name.into());
            }
        }
        if let Some(standings) = &self.standings {
            edits.set.extend(rate_limit_headers(standings));
        }
        edits
    }

    /// Settles what is owed, once, however the stream ended.
    pub fn finish(&mut self, store: &impl CounterStore, now: Now) {
        let ended = std::mem::replace(&mut self.phase, Phase::Settled);
        if let Phase::Forwarded(Some(reservation)) = ended {
            let tokens = reservation.tokens();
            // A store that fails keeps the reservation charged, which errs on the safe side.
            let _ = reservation.settle(store, tokens, now.monotonic);
        }
    }

    /// The decision's name in logs and metrics.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        self.decision
    }

    /// Who it is attributed to, once authenticated.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// The model that was checked.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// What must stand in the log in place of the request's target, which holds a key.
    #[must_use]
    pub fn logged_target(&self) -> Option<&str> {
        self.logged_target.as_deref()
    }
}

fn not_reserved(refused: NotReserved, principal: &Principal) -> Denial {
    match refused {
        NotReserved::Store => Denial::Unavailable,
        NotReserved::Limit {
            dimension,
            exceeded,
            requested,
            standings,
        } => Denial::Limit(Box::new(LimitHit {
            key: principal.key().clone(),
            team: principal.team().clone(),
            dimension,
            exceeded,
            requested,
            standings,
        })),
    }
}

fn check_method(method: &[u8]) -> Result<(), Denial> {
    if METHODS.split(", ").any(|m| m.as_bytes() == method) {
        return Ok(());
    }
    Err(Denial::Method {
        method: printable(method),
    })
}

/// `h2c` asks for another HTTP version only, and Envoy ignores it.
fn is_upgrade(head: &Head<'_>) -> bool {
    head.get(":protocol").is_some()
        || head
            .all("upgrade")
            .any(|v| !v.trim_ascii().eq_ignore_ascii_case(b"h2c"))
}

/// An answer to OPTIONS where no CORS filter gave one: allows nothing, and asks for no key.
fn preflight() -> Reply {
    Reply {
        status: 204,
        headers: vec![("allow", METHODS.into())],
        body: String::new(),
        details: "gmtech_preflight",
    }
}

/// At most 200 characters of what a client sent, visible ASCII, keys cut.
fn printable(bytes: &[u8]) -> String {
    let clean = auth::without_keys(bytes);
    let shown = clean.iter().take(200).map(|b| {
        if b.is_ascii_graphic() {
            char::from(*b)
        } else {
            '?'
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests;
