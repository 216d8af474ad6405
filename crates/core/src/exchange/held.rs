//! Whether Envoy may hold what has arrived of a request's body.

use super::{Exchange, Now, Phase, Step};
use crate::auth::Principal;
use crate::denial::Denial;
use crate::holding::{Body, Full, Holding};
use crate::request::BodyError;
use crate::shared::CounterStore;

impl Exchange {
    /// Counts what is held of the body of `stream`, this exchange's number in `holding`. The step that refuses the
    /// request where that is too much; `None` where it may stay, and where nothing is held by now.
    pub fn hold(
        &mut self,
        (holding, stream): (&mut Holding, u32),
        body: Body,
        store: &impl CounterStore,
        now: Now,
    ) -> Option<Step> {
        let principal = match self.phase {
            Phase::Resolving => None,
            Phase::ReadingBody(_) | Phase::Asking(_) => self.principal.as_ref(),
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
            // The flood of one's unknown keys is no reason to say that another's is wrong.
            (Full::Unresolved, _) => Denial::NotReady,
            (Full::All | Full::Key { .. }, _) => Denial::Overloaded,
        };
        Some(self.refuse(&denial, store, now))
    }
}
