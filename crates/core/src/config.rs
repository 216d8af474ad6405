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
use std::sync::Arc;

use serde::Deserialize;

use crate::auth::CredentialHeader;
use crate::holding::Bounds;
use crate::ident::TierName;
use crate::key::KeyDigest;
use crate::limiter::gcra::Limit;
use crate::model::ModelSet;
use crate::path::{PathAction, PathRule};
use crate::record::KeyRecord;
use crate::request::{EndpointGroup, EndpointSet};
use crate::tier::Tier;
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
    tiers: HashMap<TierName, Arc<Tier>>,
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
    /// The fingerprints of the configured tiers, as a parameter to append to a poll's query. The service compares them
    /// with its own tiers.
    pub tiers: String,
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

    /// The configured tier with this name.
    #[must_use]
    pub fn tier(&self, name: &TierName) -> Option<&Arc<Tier>> {
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
