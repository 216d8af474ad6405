//! Reports a request to metrics and the access log. envoy/README.md documents the names.

use crate::exchange::{Exchange, Settlement};
use crate::telemetry::{Field, Metric, Telemetry};
use crate::usage::UsageSource;

fn tier(exchange: &Exchange) -> &str {
    exchange
        .attributed()
        .map_or("none", |record| record.tier.as_str())
}

/// Writes the id of an admitted request's usage event to the log, so that replaying the log counts nothing twice.
/// Refusals have no id, since they are reported in sums.
pub(super) fn event_id(id: &[u8; 16], out: &impl Telemetry) {
    out.note(Field::EventId, &hex::encode(id));
}

/// Counts the decision, and writes it to the log fields.
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

/// Counts the usage, and writes it to the log fields.
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
    if let Some(why) = settlement.unread {
        out.measure(Metric::UsageUnread, &[tier, why.name()], 1);
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
