//! What metrics and the access log are told of a request. The names are documented in envoy/README.md.

use crate::exchange::{Exchange, Settlement};
use crate::telemetry::{Field, Metric, Telemetry};
use crate::usage::UsageSource;

fn tier(exchange: &Exchange) -> &str {
    exchange
        .attributed()
        .map_or("none", |record| record.tier.as_str())
}

/// The id of an admitted request's usage event, so that a log that is replayed counts nothing twice. A refusal has none: it
/// is reported in a sum with others.
pub(super) fn event_id(id: &[u8; 16], out: &impl Telemetry) {
    out.note(Field::EventId, &hex::encode(id));
}

/// Counts the decision and leaves it for the access log and for other filters.
pub(super) fn decided(exchange: &Exchange, out: &impl Telemetry) {
    let tier = tier(exchange);
    let decision = exchange.decision().name();
    out.measure(Metric::Requests, &[tier, decision], 1);
    if exchange.is_degraded() {
        out.measure(Metric::Degraded, &[], 1);
    }
    out.note(Field::Decision, decision);
    if let Some(record) = exchange.attributed() {
        out.note(Field::Team, record.team.as_str());
        out.note(Field::Key, record.id.as_str());
        out.note(Field::Tier, tier);
    }
    if let Some(model) = exchange.model() {
        out.note(Field::Model, model.as_str());
    }
}

/// Counts what was used and leaves it for the access log.
pub(super) fn settled(exchange: &Exchange, settlement: &Settlement, out: &impl Telemetry) {
    let tier = tier(exchange);
    let source = settlement.usage.source();
    let tokens = settlement.usage.tokens();
    for (kind, amount) in tokens.counts().filter(|(_, amount)| *amount > 0) {
        out.measure(Metric::Tokens, &[tier, kind.name(), source.name()], amount);
        out.note(Field::Tokens(kind), &amount.to_string());
    }
    if tokens.total() > 0 {
        out.note(Field::TokensTotal, &tokens.total().to_string());
    }
    out.measure(Metric::Settled, &[tier, source.name()], 1);
    if settlement.hidden_by_encoding {
        out.measure(Metric::UsageHidden, &[tier], 1);
    }
    if source == UsageSource::Exact && tokens.input() > 0 {
        let percent = settlement.prompt_estimate.saturating_mul(100);
        let percent = percent.checked_div(tokens.input()).unwrap_or(0);
        out.measure(Metric::PromptEstimatePercent, &[], percent);
    }
    out.note(Field::UsageSource, source.name());
    for (field, amount) in [
        (Field::TokensCharged, settlement.charged),
        (Field::TokensReserved, settlement.reserved),
        (Field::PromptEstimate, settlement.prompt_estimate),
    ] {
        out.note(field, &amount.to_string());
    }
}
