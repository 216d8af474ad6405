//! The filter's configuration: raw as an operator writes it, then compiled to a [`Policy`].
//!
//! It is strict. An unknown field, a value out of range or a name that is not defined is an error that names its place
//! (`keys.1f…9c.tier`): a limit that silently has no effect is worse than a refused configuration. A document is
//! compiled as a whole or not at all.
//!
//! # Failure policy
//! When a configuration is refused, Envoy keeps the previous one in force.

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

/// A mistake in the configuration: its place, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration refused at `{path}`: {problem}")]
pub struct ConfigError {
    /// The place as a path of field names; `.` stands for the whole document.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// A tier: the limits and models of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Requests a minute.
    pub requests_per_minute: NonZeroU32,
    /// Requests at once; by default as many as in a minute.
    pub requests_burst: Option<NonZeroU32>,
    /// Tokens a minute.
    pub tokens_per_minute: NonZeroU32,
    /// Tokens at once; by default as many as in a minute.
    pub tokens_burst: Option<NonZeroU32>,
    /// Requests in flight at once; not limited by default.
    pub max_in_flight: Option<NonZeroU32>,
    /// The models that its keys may use.
    pub models: ModelSet,
}

impl Tier {
    /// Returns the limits of a key of this tier. A rate that `key` overrides has a burst of the same size, unless `key`
    /// sets the burst too. Values out of range are clamped, because the key service writes records without knowing the
    /// tier.
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

    /// The tier's limits in the form of a key's overrides.
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

/// The compiled configuration: everything the gate decides by.
///
/// ```
/// use gmtech_core::config::Policy;
///
/// let mistake = Policy::from_json(br#"{"tiers": {"free": {"request_per_minute": 3}}}"#).unwrap_err();
/// assert_eq!(mistake.path, "tiers.free.request_per_minute");
/// ```
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

/// How the key service is reached, and how long its last state is relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePolicy {
    /// Envoy's name of its cluster.
    pub cluster: String,
    /// The token by which the proxies authenticate to it.
    pub token: SyncToken,
    /// How long the last known keys stay valid without an answer of the service, in nanoseconds.
    pub max_stale: Nanos,
    /// What happens after [`Self::max_stale`].
    pub when_stale: WhenStale,
    /// How often the service may be asked about single keys and objects.
    pub resolves: Limit,
    /// How long "no such key" is believed before the service is asked again, in nanoseconds.
    pub unknown_for: Nanos,
    /// The most bytes of usage events that a worker holds until the service has confirmed them.
    pub usage_memory: usize,
}

/// What happens when the service has been silent for longer than [`ServicePolicy::max_stale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// Go on with the last known keys.
    Allow,
    /// Refuse with a retryable 503.
    Refuse,
}

/// The token by which proxies authenticate to the key service. It is a secret; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SyncToken(String);

impl SyncToken {
    /// The secret itself, for the `authorization` header.
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

/// How tokens are estimated and weighted, and whether streams are asked to report them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metering {
    /// Tokens of output to reserve for a key and model without a forecast.
    pub default_output: u64,
    /// The weight of a token of each kind.
    pub weights: Weights,
    /// Whether upstreams are asked to report the usage of streams.
    pub include_usage: bool,
    /// Models whose upstreams refuse this option.
    pub include_usage_except: ModelSet,
}

impl Policy {
    /// Reads and compiles a JSON document. An empty document gives the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] at the first mistake.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        raw::parse(json)?.compile()
    }

    /// The tier with this name.
    #[must_use]
    pub fn tier(&self, name: &TierName) -> Option<&Tier> {
        self.tiers.get(name)
    }

    /// The inline record of a key.
    #[must_use]
    pub fn key(&self, digest: &KeyDigest) -> Option<&KeyRecord> {
        self.keys.get(digest)
    }

    /// The number of inline keys.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Every tier's name.
    pub fn tier_names(&self) -> impl Iterator<Item = &TierName> {
        self.tiers.keys()
    }

    /// Returns what to do with a path. The first rule that matches decides; a path without a rule is refused.
    #[must_use]
    pub fn path_action(&self, path: &[u8]) -> PathAction {
        let rule = self.paths.iter().find(|rule| rule.matches(path));
        rule.map_or(PathAction::Refused, |rule| rule.action)
    }

    /// Whether endpoints of the group may be called on metered paths.
    #[must_use]
    pub fn is_open(&self, group: EndpointGroup) -> bool {
        self.endpoints.contains(group)
    }

    /// Whether every key may reach objects of unknown makers, and lists of all objects.
    #[must_use]
    pub fn allows_unknown_objects(&self) -> bool {
        self.unknown_objects
    }

    /// Whether a request may ask for an upgrade (WebSocket).
    #[must_use]
    pub fn allows_upgrades(&self) -> bool {
        self.allow_upgrades
    }

    /// The key service; `None` if there are inline keys only.
    #[must_use]
    pub fn service(&self) -> Option<&ServicePolicy> {
        self.service.as_ref()
    }

    /// How tokens are estimated and weighted, and whether streams are asked to report them.
    #[must_use]
    pub fn metering(&self) -> &Metering {
        &self.metering
    }

    /// The bounds of the request bodies that a worker may hold.
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
