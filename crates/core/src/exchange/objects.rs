//! Objects that the provider keeps, on the way of one request: whose they are, which one it makes, and what one that
//! was made earlier has used.
//!
//! # What is charged when
//! The request that makes an object is charged what it has used, or for work that finishes elsewhere the estimate. Whoever's
//! request is shown the object later, once it is finished, settles it: an event of the object's own, in its maker's
//! name, tells the key service all that it used, which books the difference once. What the maker's limit was not charged is
//! charged then, once in this process. A batch is money only: providers hold batches to limits of their own.
//!
//! # Failure policy
//! An object of another team, or one that nobody is known to have made, is not found. Where the key service does not
//! answer, that is a 503.

use super::admission::COMPLETIONS_OUTPUT;
use super::{Exchange, Now, Phase, Step};
use crate::auth::Principal;
use crate::config::Policy;
use crate::denial::Denial;
use crate::directory::turns;
use crate::head::HeadEdits;
use crate::ledger::{self, Account, CounterStore};
use crate::model::ModelId;
use crate::objects::path::{Place, View};
use crate::objects::registry::{self, Found};
use crate::objects::{BatchWork, Kind, Object, ObjectId, ObjectNote, Told};
use crate::request::{
    BatchFault, Batched, BodyError, Endpoint, EndpointGroup, EndpointKind, Names, Param,
    RequestFacts,
};
use crate::sync::events::{Label, UsageEvent};
use crate::usage::{LinesMeter, Progress, Shown, Tokens, Usage};

/// A request that waits for the key service to say whose its objects are.
#[derive(Debug)]
pub(super) struct Asking {
    endpoint: Endpoint,
    facts: Option<RequestFacts>,
    head: HeadEdits,
    asked: Vec<ObjectId>,
}

impl Asking {
    /// Nothing has been asked yet.
    pub(super) fn new(endpoint: Endpoint, facts: Option<RequestFacts>, head: HeadEdits) -> Self {
        Self {
            endpoint,
            facts,
            head,
            asked: Vec::new(),
        }
    }
}

/// What a request does with objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// What its answer may name as made.
    makes: Option<Kind>,
    /// The object that it is shown.
    shown: Option<(ObjectId, View, Kind)>,
    /// That object, where it is known.
    known: Option<Box<Object>>,
    /// What the batch that it makes, or the file that it uploads, will do.
    work: Option<BatchWork>,
    /// The work that it begins finishes elsewhere.
    pub(super) later: Option<Param>,
    /// The model of that batch.
    batch_model: Option<ModelId>,
    /// What it has made.
    made: Option<ObjectId>,
    /// What it has made will use no more.
    made_settled: bool,
    /// What else its answer has named.
    found: Vec<(ObjectId, Option<ObjectId>)>,
    /// What the object has used in the end: whose, by which model, how much.
    settled: Option<Box<Settled>>,
}

#[derive(Debug)]
struct Settled {
    id: ObjectId,
    object: Object,
    usage: Usage,
}

impl Objects {
    /// Whether the answer must be read for its objects, though no tokens are at stake.
    pub(super) fn reads_answer(&self) -> bool {
        let shown = matches!(self.shown, Some((_, View::Itself | View::Outcome, _)));
        shown || self.makes.is_some()
    }

    /// The reader of an answer of lines, if that is what is shown and it tells what a batch used.
    pub(super) fn lines(&self, status: u16) -> Option<LinesMeter> {
        let (_, view, kind) = self.shown?;
        let known = self.known.as_ref();
        let of_batch = kind == Kind::Batch || known.is_some_and(|o| o.of.is_some());
        // A part of the answers (206) is not their sum.
        (view == View::Lines && of_batch && status == 200).then(LinesMeter::new)
    }

    /// What the batch will use, where the request makes one.
    pub(super) fn batch_tokens(&self) -> Option<Tokens> {
        let work = self.work.filter(|_| self.makes == Some(Kind::Batch))?;
        Some(work.tokens())
    }
}

impl Exchange {
    /// Judges the objects that a request leads to or names, then goes on to reserve.
    pub(super) fn proceed(
        &mut self,
        asking: Asking,
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        let Asking {
            endpoint,
            facts,
            head,
            asked,
        } = asking;
        let unknown = self.judge_objects(&endpoint, facts.as_ref(), &asked, policy, store, now)?;
        if !unknown.is_empty() {
            self.phase = Phase::Asking(Box::new(Asking {
                endpoint,
                facts,
                head,
                asked: unknown.clone(),
            }));
            return Ok(Step::ResolveObjects(unknown));
        }
        self.judge_making(&endpoint, facts.as_ref(), policy)?;
        self.reserve(&endpoint, facts.as_ref(), head, policy, store, now)
    }

    /// The key service has answered about objects, or failed to; the registry holds what it said.
    pub(super) fn proceed_asked(
        &mut self,
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        match std::mem::replace(&mut self.phase, Phase::Refused) {
            Phase::Asking(asking) => self.proceed(*asking, policy, store, now),
            _ => Err(Denial::Unavailable),
        }
    }

    /// Whether all objects are this team's; those that the key service must be asked about first.
    fn judge_objects(
        &mut self,
        endpoint: &Endpoint,
        facts: Option<&RequestFacts>,
        asked: &[ObjectId],
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Vec<ObjectId>, Denial> {
        let mut unknown = Vec::new();
        match endpoint.objects() {
            Some(Place::List(_)) => {
                return Err(Denial::ObjectList {
                    path: self.logged_path.clone(),
                });
            }
            Some(Place::Object {
                id,
                text,
                kind,
                view,
            }) => {
                self.objects.shown = Some((*id, *view, *kind));
                let denial = || Denial::NoSuchObject {
                    kind: *kind,
                    id: super::printable(text.as_bytes()),
                };
                match self.find(id, asked, policy, store, now)? {
                    Whose::Ours(object) => self.objects.known = object,
                    Whose::NotOurs => return Err(denial()),
                    Whose::Ask => unknown.push(*id),
                }
            }
            Some(Place::Makes(_) | Place::MakesBatch) | None => {}
        }
        for reference in facts.iter().flat_map(|f| &f.references) {
            match self.find(&reference.id, asked, policy, store, now)? {
                Whose::Ours(object) if reference.names == Names::BatchInput => {
                    self.objects.work = object.as_ref().and_then(|o| o.work);
                    self.objects.batch_model = object.and_then(|o| o.model);
                }
                Whose::Ours(_) => {}
                Whose::NotOurs => return Err(Denial::NoSuchReference(reference.names)),
                Whose::Ask if unknown.contains(&reference.id) => {}
                Whose::Ask => unknown.push(reference.id),
            }
        }
        if unknown.is_empty() {
            return Ok(unknown);
        }
        let service = policy.service().ok_or(Denial::Unavailable)?;
        match turns::may_ask(store, &service.resolves, now.monotonic) {
            Ok(true) => Ok(unknown),
            Ok(false) => Err(Denial::NotReady),
            Err(_) => Err(Denial::Unavailable),
        }
    }

    fn find(
        &self,
        id: &ObjectId,
        asked: &[ObjectId],
        policy: &Policy,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Whose, Denial> {
        let team = self.principal.as_ref().map(Principal::team);
        let unowned = if policy.allows_unknown_objects() {
            Whose::Ours(None)
        } else {
            Whose::NotOurs
        };
        let found = registry::find(store, id).map_err(|_| Denial::Unavailable)?;
        Ok(match (found, policy.service()) {
            (Some(Found::Object(object)), _) if Some(&object.team) == team => {
                Whose::Ours(Some(object))
            }
            (Some(Found::Object(_)), _) => Whose::NotOurs,
            (Some(Found::Nobodys { asked_at }), Some(service))
                if asked.contains(id)
                    || now.monotonic.saturating_sub(asked_at) < service.unknown_for =>
            {
                unowned
            }
            // Asked, and nothing learned: the service gave no answer.
            (_, Some(_)) if asked.contains(id) => return Err(Denial::NotReady),
            (_, Some(_)) => Whose::Ask,
            (_, None) => unowned,
        })
    }

    /// What the request makes, and whether it may.
    fn judge_making(
        &mut self,
        endpoint: &Endpoint,
        facts: Option<&RequestFacts>,
        policy: &Policy,
    ) -> Result<(), Denial> {
        if let Some(param) = facts.and_then(|f| f.later) {
            if !policy.is_open(EndpointGroup::Background) {
                return Err(Denial::Body(BodyError::Later(param)));
            }
            self.objects.later = Some(param);
        }
        let makes = endpoint.objects().and_then(Place::makes);
        let batched = facts.and_then(|f| f.batched.as_ref());
        match (makes, endpoint.objects()) {
            (Some(Kind::Batch), Some(Place::MakesBatch)) => {
                let batched = batched.ok_or(Denial::Body(batch(BatchFault::Empty)))?;
                self.judge_batch(batched, EndpointKind::Messages, policy)?;
            }
            (Some(Kind::Batch), _) => {
                let model = self.objects.batch_model.take();
                let (Some(model), Some(_)) = (model, self.objects.work) else {
                    return Err(Denial::Body(batch(BatchFault::Unjudged)));
                };
                // The file may have been uploaded by a key that may use more.
                self.check_model(model, policy)?;
            }
            (Some(Kind::File), _) => {
                if let Some(batched) = batched {
                    let kind = self.batch_endpoint(batched, policy)?;
                    self.judge_batch(batched, kind, policy)?;
                }
            }
            // A batch of another form, whose requests nobody has judged.
            (None, None) if endpoint.group() == EndpointGroup::Batches && facts.is_some() => {
                return Err(Denial::UnknownUrl {
                    method: "POST".into(),
                    path: self.logged_path.clone(),
                });
            }
            _ => {}
        }
        let kept = facts.and_then(|f| f.store);
        self.objects.makes = makes.filter(|kind| match kind {
            Kind::Response => kept != Some(false) || self.objects.later.is_some(),
            Kind::Completion => kept == Some(true) || self.objects.later.is_some(),
            Kind::Batch | Kind::File | Kind::Other => true,
        });
        Ok(())
    }

    /// Where the requests of a batch's file go.
    fn batch_endpoint(&self, batched: &Batched, policy: &Policy) -> Result<EndpointKind, Denial> {
        use EndpointKind as K;
        let url = batched.url.as_deref().unwrap_or_default();
        let endpoint = Endpoint::new(b"POST", url.as_bytes()).map_err(Denial::Body)?;
        let fits = matches!(
            endpoint.kind(),
            K::ChatCompletions | K::Completions | K::Embeddings | K::Responses | K::Moderations
        );
        if fits && endpoint.path_model().is_none() && policy.is_open(endpoint.group()) {
            Ok(endpoint.kind())
        } else {
            Err(Denial::Body(batch(BatchFault::Endpoint)))
        }
    }

    fn judge_batch(
        &mut self,
        batched: &Batched,
        kind: EndpointKind,
        policy: &Policy,
    ) -> Result<(), Denial> {
        let model = batched.model.clone();
        let model = model.ok_or(Denial::Body(batch(BatchFault::NoModel)))?;
        self.check_model(model, policy)?;
        let each = match kind {
            EndpointKind::Completions => COMPLETIONS_OUTPUT,
            _ => policy.metering().default_output,
        };
        let answers = match kind {
            EndpointKind::Embeddings | EndpointKind::Moderations => 0,
            _ => batched
                .capped_output
                .saturating_add(batched.uncapped.saturating_mul(each)),
        };
        self.objects.work = Some(BatchWork {
            requests: batched.requests,
            input: batched.input,
            output: answers,
        });
        Ok(())
    }

    /// Notes what the answer shows, before any of it is passed on: whoever reads an id may ask for it at once.
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
            // Where the store fails, the key service still learns of it by the event.
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

    /// An object that this request makes.
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
        })
    }

    /// The request that made an object has ended with this usage.
    pub(super) fn end_making(&mut self, usage: &Usage, charged: u64, store: &impl CounterStore) {
        if let (Some(id), Some(kind)) = (self.objects.made, self.objects.makes)
            && let Some(object) = self.object(kind, charged)
        {
            let settled = kind.settles() && matches!(usage, Usage::Exact(_));
            let _ = registry::note(store, &id, &Object { settled, ..object });
            self.objects.made_settled = settled;
        }
    }

    /// What the usage of a request that began work elsewhere is taken for: what it may come to.
    pub(super) fn foreseen(&self, usage: Usage, prompt: u64, reserved: u64) -> Usage {
        match usage {
            Usage::LowerBound(seen) | Usage::Estimated(seen) if self.objects.later.is_some() => {
                Usage::Estimated(Tokens {
                    input: seen.input.max(prompt),
                    output: seen.output.max(reserved.saturating_sub(prompt)),
                    ..seen
                })
            }
            usage => usage,
        }
    }

    /// The request has been shown an object: if that is finished and was not settled yet, it is settled now.
    pub(super) fn end_showing(
        &mut self,
        shown: &Shown,
        usage: Usage,
        lines: bool,
        policy: &Policy,
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
            charge_maker(&object, &usage, policy, store, now);
        }
        self.objects.settled = Some(Box::new(Settled { id, object, usage }));
    }

    /// What the request's own event says of the object that it has made.
    pub(super) fn object_note(&self) -> Option<ObjectNote> {
        let (id, kind) = (self.objects.made?, self.objects.makes?);
        Some(ObjectNote::Made {
            id,
            kind,
            work: self.objects.work.filter(|_| kind == Kind::File),
            settled: self.objects.made_settled,
        })
    }

    /// Events of objects' own: what one has used in the end, and which others were named.
    #[must_use]
    pub fn object_events(&self, now: Now) -> Vec<UsageEvent> {
        let event = |id, of: &Object, decision, usage, note| UsageEvent {
            id,
            key: of.key.clone(),
            team: of.team.clone(),
            tier: of.tier.clone(),
            model: of.model.clone(),
            endpoint: Label::clip(&self.logged_path),
            decision: Label::clip(decision),
            status: self.status,
            duration_ms: 0,
            started_unix_ms: now.wall_millis,
            usage,
            requests: 1,
            object: Some(note),
        };
        let nothing = Usage::Exact(Tokens::default());
        let mut events = Vec::new();
        if let Some(owner) = &self.objects.known {
            events.extend(self.objects.found.iter().map(|(id, of)| {
                let note = ObjectNote::Found { id: *id, of: *of };
                event(id.event(Told::Found), owner, "found", nothing, note)
            }));
        }
        events.extend(self.objects.settled.as_ref().map(|settled| {
            let Settled { id, object, usage } = &**settled;
            let note = ObjectNote::Settled { id: *id };
            event(id.event(Told::Settled), object, "settled", *usage, note)
        }));
        events
    }
}

/// Whose an object is.
enum Whose {
    /// The team's, or nobody's where that is allowed.
    Ours(Option<Box<Object>>),
    /// Another team's, or nobody's.
    NotOurs,
    /// The key service must be asked.
    Ask,
}

const fn batch(fault: BatchFault) -> BodyError {
    BodyError::Batch(fault, 0)
}

/// The object that an answer names as made.
fn made(shown: &Shown, later: Option<Param>) -> Option<ObjectId> {
    match later {
        Some(Param::Deferred) => shown.deferred.or(shown.itself),
        _ => shown.itself,
    }
}

fn settled_by(usage: Usage) -> Option<Usage> {
    matches!(usage, Usage::Exact(_)).then_some(usage)
}

/// What a response or a completion has used, if that is certain by now. Work that failed before it began has used
/// nothing; what was cancelled without a count stays at its estimate.
fn used(shown: &Shown, usage: Usage) -> Option<Usage> {
    match (shown.progress, usage) {
        (Some(Progress::UnderWay), _) => None,
        (Some(Progress::Failed), Usage::LowerBound(seen))
            if seen.is_zero() || (seen.input > 0 && seen.output > 0) =>
        {
            Some(usage)
        }
        (_, Usage::Exact(_)) => Some(usage),
        _ => None,
    }
}

/// What a batch has used, if it has ended: its own report, else nothing where it has no answers. Else its file of answers
/// tells.
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

/// Charges the maker's limit what it has used beyond what was charged. What was charged too much has come back by
/// itself since.
fn charge_maker(
    object: &Object,
    usage: &Usage,
    policy: &Policy,
    store: &impl CounterStore,
    now: Now,
) {
    let used = policy.metering().weights.charge(usage.tokens());
    let beyond = used.saturating_sub(object.charged);
    if let (Some(tier), true) = (policy.tier(&object.tier), beyond > 0) {
        let account = Account::of(&object.key, tier.limits(&object.limits));
        let _ = ledger::charge_later(store, &account, beyond, now.monotonic);
    }
}
