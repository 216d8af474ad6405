//! The answer: edits of its head, and the metering of its body.

use super::{Exchange, Forwarded, Phase};
use super::{models, permission};
use crate::attribution;
use crate::head::{Head, HeadEdits};
use crate::request::EndpointKind;
use crate::usage::{
    Ending, LinesMeter, MeterPlan, Output, ResponseFacts, ResponseMeter, Shown, Unread, Usage,
};

/// How to handle an answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// What to change in its head.
    pub head: HeadEdits,
    /// Whether to hold the answer until its body is complete, for [`Exchange::listed_models`].
    pub hold: bool,
}

/// The state of the answer to a forwarded request.
#[derive(Debug)]
pub(super) enum AnswerState {
    /// The head has not arrived.
    Awaited,
    /// The body is metered.
    Metered(Box<ResponseMeter>),
    /// The body is a batch's answers, whose lines are summed.
    Lines(Box<LinesMeter>),
    /// The body is not read.
    Unmetered,
    /// The answer has ended.
    Done(Known),
}

/// The result of a meter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) usage: Usage,
    /// Why its usage was not read, if it was not.
    pub(super) unread: Option<Unread>,
    /// The objects that the answer showed.
    pub(super) shown: Shown,
    /// Whether the lines of a batch's answers were summed.
    pub(super) lines: bool,
}

impl AnswerState {
    /// The objects that the answer has shown so far.
    pub(super) fn shown(&self) -> Option<Shown> {
        match self {
            Self::Metered(meter) => Some(meter.shown()),
            Self::Done(known) => Some(known.shown),
            Self::Awaited | Self::Lines(_) | Self::Unmetered => None,
        }
    }
}

impl Exchange {
    /// Decides how to handle the answer with this head, from the upstream or the gate. Headers about the upstream's
    /// limits and account are removed, since they are not the client's.
    pub fn response_head(&mut self, head: &Head<'_>) -> Answer {
        let facts = ResponseFacts {
            status: status(head),
            content_type: head.get("content-type"),
            content_encoding: head.get("content-encoding"),
        };
        self.status = facts.status;
        let mut answer = Answer::default();
        if self.degraded {
            answer
                .head
                .set
                .push((attribution::DEGRADED, "key-service".into()));
        }
        answer.hold = (200..300).contains(&facts.status) && self.lists_models_in_part();
        let Phase::Forwarded(forwarded) = &mut self.phase else {
            return answer;
        };
        answer.head.remove = upstream_headers(head);
        if let Some((snapshot, wall_millis)) = &self.snapshot {
            let limits = self.audience.dialect.limit_headers(snapshot, *wall_millis);
            answer.head.set.extend(limits);
        }
        let Some(forwarded) = forwarded else {
            return answer;
        };
        let Some(plan) = plan(forwarded) else {
            forwarded.answer = match self.objects.lines(facts.status) {
                Some(lines) => AnswerState::Lines(Box::new(lines)),
                None if self.objects.reads_answer() => {
                    let meter = ResponseMeter::new(&facts, MeterPlan::default());
                    AnswerState::Metered(Box::new(meter))
                }
                None => AnswerState::Unmetered,
            };
            return answer;
        };
        let meter = ResponseMeter::new(&facts, plan);
        if meter.may_shorten() {
            answer.head.remove.push(b"content-length".as_slice().into());
        }
        forwarded.answer = AnswerState::Metered(Box::new(meter));
        answer
    }

    /// Whether the answer is a list of models that the key may see only in part. Such a list must not pass unfiltered,
    /// even after a failure.
    #[must_use]
    pub fn lists_models_in_part(&self) -> bool {
        let restricted = |p| permission::is_restricted(p);
        matches!(&self.phase, Phase::Forwarded(Some(f)) if f.kind == EndpointKind::Models)
            && self.principal.as_ref().is_some_and(restricted)
    }

    /// Reports that the host failed to deliver the answer's head and passes it on. The first byte of the body then
    /// decides how the body is metered.
    pub fn response_head_lost(&mut self) {
        let Phase::Forwarded(Some(forwarded)) = &mut self.phase else {
            return;
        };
        if let (AnswerState::Awaited, Some(plan)) = (&forwarded.answer, plan(forwarded)) {
            let facts = ResponseFacts {
                status: 200,
                ..ResponseFacts::default()
            };
            let plan = MeterPlan {
                drop_usage_event: false,
                ..plan
            };
            forwarded.answer = AnswerState::Metered(Box::new(ResponseMeter::new(&facts, plan)));
        }
    }

    /// Reports that the host failed to deliver `bytes` of the answer's body and passes them on.
    pub fn response_body_lost(&mut self, bytes: usize) {
        let Phase::Forwarded(Some(forwarded)) = &mut self.phase else {
            return;
        };
        match &mut forwarded.answer {
            AnswerState::Metered(meter) => meter.lose(bytes),
            // A sum with a missing line is not valid. The next request that reads the answers settles the batch.
            AnswerState::Lines(_) => forwarded.answer = AnswerState::Unmetered,
            AnswerState::Awaited | AnswerState::Unmetered | AnswerState::Done(_) => {}
        }
    }

    /// Whether the answer's body must be passed to [`Self::response_body`].
    #[must_use]
    pub fn meters_answer(&self) -> bool {
        matches!(&self.phase, Phase::Forwarded(Some(f))
            if matches!(f.answer, AnswerState::Metered(_) | AnswerState::Lines(_)))
    }

    /// Meters the next bytes of the answer. `ends` if these are the last.
    pub fn response_body(&mut self, chunk: &[u8], ends: bool) -> Output {
        let Phase::Forwarded(Some(forwarded)) = &mut self.phase else {
            return Output::Unchanged;
        };
        let out = match &mut forwarded.answer {
            AnswerState::Metered(meter) => meter.push(chunk),
            AnswerState::Lines(lines) => {
                lines.push(chunk);
                Output::Unchanged
            }
            AnswerState::Awaited | AnswerState::Unmetered | AnswerState::Done(_) => {
                return Output::Unchanged;
            }
        };
        if !ends {
            return out;
        }
        let tail = self.response_ends();
        if tail.is_empty() {
            return out;
        }
        let passed = match out {
            Output::Unchanged => chunk.to_vec(),
            Output::Replaced(bytes) => bytes,
        };
        Output::Replaced([passed, tail].concat())
    }

    /// Ends the metering of an answer, at its last byte or at its trailers. Returns bytes that were held back and must
    /// still be sent.
    pub fn response_ends(&mut self) -> Vec<u8> {
        let Phase::Forwarded(Some(forwarded)) = &mut self.phase else {
            return Vec::new();
        };
        match std::mem::replace(&mut forwarded.answer, AnswerState::Unmetered) {
            AnswerState::Metered(meter) => {
                let (known, tail) = Known::of(*meter, Ending::Complete);
                forwarded.answer = AnswerState::Done(known);
                tail
            }
            AnswerState::Lines(lines) => {
                forwarded.answer = AnswerState::Done(Known::of_lines(*lines, Ending::Complete));
                Vec::new()
            }
            other => {
                forwarded.answer = other;
                Vec::new()
            }
        }
    }

    /// Filters the upstream's list of models by what the key may use; `None` if `body` is not such a list.
    #[must_use]
    pub fn listed_models(&self, body: &[u8]) -> Option<Vec<u8>> {
        models::filter(body, self.principal.as_ref()?)
    }
}

/// The plan for the meter; `None` if no tokens are charged.
fn plan(forwarded: &Forwarded) -> Option<MeterPlan> {
    let prompt_estimate = forwarded.prompt_estimate?;
    let reserved = forwarded.reservation.tokens();
    Some(MeterPlan {
        prompt_estimate,
        output_estimate: reserved.saturating_sub(prompt_estimate),
        generates: forwarded.kind.generates(),
        drop_usage_event: forwarded.asked_for_usage,
    })
}

impl Known {
    /// Returns the result of a meter, and the bytes that it held back.
    pub(super) fn of(meter: ResponseMeter, ending: Ending) -> (Self, Vec<u8>) {
        let shown = meter.shown();
        let metered = meter.finish(ending);
        let known = Self {
            usage: metered.usage,
            unread: metered.unread,
            shown,
            lines: false,
        };
        (known, metered.tail)
    }

    /// Returns the result of summed lines.
    pub(super) fn of_lines(lines: LinesMeter, ending: Ending) -> Self {
        Self {
            usage: lines.finish(ending == Ending::Complete),
            unread: None,
            shown: Shown::default(),
            lines: true,
        }
    }
}

fn status(head: &Head<'_>) -> u16 {
    let digits = head
        .get(":status")
        .and_then(|s| std::str::from_utf8(s).ok());
    digits.and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// Headers about the upstream's limits and account.
fn upstream_headers(head: &Head<'_>) -> Vec<Box<[u8]>> {
    let is_foreign = |name: &&[u8]| {
        name.starts_with(b"x-ratelimit-")
            || name.starts_with(b"anthropic-ratelimit-")
            || matches!(*name, b"openai-organization" | b"openai-project")
    };
    let mut names: Vec<Box<[u8]>> = Vec::new();
    for name in head.names().filter(is_foreign) {
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    names
}
