//! What answers show of objects: which were made, which are finished, and what they used.

use super::super::{Exchange, Now, Phase};
use crate::config::Policy;
use crate::decision::Decision;
use crate::directory;
use crate::exchange::lookup;
use crate::limiter::{self, Account};
use crate::objects::path::View;
use crate::objects::registry;
use crate::objects::{Kind, Object, ObjectEvent, ObjectId, ObjectNote};
use crate::request::Param;
use crate::shared::CounterStore;
use crate::sync::events::{Label, NamedDecision, UsageEvent};
use crate::usage::{Progress, Shown, TokenKind, Tokens, Usage};

/// The final usage of an object.
#[derive(Debug)]
pub(super) struct Settled {
    id: ObjectId,
    object: Object,
    usage: Usage,
}

impl Exchange {
    /// Stores the objects that the answer shows. It must be called before the bytes are passed on, since a client may
    /// use an id at once.
    pub fn note_objects(&mut self, store: &impl CounterStore) {
        let Phase::Forwarded(Some(forwarded)) = &self.phase else {
            return;
        };
        let Some(shown) = forwarded.answer.shown() else {
            return;
        };
        if !(200..300).contains(&self.status) {
            return;
        }
        let charged = forwarded.reservation.tokens();
        if let (Some(kind), None) = (self.objects.makes, self.objects.made)
            && let Some(id) = made(&shown, self.objects.later)
            && let Some(object) = self.object(kind, charged)
        {
            // If the store fails, the event still reports the object to the key service.
            let _ = registry::note(store, &id, &object);
            self.objects.made = Some(id);
        }
        if let Some((batch, View::Itself, Kind::Batch)) = self.objects.shown
            && shown.itself == Some(batch)
        {
            let owner = self.objects.known.as_deref().cloned();
            for (id, of) in [(shown.output, Some(batch)), (shown.failures, None)] {
                let (Some(id), Some(owner)) = (id, &owner) else {
                    continue;
                };
                if self.objects.found.iter().any(|(known, _)| *known == id) {
                    continue;
                }
                let file = Object {
                    kind: Kind::File,
                    of,
                    work: None,
                    charged: 0,
                    settled: false,
                    ..owner.clone()
                };
                let _ = registry::note(store, &id, &file);
                self.objects.found.push((id, of));
            }
        }
    }

    /// The record of an object that this request makes.
    fn object(&self, kind: Kind, charged: u64) -> Option<Object> {
        let record = self.principal.as_ref()?.record();
        Some(Object {
            key: record.id.clone(),
            team: record.team.clone(),
            tier: record.tier.clone(),
            limits: record.limits.clone(),
            model: self.model.clone(),
            kind,
            of: None,
            work: self.objects.work.filter(|_| kind == Kind::File),
            charged,
            settled: false,
            lineage: record.lineage.clone(),
        })
    }

    /// Stores the final charge of the object that the request made.
    pub(in crate::exchange) fn end_making(
        &mut self,
        usage: &Usage,
        charged: u64,
        store: &impl CounterStore,
    ) {
        if let (Some(id), Some(kind)) = (self.objects.made, self.objects.makes)
            && let Some(object) = self.object(kind, charged)
        {
            let settled = kind.settles() && matches!(usage, Usage::Exact(_));
            let _ = registry::note(store, &id, &Object { settled, ..object });
            self.objects.made_settled = settled;
        }
    }

    /// The usage to charge for work that finishes later: at least the estimated prompt and the reserved output.
    pub(in crate::exchange) fn foreseen(&self, usage: Usage, prompt: u64, reserved: u64) -> Usage {
        match usage {
            Usage::LowerBound(seen) | Usage::Estimated(seen) if self.objects.later.is_some() => {
                let output = seen.output().max(reserved.saturating_sub(prompt));
                let input = seen.input().max(prompt);
                Usage::Estimated(
                    seen.with(TokenKind::Input, input)
                        .with(TokenKind::Output, output),
                )
            }
            usage => usage,
        }
    }

    /// Settles the object that the request was shown, if it is finished and not settled yet.
    pub(in crate::exchange) fn end_showing(
        &mut self,
        shown: &Shown,
        usage: Usage,
        lines: bool,
        store: &impl CounterStore,
        now: Now,
    ) {
        if !(200..300).contains(&self.status) {
            return;
        }
        let Some((id, view, kind)) = self.objects.shown else {
            return;
        };
        let used = match view {
            View::Lines if lines => settled_by(usage),
            View::Itself if shown.itself == Some(id) => match kind {
                Kind::Batch => batch_used(shown, usage),
                _ => used(shown, usage),
            },
            View::Outcome => settled_by(usage),
            View::Itself | View::Lines | View::Part => None,
        };
        let Some(usage) = used.filter(|_| kind.settles() || view == View::Lines) else {
            return;
        };
        let known = self.objects.known.as_deref().cloned();
        let Some(object) = known.or_else(|| self.object(kind, 0)) else {
            return;
        };
        let id = object.of.unwrap_or(id);
        if object.settled || registry::settle(store, &id) == Ok(false) && object.of.is_none() {
            return;
        }
        if kind != Kind::Batch && object.of.is_none() {
            charge_maker(&object, &usage, &self.policy, store, now);
        }
        self.objects.settled = Some(Box::new(Settled { id, object, usage }));
    }

    /// The note about the object that the request has made, for the request's own event.
    pub(in crate::exchange) fn object_note(&self) -> Option<ObjectNote> {
        let (id, kind) = (self.objects.made?, self.objects.makes?);
        Some(ObjectNote::Made {
            id,
            kind,
            work: self.objects.work.filter(|_| kind == Kind::File),
            settled: self.objects.made_settled,
        })
    }

    /// The events about objects: the final usage of one, and the files that its answer named.
    pub(in crate::exchange) fn object_events(&self, now: Now) -> Vec<UsageEvent> {
        let event = |id, of: &Object, decision, usage, note| UsageEvent {
            id,
            key: of.key.clone(),
            team: of.team.clone(),
            tier: of.tier.clone(),
            model: of.model.clone(),
            endpoint: Label::clip(&self.logged_path),
            decision: NamedDecision::Known(decision),
            status: self.status,
            duration_ms: 0,
            started_unix_ms: now.wall_millis,
            usage,
            requests: 1,
            object: Some(note),
            request_id: self.request_id(),
            endpoint_group: self.endpoint_group(),
        };
        let nothing = Usage::Exact(Tokens::default());
        let mut events = Vec::new();
        if let Some(owner) = &self.objects.known {
            events.extend(self.objects.found.iter().map(|(id, of)| {
                let note = ObjectNote::Found { id: *id, of: *of };
                event(
                    id.event(ObjectEvent::Found),
                    owner,
                    Decision::Found,
                    nothing,
                    note,
                )
            }));
        }
        events.extend(self.objects.settled.as_ref().map(|settled| {
            let Settled { id, object, usage } = &**settled;
            let note = ObjectNote::Settled { id: *id };
            event(
                id.event(ObjectEvent::Settled),
                object,
                Decision::Settled,
                *usage,
                note,
            )
        }));
        events
    }
}

/// The id of the object that an answer creates.
fn made(shown: &Shown, later: Option<Param>) -> Option<ObjectId> {
    match later {
        Some(Param::Deferred) => shown.deferred.or(shown.itself),
        _ => shown.itself,
    }
}

fn settled_by(usage: Usage) -> Option<Usage> {
    matches!(usage, Usage::Exact(_)).then_some(usage)
}

/// The final usage of a response or completion, if it is known. Work that failed before it began has used nothing. Work
/// that was cancelled without a count keeps its estimate.
fn used(shown: &Shown, usage: Usage) -> Option<Usage> {
    match (shown.progress, usage) {
        (Some(Progress::UnderWay), _) => None,
        (Some(Progress::Failed), Usage::LowerBound(seen))
            if seen.is_zero() || (seen.input() > 0 && seen.output() > 0) =>
        {
            Some(usage)
        }
        (_, Usage::Exact(_)) => Some(usage),
        _ => None,
    }
}

/// The final usage of a batch that has ended: as it reports itself, or zero if it has no answers. Otherwise `None`: its
/// file of answers gives the sum.
fn batch_used(shown: &Shown, usage: Usage) -> Option<Usage> {
    match shown.progress? {
        Progress::UnderWay => None,
        Progress::Done | Progress::Failed | Progress::Cancelled => match usage {
            Usage::Exact(seen) if !seen.is_zero() => Some(usage),
            _ if shown.output.is_none() && shown.results.is_none() => {
                Some(Usage::Exact(Tokens::default()))
            }
            _ => None,
        },
    }
}

/// Charges the maker's limit for usage beyond the first charge. If the first charge was too high, the bucket has
/// refilled since.
fn charge_maker(
    object: &Object,
    usage: &Usage,
    policy: &Policy,
    store: &impl CounterStore,
    now: Now,
) {
    let used = policy.metering().weights.charge(usage.tokens());
    let beyond = used.saturating_sub(object.charged);
    if beyond == 0 {
        return;
    }
    // Without the service's state, the configured tier's limits are the best estimate.
    let state = directory::state(store).unwrap_or_default();
    if let Ok(Some(tier)) = lookup::tier(&object.tier, policy, store, &state) {
        let account = Account::of(object.account(), tier.limits(&object.limits));
        let _ = limiter::charge_debt(store, &account, beyond, now.monotonic);
    }
}
