//! Checks a held request body against the bounds.

use super::{Exchange, Now, Phase, Step};
use crate::auth::Principal;
use crate::denial::Denial;
use crate::holding::{Body, Full, Holding};
use crate::request::BodyError;
use crate::shared::CounterStore;

impl Exchange {
    /// Counts the held part of the body in `holding`, under the number `stream`. Returns the step that refuses the
    /// request if a bound is exceeded; `None` if the body fits, or if the request no longer holds a body.
    pub fn hold(
        &mut self,
        (holding, stream): (&mut Holding, u32),
        body: Body,
        store: &impl CounterStore,
        now: Now,
    ) -> Option<Step> {
        let principal = match self.phase {
            Phase::Resolving => None,
            Phase::ReadingBody(_) | Phase::Asking(_) | Phase::AskingOwn => self.principal.as_ref(),
            Phase::Forwarded(_) | Phase::Refused | Phase::Settled => return None,
        };
        let bounds = self.policy.bodies();
        let owner = principal.map(Principal::account);
        let full = holding.hold(stream, owner, body, bounds).err()?;
        let denial = match (full, principal) {
            (Full::Body, _) => Denial::Body(BodyError::TooLarge(bounds.per_body)),
            (Full::Key { used }, Some(principal)) => Denial::BodiesOfKey {
                key: principal.key().clone(),
                team: principal.team().clone(),
                limit: bounds.per_key,
                used,
                requested: body.arrived.max(body.announced.unwrap_or(0)),
            },
            // Another client's flood of unknown keys does not show that this key is wrong, so the answer is a retryable
            // 503.
            (Full::Unresolved, _) => Denial::NotReady,
            (Full::All | Full::Key { .. }, _) => Denial::Overloaded,
        };
        Some(self.refuse(&denial, store, now))
    }
}
