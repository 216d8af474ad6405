//! Metrics and access-log fields: their fixed lists, and the trait that a host implements to record them.
//!
//! What it is not: a format. The host decides how to write a metric (as a dotted name, or with defined labels) and
//! where to put a log field.

use std::borrow::Cow;

use crate::usage::TokenKind;

/// How the values of a metric are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Their sum.
    Counter,
    /// Their distribution.
    Histogram,
}

/// A metric of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Requests by decision.
    Requests,
    /// Answers given while the key service was silent.
    Degraded,
    /// Tokens used.
    Tokens,
    /// Requests by how their usage became known.
    Settled,
    /// Answers whose usage could not be read, by reason.
    UsageUnread,
    /// The estimate of the prompt in percent of its exact size.
    PromptEstimatePercent,
    /// Questions to the key service about single keys.
    Resolves,
    /// Questions to the key service about objects of the provider's.
    ObjectResolves,
    /// Questions of keys about their own accounts.
    OwnQuestions,
    /// Answers to polls.
    Sync,
    /// Usage events that the key service has taken.
    UsagePosted,
    /// Batches of usage events that must be sent again.
    UsageRetries,
    /// Events of forwarded requests that were given up.
    UsageDropped,
    /// Refused requests that were given up.
    UsageRefusalsDropped,
}

/// What a host must know to define a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// How its values add up.
    pub kind: MetricKind,
    /// The names of its labels, in the order of the values that [`Telemetry::measure`] gets.
    pub labels: &'static [&'static str],
    /// What it measures, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 14] = [
        Self::Requests,
        Self::Degraded,
        Self::Tokens,
        Self::Settled,
        Self::UsageUnread,
        Self::PromptEstimatePercent,
        Self::Resolves,
        Self::ObjectResolves,
        Self::OwnQuestions,
        Self::Sync,
        Self::UsagePosted,
        Self::UsageRetries,
        Self::UsageDropped,
        Self::UsageRefusalsDropped,
    ];

    /// Its name, kind, labels and meaning.
    ///
    /// ```
    /// use gmtech_core::telemetry::Metric;
    ///
    /// let tokens = Metric::Tokens.description();
    /// assert_eq!(tokens.name, "gmtech_tokens");
    /// assert_eq!(tokens.labels, ["tier", "kind", "source"]);
    /// ```
    #[must_use]
    pub const fn description(self) -> Description {
        let (name, labels, help): (_, &[&str], _) = match self {
            Self::Requests => (
                "gmtech_requests",
                &["tier", "decision"],
                "Requests by decision. The tier is `none` before a key is known.",
            ),
            Self::Degraded => (
                "gmtech_degraded",
                &[],
                "Answers given while the key service was silent.",
            ),
            Self::Tokens => (
                "gmtech_tokens",
                &["tier", "kind", "source"],
                "Tokens used, by kind and by how the number is known.",
            ),
            Self::Settled => (
                "gmtech_settled",
                &["tier", "source"],
                "Requests by how their usage became known.",
            ),
            Self::UsageUnread => (
                "gmtech_usage_unread",
                &["tier", "reason"],
                "Answers whose usage could not be read, by reason: they are charged by what passed.",
            ),
            Self::PromptEstimatePercent => (
                "gmtech_prompt_estimate_percent",
                &[],
                "The estimate of the prompt in percent of its exact size.",
            ),
            Self::Resolves => (
                "gmtech_resolves",
                &[],
                "Questions to the key service about single keys.",
            ),
            Self::ObjectResolves => (
                "gmtech_object_resolves",
                &[],
                "Questions to the key service about objects of the provider's.",
            ),
            Self::OwnQuestions => (
                "gmtech_own_questions",
                &[],
                "Questions of keys about their own accounts.",
            ),
            Self::Sync => (
                "gmtech_sync",
                &["decision"],
                "Answers to polls: `applied` or `failed`.",
            ),
            Self::UsagePosted => (
                "gmtech_usage_posted",
                &[],
                "Usage events that the key service has taken.",
            ),
            Self::UsageRetries => (
                "gmtech_usage_retries",
                &[],
                "Batches of usage events that must be sent again.",
            ),
            Self::UsageDropped => (
                "gmtech_usage_dropped",
                &[],
                "Events of forwarded requests that were given up.",
            ),
            Self::UsageRefusalsDropped => (
                "gmtech_usage_refusals_dropped",
                &[],
                "Refused requests that were given up.",
            ),
        };
        let kind = match self {
            Self::PromptEstimatePercent => MetricKind::Histogram,
            _ => MetricKind::Counter,
        };
        Description {
            name,
            kind,
            labels,
            help,
        }
    }
}

/// A field that a stream writes for the access log and for other filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The path: no query, no key.
    Path,
    /// The id of an admitted request's usage event.
    EventId,
    /// The decision.
    Decision,
    /// The key's team.
    Team,
    /// The key.
    Key,
    /// The key's tier.
    Tier,
    /// The model that was asked for.
    Model,
    /// Tokens of one kind.
    Tokens(TokenKind),
    /// Tokens of all kinds.
    TokensTotal,
    /// How the usage became known.
    UsageSource,
    /// Tokens charged, by weight.
    TokensCharged,
    /// Tokens that had been reserved.
    TokensReserved,
    /// The estimate of the prompt, in tokens.
    PromptEstimate,
}

impl Field {
    /// Its name.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Path => "gmtech_path",
            Self::EventId => "gmtech_event_id",
            Self::Decision => "gmtech_decision",
            Self::Team => "gmtech_team_id",
            Self::Key => "gmtech_key_id",
            Self::Tier => "gmtech_tier",
            Self::Model => "gmtech_model",
            Self::Tokens(kind) => return Cow::Owned(format!("gmtech_tokens_{}", kind.name())),
            Self::TokensTotal => "gmtech_tokens_total",
            Self::UsageSource => "gmtech_usage_source",
            Self::TokensCharged => "gmtech_tokens_charged",
            Self::TokensReserved => "gmtech_tokens_reserved",
            Self::PromptEstimate => "gmtech_prompt_estimate",
        })
    }
}

/// Records metrics, log fields and warnings.
pub trait Telemetry {
    /// Adds `value` to a counter, or records it in a histogram. `labels` are the values of [`Description::labels`].
    fn measure(&self, metric: Metric, labels: &[&str], value: u64);

    /// Sets a log field of the current stream. A later value replaces an earlier one.
    fn note(&self, field: Field, value: &str);

    /// Warns the operator of a failure that was handled.
    fn warn(&self, what: &str);
}

#[cfg(test)]
mod tests;
