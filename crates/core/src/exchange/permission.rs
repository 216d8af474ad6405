//! Permissions of a request: its method, its endpoint, and its model.

use super::logged::printable;
use crate::auth::Principal;
use crate::config::Policy;
use crate::decision::Decision;
use crate::denial::{Denial, METHODS, Reply};
use crate::head::Head;
use crate::key::holds_key;
use crate::model::{ModelId, ModelSet};
use crate::request::{BodyError, Endpoint, EndpointGroup, EndpointKind, EndpointSet, RequestFacts};

/// Whether tier and key both allow the model.
pub(super) fn allows_model(principal: &Principal, model: &ModelId) -> bool {
    let by_tier = principal
        .tier_in_force()
        .is_some_and(|t| t.models.allows(model.as_str()));
    let by_key = principal
        .record()
        .models
        .as_ref()
        .is_none_or(|m| m.allows(model.as_str()));
    by_tier && by_key
}

/// Whether the key's budget for the model is spent.
pub(super) fn has_spent_model_budget(principal: &Principal, model: &ModelId) -> bool {
    let spent = principal.record().spent_models.as_ref();
    spent.is_some_and(|m| m.allows(model.as_str()))
}

/// Whether the tier or the key restricts the models.
pub(super) fn is_restricted(principal: &Principal) -> bool {
    let any = |set: &ModelSet| set.is_any();
    let by_tier = principal.tier_in_force().is_none_or(|t| !any(&t.models));
    by_tier || principal.record().models.as_ref().is_some_and(|m| !any(m))
}

/// Checks that the endpoint's group is open.
pub(super) fn open(head: &Head<'_>, endpoint: &Endpoint, policy: &Policy) -> Result<(), Denial> {
    if policy.is_open(endpoint.group()) {
        return Ok(());
    }
    Err(Denial::ClosedEndpoint {
        method: printable(head.method()),
        path: printable(head.path()),
        group: endpoint.group(),
    })
}

/// Checks that the key may use endpoints of the group. Every key may list its models.
pub(super) fn may_call(principal: &Principal, group: EndpointGroup) -> Result<(), Denial> {
    let within = |set: &EndpointSet| set.contains(group) || group == EndpointGroup::Models;
    if principal.record().endpoints.as_ref().is_none_or(within) {
        return Ok(());
    }
    Err(Denial::EndpointNotAllowed {
        key: principal.key().clone(),
        group,
    })
}

/// Checks the model of a request. If models are restricted, or the budget of one is spent, a request is refused unless
/// it certainly uses one model that is allowed.
pub(super) fn check(
    principal: &Principal,
    endpoint: &Endpoint,
    facts: Option<&RequestFacts>,
) -> Result<(), Denial> {
    if !is_restricted(principal) && principal.record().spent_models.is_none() {
        return Ok(());
    }
    if endpoint.query_chooses_a_model() {
        return Err(Denial::Body(BodyError::Unjudged("model in the query")));
    }
    if endpoint.kind() == EndpointKind::Realtime {
        return Err(Denial::Body(BodyError::UnjudgedConnection));
    }
    let Some(facts) = facts else {
        return Ok(());
    };
    if let Some(parameter) = facts.others.unjudged() {
        return Err(Denial::Body(BodyError::Unjudged(parameter)));
    }
    if facts.model.is_none() && endpoint.runs_a_model() {
        return Err(Denial::Body(BodyError::MissingModel));
    }
    // Gemini's bodies name a model as `models/{m}`.
    let short = |m: &ModelId| {
        let name = m.as_str().strip_prefix("models/");
        name.filter(|_| endpoint.path_model().is_some())
            .and_then(|name| ModelId::new(name).ok())
    };
    let forbidden = |m: &&ModelId| {
        !allows_model(principal, m) && !short(m).is_some_and(|m| allows_model(principal, &m))
    };
    let spent = |m: &&ModelId| {
        has_spent_model_budget(principal, m)
            || short(m).is_some_and(|m| has_spent_model_budget(principal, &m))
    };
    let named = facts.others.named();
    match named.iter().find(forbidden) {
        Some(model) if !holds_key(model.as_str().as_bytes()) => Err(Denial::ModelNotAllowed {
            key: principal.key().clone(),
            model: model.clone(),
        }),
        Some(_) => Err(Denial::Body(BodyError::InvalidModel)),
        None => match named.iter().find(spent) {
            Some(model) => Err(Denial::ModelBudget {
                key: principal.key().clone(),
                model: model.clone(),
            }),
            None => Ok(()),
        },
    }
}

pub(super) fn check_method(method: &[u8]) -> Result<(), Denial> {
    if METHODS.split(", ").any(|m| m.as_bytes() == method) {
        return Ok(());
    }
    Err(Denial::Method {
        method: printable(method),
    })
}

/// Whether the request asks for an upgrade. `h2c` only asks for another HTTP version, and Envoy ignores it.
pub(super) fn is_upgrade(head: &Head<'_>) -> bool {
    let other = |v: &[u8]| !v.trim_ascii().eq_ignore_ascii_case(b"h2c");
    head.get(":protocol").is_some() || head.all("upgrade").any(other)
}

/// The answer to OPTIONS if no CORS filter has given one. It allows nothing and needs no key.
pub(super) fn preflight() -> Reply {
    Reply {
        status: 204,
        headers: vec![("allow", METHODS.into())],
        body: String::new(),
        details: Decision::Preflight.details(),
    }
}
