//! The filter's configuration: raw as an operator writes it, then compiled to a [`Policy`].
//!
//! What it is: strict. A field that is not known, a value out of range, a name that leads nowhere is an
//! error that names its place (`keys.1f…9c.tier`), since a limit that silently does nothing is worse than
//! a refused configuration. It is either wholly compiled or not at all.
//!
//! # Failure policy
//! A refused configuration leaves the previous one in force: Envoy keeps it.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::Deserialize;

use crate::auth::CredentialHeader;
use crate::holding::Bounds;
use crate::ident::TierName;
use crate::key::KeyDigest;
use crate::limiter::Limits;
use crate::limiter::gcra::Limit;
use crate::limits::{LimitOverrides, countable_in_flight};
use crate::model::ModelSet;
use crate::path::{PathAction, PathRule};
use crate::record::KeyRecord;
use crate::request::{EndpointGroup, EndpointSet};
use crate::time::Nanos;
use crate::usage::Weights;

mod raw;

/// A mistake in the configuration: where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration refused at `{path}`: {problem}")]
pub struct ConfigError {
    /// The place, as a path of field names; `.` is the whole document.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// What a tier allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Requests a minute.
    pub requests_per_minute: NonZeroU32,
    /// Requests at once; a minute's by default.
    pub requests_burst: Option<NonZeroU32>,
    /// Tokens a minute.
    pub tokens_per_minute: NonZeroU32,
    /// Tokens at once; a minute's by default.
    pub tokens_burst: Option<NonZeroU32>,
    /// Requests under way at once; no cap by default.
    pub max_in_flight: Option<NonZeroU32>,
    /// The models that it may use.
    pub models: ModelSet,
}

impl Tier {
    /// The limits of a key of this tier. A rate that the key overrides comes with a burst of its own size,
    /// unless the key says otherwise. What is out of range is held to the range: a record of the service was
    /// written by somebody who does not know the tier.
    #[must_use]
    pub fn limits(&self, key: &LimitOverrides) -> Limits {
        Limits {
            requests: Some(limit(
                (self.requests_per_minute, self.requests_burst),
                (key.requests_per_minute, key.requests_burst),
            )),
            tokens: Some(limit(
                (self.tokens_per_minute, self.tokens_burst),
                (key.tokens_per_minute, key.tokens_burst),
            )),
            max_in_flight: key
                .max_in_flight
                .or(self.max_in_flight)
                .map(countable_in_flight),
        }
    }

    /// Its limits, as a key would write them.
    fn as_overrides(&self) -> LimitOverrides {
        LimitOverrides {
            requests_per_minute: Some(self.requests_per_minute),
            requests_burst: self.requests_burst,
            tokens_per_minute: Some(self.tokens_per_minute),
            tokens_burst: self.tokens_burst,
            max_in_flight: self.max_in_flight,
        }
    }
}

type RateAndBurst<R> = (R, Option<NonZeroU32>);

fn limit(tier: RateAndBurst<NonZeroU32>, key: RateAndBurst<Option<NonZeroU32>>) -> Limit {
    let (rate, burst) = match key {
        (Some(rate), burst) => (rate, burst),
        (None, burst) => (tier.0, burst.or(tier.1)),
    };
    let limit = Limit::per_minute(rate);
    burst.map_or(limit, |b| limit.with_burst(b))
}

/// The compiled configuration: all that the gate decides by.
#[derive(Clone, Debug)]
pub struct Policy {
    tiers: HashMap<TierName, Tier>,
    keys: HashMap<KeyDigest, KeyRecord>,
    paths: Vec<PathRule>,
    endpoints: EndpointSet,
    unknown_objects: bool,
    allow_upgrades: bool,
    credential_headers: Vec<CredentialHeader>,
    metering: Metering,
    bodies: Bounds,
    service: Option<ServicePolicy>,
}

/// How the key service is reached and relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePolicy {
    /// Envoy's name of its cluster.
    pub cluster: String,
    /// What the proxies show it.
    pub token: SyncToken,
    /// For how long the last known keys are relied on without hesitation.
    pub max_stale: Nanos,
    /// What happens after that.
    pub when_stale: WhenStale,
    /// How often the service may be asked about single keys.
    pub resolves: Limit,
    /// For how long a key stays unknown before it is asked about again.
    pub unknown_for: Nanos,
    /// How many bytes of usage events a VM holds until the service has them.
    pub usage_memory: usize,
}

/// What happens when the service has been silent for longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// Go on with what is known.
    Allow,
    /// Refuse with a retryable 503.
    Refuse,
}

/// The token of the proxies: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SyncToken(String);

impl SyncToken {
    /// The secret itself, for the request that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SyncToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncToken(…)")
    }
}

/// How tokens are estimated, weighed and asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metering {
    /// Tokens of output to reserve for a key and model of which nothing was learned yet.
    pub default_output: u64,
    /// What a token of each kind counts.
    pub weights: Weights,
    /// Whether the upstream is asked for the usage of streams.
    pub include_usage: bool,
    /// Models whose upstreams refuse to be asked.
    pub include_usage_except: ModelSet,
}

impl Policy {
    /// Reads and compiles a JSON document; an empty one is all defaults.
    ///
    /// # Errors
    /// [`ConfigError`] at the first mistake.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        raw::parse(json)?.compile()
    }

    /// The tier of that name.
    #[must_use]
    pub fn tier(&self, name: &TierName) -> Option<&Tier> {
        self.tiers.get(name)
    }

    /// The inline record of a key.
    #[must_use]
    pub fn key(&self, digest: &KeyDigest) -> Option<&KeyRecord> {
        self.keys.get(digest)
    }

    /// How many keys are inline.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Every tier's name.
    pub fn tier_names(&self) -> impl Iterator<Item = &TierName> {
        self.tiers.keys()
    }

    /// What to do with a path; the first rule that matches decides, none refuses.
    #[must_use]
    pub fn path_action(&self, path: &[u8]) -> PathAction {
        let rule = self.paths.iter().find(|rule| rule.matches(path));
        rule.map_or(PathAction::Refused, |rule| rule.action)
    }

    /// Whether the endpoints of the group may be called, on paths that are metered.
    #[must_use]
    pub fn is_open(&self, group: EndpointGroup) -> bool {
        self.endpoints.contains(group)
    }

    /// Whether every key may reach objects whose maker is not known, and lists of all objects.
    #[must_use]
    pub fn allows_unknown_objects(&self) -> bool {
        self.unknown_objects
    }

    /// Whether a request may ask for an upgrade (WebSocket).
    #[must_use]
    pub fn allows_upgrades(&self) -> bool {
        self.allow_upgrades
    }

    /// The key service; without one, only inline keys exist.
    #[must_use]
    pub fn service(&self) -> Option<&ServicePolicy> {
        self.service.as_ref()
    }

    /// How tokens are estimated, weighed and asked for.
    #[must_use]
    pub fn metering(&self) -> &Metering {
        &self.metering
    }

    /// How much of requests' bodies a worker may hold.
    #[must_use]
    pub fn bodies(&self) -> &Bounds {
        &self.bodies
    }

    /// The headers in which a key is accepted.
    #[must_use]
    pub fn credential_headers(&self) -> &[CredentialHeader] {
        &self.credential_headers
    }
}

#[cfg(test)]
mod tests;
