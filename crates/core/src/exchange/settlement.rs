//! The end: whatever happened, what was held becomes what was used.

use super::{AnswerState, Exchange, Forwarded, Known, Now, Phase};
use crate::decision::Decision;
use crate::output_forecast::{self, Lesson};
use crate::request::EndpointGroup;
use crate::shared::CounterStore;
use crate::sync::events::{Label, UsageEvent};
use crate::usage::{Ending, Shown, Tokens, Usage};

/// What a request came to, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What was used, and how that is known.
    pub usage: Usage,
    /// Tokens charged against the limit, by weight.
    pub charged: u64,
    /// Tokens that had been reserved.
    pub reserved: u64,
    /// The prompt as it had been estimated.
    pub prompt_estimate: u64,
    /// Whether a content encoding hid the usage.
    pub hidden_by_encoding: bool,
}

/// What is left of a request that is over.
#[derive(Debug, Default)]
pub struct Ended {
    /// What it came to; `None` where no tokens were at stake, and where it was settled before.
    pub settlement: Option<Settlement>,
    /// What the key service is told: the request's own event first, then those of objects. Nothing where the policy has no
    /// service, or where the key is not known.
    pub events: Vec<UsageEvent>,
}

impl Exchange {
    /// Ends the exchange, however its stream ended: settles what is owed, once, and tells what the key service is to know.
    /// `id` is that of the request's own event.
    pub fn end(&mut self, id: [u8; 16], store: &impl CounterStore, now: Now) -> Ended {
        if matches!(self.phase, Phase::Settled) {
            return Ended::default();
        }
        let settlement = self.finish(store, now);
        let mut events = Vec::new();
        if self.policy.service().is_some()
            && let Some(event) = self.usage_event(id, settlement.as_ref(), now)
        {
            events.push(event);
            events.extend(self.object_events(now));
        }
        Ended { settlement, events }
    }

    /// Settles what is owed, once. `None` where no tokens were at stake.
    pub(super) fn finish(&mut self, store: &impl CounterStore, now: Now) -> Option<Settlement> {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Forwarded(Some(forwarded)) => self.settle(*forwarded, store, now),
            Phase::ReadingBody(_) | Phase::Asking(_) => {
                // The client left, or Envoy refused a body that was too large: it was a request all the same.
                self.decision = Decision::Incomplete;
                self.end_admission(true, store, now);
                None
            }
            Phase::Resolving => {
                self.decision = Decision::Incomplete;
                None
            }
            Phase::Forwarded(None) | Phase::Refused | Phase::Settled => None,
        }
    }

    /// The request as the key service's ledger is told of it: every request of a known key.
    pub(super) fn usage_event(
        &self,
        id: [u8; 16],
        settlement: Option<&Settlement>,
        now: Now,
    ) -> Option<UsageEvent> {
        let record = self.attributed()?;
        let started = self.started;
        let millis = now.monotonic.saturating_sub(started.monotonic) / 1_000_000;
        Some(UsageEvent {
            id,
            key: record.id.clone(),
            team: record.team.clone(),
            tier: record.tier.clone(),
            model: self.model.clone(),
            endpoint: Label::clip(&self.logged_path),
            decision: self.decision.into(),
            status: self.status,
            duration_ms: u32::try_from(millis).unwrap_or(u32::MAX),
            started_unix_ms: started.wall_millis,
            usage: settlement.map_or(Usage::Exact(Tokens::default()), |s| s.usage),
            requests: 1,
            object: self.object_note(),
            request_id: self.request_id(),
            endpoint_group: self.endpoint_group(),
        })
    }

    /// The id under which Envoy logs the request, for its event.
    pub(super) fn request_id(&self) -> Label {
        Label::clip(self.audience.request_id.as_deref().unwrap_or_default())
    }

    /// The group of endpoints that was called, for its event.
    pub(super) fn endpoint_group(&self) -> Label {
        Label::clip(self.group.map_or("", EndpointGroup::name))
    }

    fn settle(
        &mut self,
        forwarded: Forwarded,
        store: &impl CounterStore,
        now: Now,
    ) -> Option<Settlement> {
        let Forwarded {
            reservation,
            prompt_estimate,
            choices,
            cap,
            usual_output,
            answer,
            ..
        } = forwarded;
        let reserved = reservation.tokens();
        let answered = match answer {
            AnswerState::Done(known) => Some(known),
            AnswerState::Metered(meter) => Some(Known::of(*meter, Ending::Cut).0),
            AnswerState::Lines(lines) => Some(Known::of_lines(*lines, Ending::Cut)),
            AnswerState::Awaited | AnswerState::Unmetered => None,
        };
        let Some(prompt_estimate) = prompt_estimate else {
            // A store that fails keeps the reservation charged, which errs on the safe side.
            let _ = reservation.settle(store, 0, now.monotonic);
            return self.settle_objects(answered, store, now);
        };
        let Known {
            usage,
            hidden_by_encoding,
            ..
        } = answered.unwrap_or(Known {
            // The client left before any answer: the upstream has read the prompt.
            usage: Usage::LowerBound(Tokens::of(prompt_estimate, 0)),
            hidden_by_encoding: false,
            shown: Shown::default(),
            lines: false,
        });
        let usage = self.foreseen(usage, prompt_estimate, reserved);
        let charged = self.policy.metering().weights.charge(usage.tokens());
        let _ = reservation.settle(store, charged, now.monotonic);
        self.end_making(&usage, charged, store);
        let output = usage.tokens().output();
        // An estimate may be the reservation itself, and teaches nothing.
        if let (Usage::Exact(_) | Usage::LowerBound(_), Some(principal), Some(model)) =
            (&usage, &self.principal, &self.model)
            && output > 0
        {
            let lesson = Lesson {
                output: output.checked_div(choices).unwrap_or(output),
                whole: matches!(usage, Usage::Exact(_)),
                cap,
                usual: usual_output,
            };
            let _ = output_forecast::learn(store, principal.account(), model, &lesson);
        }
        Some(Settlement {
            usage,
            charged,
            reserved,
            prompt_estimate,
            hidden_by_encoding,
        })
    }

    /// A request that costs no tokens of its own: it may have made a batch, or been shown what an object has used.
    fn settle_objects(
        &mut self,
        answered: Option<Known>,
        store: &impl CounterStore,
        now: Now,
    ) -> Option<Settlement> {
        if let Some(known) = &answered {
            self.end_showing(&known.shown, known.usage, known.lines, store, now);
        }
        let batch = self.objects.batch_tokens()?;
        // Without an answer nobody knows whether the batch was made: it is taken for made.
        let made = self.status == 0 || (200..300).contains(&self.status);
        made.then_some(Settlement {
            usage: Usage::Estimated(batch),
            charged: 0,
            reserved: 0,
            prompt_estimate: batch.input(),
            hidden_by_encoding: false,
        })
    }
}
