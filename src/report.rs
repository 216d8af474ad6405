//! What logs and metrics are told of a stream. The names are documented in envoy/README.md.

use gmtech_core::exchange::{Exchange, Settlement};
use gmtech_core::usage::UsageSource;

use crate::host::{metrics, stream};

fn tier(exchange: &Exchange) -> &str {
    exchange
        .attributed()
        .map_or("none", |record| record.tier.as_str())
}

/// The path for the access log. What Envoy refuses before the filter has none: nobody has looked for a key in it.
pub(crate) fn arrived(exchange: &Exchange) {
    set("gmtech_path", exchange.logged_path());
}

/// The id of an admitted request's usage event, so that a log that is replayed counts nothing twice. A refusal has
/// none: it is reported in a sum with others.
pub(crate) fn named(event_id: &[u8; 16]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| {
        DIGITS
            .get(usize::from(nibble))
            .map_or('0', |d| char::from(*d))
    };
    let hex: String = event_id
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect();
    set("gmtech_event_id", &hex);
}

/// Counts the decision and leaves it in filter state for the access log and for other filters.
pub(crate) fn decided(exchange: &Exchange) {
    let tier = tier(exchange);
    let decision = exchange.decision().name();
    metrics::count(
        &format!("gmtech_requests.tier.{tier}.decision.{decision}"),
        1,
    );
    if exchange.is_degraded() {
        metrics::count("gmtech_degraded", 1);
    }
    set("gmtech_decision", decision);
    if let Some(record) = exchange.attributed() {
        set("gmtech_team_id", record.team.as_str());
        set("gmtech_key_id", record.id.as_str());
        set("gmtech_tier", tier);
    }
    if let Some(model) = exchange.model() {
        set("gmtech_model", model.as_str());
    }
}

/// Counts what was used and leaves it in filter state for the access log.
pub(crate) fn settled(exchange: &Exchange, settlement: &Settlement) {
    let tier = tier(exchange);
    let source = settlement.usage.source();
    let tokens = settlement.usage.tokens();
    for (kind, amount) in tokens.counts().filter(|(_, amount)| *amount > 0) {
        let (kind, source) = (kind.name(), source.name());
        metrics::count(
            &format!("gmtech_tokens.tier.{tier}.kind.{kind}.source.{source}"),
            amount,
        );
        set(&format!("gmtech_tokens_{kind}"), &amount.to_string());
    }
    if tokens.total() > 0 {
        set("gmtech_tokens_total", &tokens.total().to_string());
    }
    metrics::count(
        &format!("gmtech_settled.tier.{tier}.source.{}", source.name()),
        1,
    );
    if settlement.hidden_by_encoding {
        metrics::count(&format!("gmtech_usage_hidden.tier.{tier}"), 1);
    }
    if source == UsageSource::Exact && tokens.input() > 0 {
        let percent = settlement
            .prompt_estimate
            .saturating_mul(100)
            .checked_div(tokens.input());
        metrics::observe("gmtech_prompt_estimate_percent", percent.unwrap_or(0));
    }
    set("gmtech_usage_source", source.name());
    set("gmtech_tokens_charged", &settlement.charged.to_string());
    set("gmtech_tokens_reserved", &settlement.reserved.to_string());
    set(
        "gmtech_prompt_estimate",
        &settlement.prompt_estimate.to_string(),
    );
}

fn set(name: &str, value: &str) {
    if let Err(status) = stream::set(name, value) {
        log::warn!("gmtech: the host refused filter state {name}: {status:?}");
    }
}
