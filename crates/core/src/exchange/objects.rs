//! The provider's objects in one request: who owns those that it names, which one it makes, and what one that was made
//! earlier has used.
//!
//! # What is charged when
//! The request that makes an object is charged what it has used, or the estimate if the work finishes later (in the
//! background, or in a batch). The first request that is shown the finished object settles it: an event for the object,
//! attributed to its maker, reports the total usage, and the key service books the difference once. The difference is
//! also charged to the maker's limit, once in this process. Batches are booked as money only, since providers have
//! separate limits for them.
//!
//! # Failure policy
//! An object of another team, or of an unknown maker, is answered 404. If the key service does not answer, the request
//! is refused with 503.

use super::{Exchange, Now, Phase, Step, logged, output, permission};
use crate::auth::Principal;
use crate::denial::Denial;
use crate::directory::resolve_budget;
use crate::head::HeadEdits;
use crate::model::ModelId;
use crate::objects::path::{Place, View};
use crate::objects::registry::{self, Found};
use crate::objects::{BatchWork, Kind, Object, ObjectId};
use crate::request::{
    BatchFault, Batched, BodyError, Endpoint, EndpointGroup, EndpointKind, Names, Param,
    RequestFacts,
};
use crate::shared::CounterStore;
use crate::usage::{LinesMeter, Tokens};

mod ending;

use ending::Settled;

/// A request whose objects the key service may have to be asked about.
#[derive(Debug)]
pub(super) struct Asking {
    endpoint: Endpoint,
    facts: Option<RequestFacts>,
    head: HeadEdits,
    asked: Vec<ObjectId>,
}

impl Asking {
    /// Makes the state before any question.
    pub(super) fn new(endpoint: Endpoint, facts: Option<RequestFacts>, head: HeadEdits) -> Self {
        Self {
            endpoint,
            facts,
            head,
            asked: Vec::new(),
        }
    }
}

/// The objects of a request.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// The kind of object that its answer may create.
    makes: Option<Kind>,
    /// The object that its path names, and what it shows of it.
    shown: Option<(ObjectId, View, Kind)>,
    /// The record of that object, if it is known.
    known: Option<Box<Object>>,
    /// The work of the batch that it makes, or of the file that it uploads.
    work: Option<BatchWork>,
    /// The parameter by which its work finishes later, such as `background`.
    pub(super) later: Option<Param>,
    /// The model of that batch.
    batch_model: Option<ModelId>,
    /// The object that it has made.
    made: Option<ObjectId>,
    /// Whether that object will use no more.
    made_settled: bool,
    /// Files that its answer has named, each with the batch whose answers it holds.
    found: Vec<(ObjectId, Option<ObjectId>)>,
    /// The final usage of the object that it was shown.
    settled: Option<Box<Settled>>,
}

impl Objects {
    /// Whether the answer must be read for objects even if no tokens are charged.
    pub(super) fn reads_answer(&self) -> bool {
        let shown = matches!(self.shown, Some((_, View::Itself | View::Outcome, _)));
        shown || self.makes.is_some()
    }

    /// The reader for a batch's answers, if the request downloads them.
    pub(super) fn lines(&self, status: u16) -> Option<LinesMeter> {
        let (_, view, kind) = self.shown?;
        let known = self.known.as_ref();
        let of_batch = kind == Kind::Batch || known.is_some_and(|o| o.of.is_some());
        // A partial answer (206) gives no total.
        (view == View::Lines && of_batch && status == 200).then(LinesMeter::new)
    }

    /// The tokens that the batch is expected to use, if the request makes one.
    pub(super) fn batch_tokens(&self) -> Option<Tokens> {
        Some(
            self.work
                .filter(|_| self.makes == Some(Kind::Batch))?
                .tokens(),
        )
    }
}

impl Exchange {
    /// Judges the objects that path and body name, then makes the reservation.
    pub(super) fn proceed(
        &mut self,
        asking: Asking,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        let Asking {
            endpoint,
            facts,
            head,
            asked,
        } = asking;
        let unknown = self.judge_objects(&endpoint, facts.as_ref(), &asked, store, now)?;
        if !unknown.is_empty() {
            self.phase = Phase::Asking(Box::new(Asking {
                endpoint,
                facts,
                head,
                asked: unknown.clone(),
            }));
            return Ok(Step::ResolveObjects(unknown));
        }
        self.judge_making(&endpoint, facts.as_ref())?;
        self.reserve(&endpoint, facts.as_ref(), head, store, now)
    }

    /// Continues after the key service was asked about objects. Its answer is in the registry.
    pub(super) fn proceed_asked(
        &mut self,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        match std::mem::replace(&mut self.phase, Phase::Refused) {
            Phase::Asking(asking) => self.proceed(*asking, store, now),
            _ => Err(Denial::Unavailable),
        }
    }

    /// Checks that all objects belong to the team. Returns the objects that the key service must be asked about first.
    fn judge_objects(
        &mut self,
        endpoint: &Endpoint,
        facts: Option<&RequestFacts>,
        asked: &[ObjectId],
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Vec<ObjectId>, Denial> {
        let mut unknown = Vec::new();
        match endpoint.objects() {
            Some(Place::List(_)) if !self.policy.allows_unknown_objects() => {
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
                    id: logged::printable(text.as_bytes()),
                };
                match self.find(id, asked, store, now)? {
                    Whose::Ours(object) => self.objects.known = object,
                    Whose::NotOurs => return Err(denial()),
                    Whose::Ask => unknown.push(*id),
                }
            }
            Some(Place::List(_) | Place::Makes(_) | Place::MakesBatch) | None => {}
        }
        for reference in facts.iter().flat_map(|f| &f.references) {
            match self.find(&reference.id, asked, store, now)? {
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
        let service = self.policy.service().ok_or(Denial::Unavailable)?;
        match resolve_budget::may_ask(store, &service.resolves, now.monotonic) {
            Ok(true) => Ok(unknown),
            Ok(false) => Err(Denial::NotReady),
            Err(_) => Err(Denial::Unavailable),
        }
    }

    fn find(
        &self,
        id: &ObjectId,
        asked: &[ObjectId],
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Whose, Denial> {
        let team = self.principal.as_ref().map(Principal::team);
        let unowned = if self.policy.allows_unknown_objects() {
            Whose::Ours(None)
        } else {
            Whose::NotOurs
        };
        let found = registry::find(store, id).map_err(|_| Denial::Unavailable)?;
        Ok(match (found, self.policy.service()) {
            (Some(Found::Object(object)), _) if Some(&object.team) == team => {
                Whose::Ours(Some(object))
            }
            (Some(Found::Object(_)), _) => Whose::NotOurs,
            (Some(Found::Unknown { asked_at }), Some(service))
                if asked.contains(id)
                    || now.monotonic.saturating_sub(asked_at) < service.unknown_for =>
            {
                unowned
            }
            // The service was asked and gave no answer.
            (_, Some(_)) if asked.contains(id) => return Err(Denial::NotReady),
            (_, Some(_)) => Whose::Ask,
            (_, None) => unowned,
        })
    }

    /// Determines which object the request makes, and checks that it may.
    fn judge_making(
        &mut self,
        endpoint: &Endpoint,
        facts: Option<&RequestFacts>,
    ) -> Result<(), Denial> {
        if let Some(param) = facts.and_then(|f| f.later) {
            if !self.policy.is_open(EndpointGroup::Background) {
                return Err(Denial::Body(BodyError::Later(param)));
            }
            permission::may_call(self.principal()?, EndpointGroup::Background)?;
            self.objects.later = Some(param);
        }
        let makes = endpoint.objects().and_then(Place::makes);
        let batched = facts.and_then(|f| f.batched.as_ref());
        match (makes, endpoint.objects()) {
            (Some(Kind::Batch), Some(Place::MakesBatch)) => {
                let batched = batched.ok_or(Denial::Body(batch(BatchFault::Empty)))?;
                self.judge_batch(batched, EndpointKind::Messages)?;
            }
            (Some(Kind::Batch), _) => {
                let model = self.objects.batch_model.take();
                let (Some(model), Some(_)) = (model, self.objects.work) else {
                    return Err(Denial::Body(batch(BatchFault::Unjudged)));
                };
                // The file may have been uploaded by a key with more models.
                self.check_model(model)?;
            }
            (Some(Kind::File), _) => {
                if let Some(batched) = batched {
                    let kind = self.batch_endpoint(batched)?;
                    self.judge_batch(batched, kind)?;
                }
            }
            // A batch in another form, whose requests were not judged.
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

    /// The endpoint of the requests in a batch's file.
    fn batch_endpoint(&self, batched: &Batched) -> Result<EndpointKind, Denial> {
        use EndpointKind as K;
        let url = batched.url.as_deref().unwrap_or_default();
        let endpoint = Endpoint::new(b"POST", url.as_bytes()).map_err(Denial::Body)?;
        let fits = matches!(
            endpoint.kind(),
            K::ChatCompletions | K::Completions | K::Embeddings | K::Responses | K::Moderations
        );
        if !fits || endpoint.path_model().is_some() || !self.policy.is_open(endpoint.group()) {
            return Err(Denial::Body(batch(BatchFault::Endpoint)));
        }
        permission::may_call(self.principal()?, endpoint.group())?;
        Ok(endpoint.kind())
    }

    fn judge_batch(&mut self, batched: &Batched, kind: EndpointKind) -> Result<(), Denial> {
        let model = batched.model.clone();
        self.check_model(model.ok_or(Denial::Body(batch(BatchFault::NoModel)))?)?;
        let each = output::usual(kind, &self.policy);
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
}

/// The owner of an object.
enum Whose {
    /// The team, or an unknown maker if the policy allows that.
    Ours(Option<Box<Object>>),
    /// Another team, or an unknown maker.
    NotOurs,
    /// The key service must be asked.
    Ask,
}

const fn batch(fault: BatchFault) -> BodyError {
    BodyError::Batch(fault, 0)
}
