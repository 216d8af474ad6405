//! Why a cost was not reserved.

use super::cell::{CellStanding, LimitSnapshot};
use super::charge::Refused;
use super::counter::Counter;
use crate::limiter::gcra::Exceeded;

/// Why a cost was not reserved. Nothing was spent by a refusal of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReserved {
    /// A limit refused it.
    Limit(Box<Refusal>),
    /// The store failed.
    Store,
}

/// A limit that refused. If several refuse, it is the one with the longest wait, since a client that waits less is
/// refused again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The limit and its standing.
    pub standing: CellStanding,
    /// The wait, or that no wait helps.
    pub exceeded: Exceeded,
    /// The units that the request needed of that limit.
    pub requested: u64,
    /// All limits at that instant.
    pub snapshot: LimitSnapshot,
}

/// Collects the standings and refusals of an account's counters.
#[derive(Default)]
pub(super) struct Refusals<'a> {
    longest: Option<(&'a Counter, Refused)>,
    snapshot: LimitSnapshot,
}

impl<'a> Refusals<'a> {
    /// Adds the standing of one counter, and its refusal, if it refuses.
    pub(super) fn add(
        &mut self,
        counter: &'a Counter,
        refused: Option<Refused>,
        snapshot: LimitSnapshot,
    ) {
        self.snapshot = self.snapshot.tighter(snapshot);
        let known = self.longest.as_ref().map(|(_, known)| known.wait());
        if let Some(refused) = refused
            && known.is_none_or(|known| refused.wait() > known)
        {
            self.longest = Some((counter, refused));
        }
    }
}

impl From<Refusals<'_>> for NotReserved {
    fn from(refusals: Refusals<'_>) -> Self {
        let limit = refusals.longest.and_then(|(counter, refused)| {
            Some(Refusal {
                standing: counter.standing(refused.dimension, &refused.snapshot)?,
                exceeded: refused.exceeded,
                requested: refused.requested,
                snapshot: refusals.snapshot,
            })
        });
        limit.map_or(Self::Store, |refusal| Self::Limit(Box::new(refusal)))
    }
}
