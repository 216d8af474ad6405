//! The end of an exchange: settles the reservation by the actual usage, however the stream ended.

use super::{AnswerState, Exchange, Forwarded, Known, Now, Phase};
use crate::decision::Decision;
use crate::output_forecast::{self, Sample};
use crate::request::EndpointGroup;
use crate::shared::CounterStore;
use crate::sync::events::{Label, UsageEvent};
use crate::usage::{Ending, Shown, Tokens, Unread, Usage};

/// The usage and charge of a request, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The usage, with its source.
    pub usage: Usage,
    /// Tokens charged against the limit, by weight.
    pub charged: u64,
    /// Tokens that had been reserved.
    pub reserved: u64,
    /// The estimate of the prompt, in tokens.
    pub prompt_estimate: u64,
    /// Why the usage was not read, if it was not: the answer is charged by what passed.
    pub unread: Option<Unread>,
}

/// The result of a request that has ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Its usage and charge; `None` if no tokens were charged, or if it was settled before.
    pub settlement: Option<Settlement>,
    /// The events for the key service: the request's own first, then those about objects. Empty if the policy has no
    /// service, or if the key is not known.
    pub events: Vec<UsageEvent>,
}

impl Exchange {
    /// Ends the exchange, however its stream ended: settles the reservation, once, and returns the events for the key
    /// service. `id` is the id of the request's own event.
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

    /// Settles the reservation, once. `None` if no tokens were charged.
    pub(super) fn finish(&mut self, store: &impl CounterStore, now: Now) -> Option<Settlement> {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Forwarded(Some(forwarded)) => self.settle(*forwarded, store, now),
            Phase::ReadingBody(_) | Phase::Asking(_) => {
                // The client left, or Envoy refused a body that is too large. It counts as a request.
                self.decision = Decision::Incomplete;
                self.end_admission(true, store, now);
                None
            }
            Phase::Resolving | Phase::AskingOwn => {
                self.decision = Decision::Incomplete;
                None
            }
            Phase::Forwarded(None) | Phase::Refused | Phase::Settled => None,
        }
    }

    /// The usage event of the request; `None` if the key is not known.
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

    /// The request's `x-request-id`, for its event.
    pub(super) fn request_id(&self) -> Label {
        Label::clip(self.audience.request_id.as_deref().unwrap_or_default())
    }

    /// The group of the endpoint, for its event.
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
            // If the store fails, the reservation stays charged.
            let _ = reservation.settle(store, 0, now.monotonic);
            return self.settle_objects(answered, store, now);
        };
        let Known { usage, unread, .. } = answered.unwrap_or(Known {
            // The client left before any answer, but the upstream has read the prompt.
            usage: Usage::LowerBound(Tokens::of(prompt_estimate, 0)),
            unread: None,
            shown: Shown::default(),
            lines: false,
        });
        let usage = self.foreseen(usage, prompt_estimate, reserved);
        let charged = self.policy.metering().weights.charge(usage.tokens());
        let _ = reservation.settle(store, charged, now.monotonic);
        self.end_making(&usage, charged, store);
        let output = usage.tokens().output();
        // An estimate may be derived from the reservation itself, so the forecast does not use it.
        if let (Usage::Exact(_) | Usage::LowerBound(_), Some(principal), Some(model)) =
            (&usage, &self.principal, &self.model)
            && output > 0
        {
            let sample = Sample {
                output: output.checked_div(choices).unwrap_or(output),
                whole: matches!(usage, Usage::Exact(_)),
                cap,
                usual: usual_output,
            };
            let _ = output_forecast::learn(store, principal.account(), model, &sample);
        }
        Some(Settlement {
            usage,
            charged,
            reserved,
            prompt_estimate,
            unread,
        })
    }

    /// Settles a request that costs no tokens itself. It may have made a batch, or been shown the usage of an object.
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
        // Without an answer it is not known whether the batch was made. It counts as made.
        let made = self.status == 0 || (200..300).contains(&self.status);
        made.then_some(Settlement {
            usage: Usage::Estimated(batch),
            charged: 0,
            reserved: 0,
            prompt_estimate: batch.input(),
            unread: None,
        })
    }
}
