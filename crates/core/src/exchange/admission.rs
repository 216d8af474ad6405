//! Admission: from a request's head and body to a reservation or a denial.
//!
//! A request with a body is charged in two steps: as a request in flight before its body is held, and for its tokens
//! once the body is read. A request without a body is charged at once.

use super::logged::printable;
use super::lookup::{Lookup, look_up};
use super::objects::Asking;
use super::permission::{self, allows_model};
use super::{
    AnswerState, Exchange, Forward, Forwarded, Now, Peer, Phase, Reading, Step, limits, output, own,
};
use crate::auth::{self, InvalidKey, Principal};
use crate::decision::Decision;
use crate::denial::{Denial, LimitHit};
use crate::head::{Head, HeadEdits};
use crate::key::holds_key;
use crate::limiter::{self, Account, Cost, NotReserved, TokenBounds};
use crate::model::ModelId;
use crate::output_forecast;
use crate::path::PathAction;
use crate::request::{
    BodyError, BodyForm, BodyReader, Endpoint, EndpointKind, PartCosts, Progress, RequestFacts,
    UsageEdit,
};
use crate::shared::CounterStore;

impl Exchange {
    pub(super) fn admit(
        &mut self,
        head: &Head<'_>,
        ends: bool,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        permission::check_method(head.method())?;
        if permission::is_upgrade(head) && !self.policy.allows_upgrades() {
            return Err(Denial::Upgrade);
        }
        if !self.redacted.is_empty() {
            return Err(Denial::InvalidKey(InvalidKey::InUrl));
        }
        match self.policy.path_action(head.path()) {
            PathAction::Free => {
                self.decision = Decision::Free;
                self.phase = Phase::Forwarded(None);
                let head = self.forward_edits(head);
                return Ok(Step::Forward(Forward {
                    head,
                    body: UsageEdit::None,
                }));
            }
            PathAction::Refused => return Err(unknown_url(head)),
            PathAction::Metered => {}
        }
        let authenticated = self.authenticate(head, store, now);
        if self.attributed().is_some() {
            self.group = Endpoint::new(head.method(), head.target())
                .ok()
                .map(|endpoint| endpoint.group());
        }
        // A key without credit may still ask what it has spent.
        if let (Some(about), Ok(None) | Err(Denial::Credit)) = (own::asked(head), &authenticated) {
            return self.ask_own(head, about, store, now);
        }
        if let Some(step) = authenticated? {
            return Ok(step);
        }
        if limits::is_asked(head) {
            self.decision = Decision::Limits;
            let reply = limits::reply(
                self.principal.as_ref(),
                self.account()?,
                self.audience.dialect,
                store,
                now,
            )?;
            self.phase = Phase::Refused;
            return Ok(Step::Reply(reply));
        }
        let endpoint = Endpoint::new(head.method(), head.target()).map_err(Denial::Body)?;
        permission::open(head, &endpoint, &self.policy)?;
        permission::may_call(self.principal()?, endpoint.group())?;
        if let Some(model) = endpoint.path_model() {
            self.check_model(model.clone())?;
        }
        if endpoint.body() == BodyForm::None || endpoint.query_chooses_a_model() {
            permission::check(self.principal()?, &endpoint, None)?;
        }
        let reads_body = !ends && endpoint.body() != BodyForm::None;
        let edits = self.forward_edits(head);
        if !reads_body && endpoint.body() == BodyForm::None {
            return self.proceed(Asking::new(endpoint, None, edits), store, now);
        }
        let reader = BodyReader::new(
            endpoint,
            head.get("content-type"),
            head.get("content-encoding"),
            PartCosts::default(),
        )
        .map_err(Denial::Body)?;
        if reads_body {
            self.enter(reader.endpoint(), store, now)?;
        }
        self.phase = Phase::ReadingBody(Box::new(Reading {
            reader,
            head: edits,
        }));
        if reads_body {
            Ok(Step::ReadBody)
        } else {
            Ok(self.request_body(&[], true, store, now))
        }
    }

    /// Authenticates the request. Returns the step that must come first, if the key service or the host has to be
    /// asked.
    fn authenticate(
        &mut self,
        head: &Head<'_>,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Option<Step>, Denial> {
        let key =
            auth::credential(head, self.policy.credential_headers()).map_err(Denial::InvalidKey)?;
        let asked = matches!(self.phase, Phase::Resolving);
        let (known, spent) = match look_up(&key, asked, &self.policy, store, now)? {
            Lookup::Known(known) => (Some(known), false),
            Lookup::Spent(known) => (Some(known), true),
            Lookup::Unknown => (None, false),
            Lookup::Ask => {
                self.phase = Phase::Resolving;
                return Ok(Some(Step::Resolve(key.digest())));
            }
        };
        self.inline = known.as_ref().is_some_and(|known| known.inline);
        let (record, tier) = known.map_or((None, None), |k| (Some(k.record), k.tier));
        let principal = match auth::judge(&key, record.as_deref(), now.wall_millis / 1_000) {
            Ok(principal) => principal.of_tier(tier),
            Err(refused) => {
                self.refused = record;
                return Err(refused.into());
            }
        };
        if let Some(allowed) = &principal.record().addresses {
            let Peer::At(address) = self.peer else {
                return Ok(Some(Step::Locate));
            };
            if !address.is_some_and(|address| allowed.contains(address)) {
                self.refused = record;
                return Err(Denial::AddressNotAllowed {
                    key: principal.key().clone(),
                    address,
                });
            }
        }
        // A record whose tier is not known has no limits.
        let tier = principal.tier_in_force().ok_or(Denial::Unavailable)?;
        let limits = tier.limits(&principal.record().limits);
        self.account = Some(Account::of(principal.account(), limits));
        self.principal = Some(principal);
        if spent { Err(Denial::Credit) } else { Ok(None) }
    }

    /// Charges the request and takes its place in flight, before its body is read.
    fn enter(
        &mut self,
        endpoint: &Endpoint,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<(), Denial> {
        let account = self.account()?.clone();
        // If no token is left, the request is refused before its body is read.
        let least = u64::from(endpoint.charges_tokens());
        let admission = limiter::admit(store, account, least, now.monotonic)
            .map_err(|e| self.not_reserved(e))?;
        self.admission = Some(admission);
        Ok(())
    }

    pub(super) fn principal(&self) -> Result<&Principal, Denial> {
        self.principal.as_ref().ok_or(Denial::Unavailable)
    }

    fn account(&self) -> Result<&Account, Denial> {
        self.account.as_ref().ok_or(Denial::Unavailable)
    }

    pub(super) fn read_body(
        &mut self,
        chunk: &[u8],
        ends: bool,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        let Phase::ReadingBody(reading) = &mut self.phase else {
            return Err(Denial::Unavailable);
        };
        let known = match reading.reader.push(chunk).map_err(Denial::Body)? {
            Progress::ModelKnown => reading.reader.model().cloned(),
            Progress::Reading => None,
        };
        if let Some(model) = known {
            self.check_model(model)?;
        }
        if !ends {
            return Ok(Step::ReadBody);
        }
        let Phase::ReadingBody(reading) = std::mem::replace(&mut self.phase, Phase::Refused) else {
            return Err(Denial::Unavailable);
        };
        let Reading { reader, mut head } = *reading;
        let endpoint = reader.endpoint().clone();
        let facts = reader.finish().map_err(Denial::Body)?;
        permission::check(self.principal()?, &endpoint, Some(&facts))?;
        // These edits already contain a model that the path names.
        if let (Some(model), None) = (&facts.model, endpoint.path_model()) {
            head.set
                .push((crate::attribution::MODEL, model.to_string()));
        }
        self.proceed(Asking::new(endpoint, Some(facts), head), store, now)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call site each for requests with and without a body"
    )]
    pub(super) fn reserve(
        &mut self,
        endpoint: &Endpoint,
        facts: Option<&RequestFacts>,
        head: HeadEdits,
        store: &impl CounterStore,
        now: Now,
    ) -> Result<Step, Denial> {
        let charges = endpoint.charges_tokens_of(facts.and_then(|f| f.model.as_ref()));
        let account = self.account()?.clone();
        let tokens = match facts {
            Some(facts) if charges => self.token_bounds(endpoint, facts, &account, store)?,
            _ => TokenBounds::default(),
        };
        let reserved = match self.admission.take() {
            Some(admission) => admission.reserve(store, tokens, now.monotonic),
            None => {
                let cost = Cost {
                    requests: 1,
                    tokens,
                };
                limiter::reserve(store, account, cost, now.monotonic)
            }
        };
        let reservation = reserved.map_err(|e| self.not_reserved(e))?;
        self.decision = Decision::Allowed;
        self.snapshot = Some((reservation.snapshot(), now.wall_millis));
        let body = facts.map_or(UsageEdit::None, |f| self.usage_edit(f));
        self.phase = Phase::Forwarded(Some(Box::new(Forwarded {
            kind: endpoint.kind(),
            reservation,
            prompt_estimate: charges.then(|| facts.map_or(0, |f| f.prompt_tokens)),
            choices: facts.map_or(1, answers),
            cap: facts.and_then(|f| f.declared_cap),
            usual_output: output::usual(endpoint.kind(), &self.policy),
            asked_for_usage: body != UsageEdit::None,
            answer: AnswerState::Awaited,
        })));
        Ok(Step::Forward(Forward { head, body }))
    }

    fn token_bounds(
        &self,
        endpoint: &Endpoint,
        facts: &RequestFacts,
        account: &Account,
        store: &impl CounterStore,
    ) -> Result<TokenBounds, Denial> {
        let at_once = account.tokens_at_once();
        if endpoint.kind() == EndpointKind::Embeddings {
            return Ok(TokenBounds::new(facts.prompt_tokens, 0, 0, at_once));
        }
        let usual = output::usual(endpoint.kind(), &self.policy);
        let learned = match (&self.principal, &facts.model) {
            (Some(p), Some(model)) => output_forecast::expected(store, p.account(), model)
                .map_err(|_| Denial::Unavailable)?,
            _ => None,
        };
        let expected = learned.unwrap_or(usual);
        let most = facts.declared_cap.unwrap_or(expected);
        let all = |each: u64| each.saturating_mul(answers(facts));
        Ok(TokenBounds::new(
            facts.prompt_tokens,
            all(expected),
            all(most),
            at_once,
        ))
    }

    fn usage_edit(&self, facts: &RequestFacts) -> UsageEdit {
        let metering = self.policy.metering();
        let except = |m: &ModelId| metering.include_usage_except.allows(m.as_str());
        if metering.include_usage && !facts.model.as_ref().is_some_and(except) {
            facts.usage_edit
        } else {
            UsageEdit::None
        }
    }

    pub(super) fn check_model(&mut self, model: ModelId) -> Result<(), Denial> {
        let principal = self.principal()?;
        if holds_key(model.as_str().as_bytes()) {
            // The model is written to a header and to the log.
            return Err(Denial::Body(BodyError::InvalidModel));
        }
        let allowed = allows_model(principal, &model);
        let spent = permission::has_spent_model_budget(principal, &model);
        let key = principal.key().clone();
        self.model = Some(model.clone());
        match (allowed, spent) {
            (false, _) => Err(Denial::ModelNotAllowed { key, model }),
            (true, true) => Err(Denial::ModelBudget { key, model }),
            (true, false) => Ok(()),
        }
    }

    pub(super) fn not_reserved(&self, refused: NotReserved) -> Denial {
        match (refused, &self.principal) {
            (NotReserved::Limit(refusal), Some(principal)) => Denial::Limit(Box::new(LimitHit {
                key: principal.key().clone(),
                team: principal.team().clone(),
                refusal: *refusal,
            })),
            _ => Denial::Unavailable,
        }
    }
}

/// The number of answers that the upstream will generate.
fn answers(facts: &RequestFacts) -> u64 {
    facts.choices.saturating_mul(facts.prompts).max(1)
}

fn unknown_url(head: &Head<'_>) -> Denial {
    Denial::UnknownUrl {
        method: printable(head.method()),
        path: printable(head.path()),
    }
}
