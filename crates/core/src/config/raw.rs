//! The configuration as an operator writes it, and its compilation.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{ConfigError, Metering, Policy};
use crate::address::AddressSet;
use crate::auth::CredentialHeader;
use crate::ident::{KeyId, TeamId, TierName};
use crate::json::Entries;
use crate::key::{KeyDigest, redact};
use crate::limits::LimitOverrides;
use crate::model::ModelSet;
use crate::path::{PathAction, PathRule};
use crate::record::{KeyRecord, Status};
use crate::request::{EndpointGroup, EndpointSet, UnknownGroup};
use crate::tier::{DEFAULT_TIERS, Tier};
use crate::usage::Weights;

mod bodies;
mod place;
mod service;

/// Output that is reserved for a request without a cap, as long as there is no forecast for its key and model: the
/// length of a usual chat answer. The settlement corrects it.
const DEFAULT_OUTPUT: u32 = 1_024;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    tiers: Entries<RawTier>,
    keys: Entries<RawKey>,
    paths: Option<Vec<RawPath>>,
    endpoints: Entries<RawSwitch>,
    unknown_objects: RawSwitch,
    upgrades: RawSwitch,
    credential_headers: Option<Vec<RawCredentialHeader>>,
    metering: RawMetering,
    held_bodies: bodies::RawBodies,
    service: Option<service::RawService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawMetering {
    default_output_tokens: u32,
    weights: Weights,
    include_usage: bool,
    include_usage_except_models: ModelSet,
}

impl Default for RawMetering {
    fn default() -> Self {
        Self {
            default_output_tokens: DEFAULT_OUTPUT,
            weights: Weights::default(),
            include_usage: true,
            include_usage_except_models: ModelSet::new(Vec::new()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    requests_per_minute: NonZeroU32,
    requests_burst: Option<NonZeroU32>,
    tokens_per_minute: NonZeroU32,
    tokens_burst: Option<NonZeroU32>,
    max_in_flight: Option<NonZeroU32>,
    models: Option<ModelSet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    id: KeyId,
    team: TeamId,
    tier: TierName,
    #[serde(default = "active")]
    status: Status,
    models: Option<ModelSet>,
    #[serde(default)]
    limits: LimitOverrides,
    #[serde(default, deserialize_with = "timestamp")]
    expires_at: Option<UnixSeconds>,
    lineage: Option<KeyId>,
    addresses: Option<AddressSet>,
    endpoints: Option<EndpointSet>,
}

/// Seconds since the Unix epoch.
type UnixSeconds = u64;

fn timestamp<'de, D: Deserializer<'de>>(d: D) -> Result<Option<UnixSeconds>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    let read = |t: String| {
        let time = humantime::parse_rfc3339(&t).ok()?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
    };
    let example = "must be an RFC 3339 time after 1970, in UTC, such as 2027-01-01T00:00:00Z";
    text.map(|t| read(t).ok_or_else(|| D::Error::custom(example)))
        .transpose()
}

fn active() -> Status {
    Status::Active
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPath {
    exact: Option<String>,
    prefix: Option<String>,
    action: PathAction,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawSwitch {
    #[default]
    Refuse,
    Allow,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawCredentialHeader {
    Authorization,
    XApiKey,
    ApiKey,
    XGoogApiKey,
}

pub(super) fn parse(json: &[u8]) -> Result<RawConfig, ConfigError> {
    match json.trim_ascii().first() {
        None => return Ok(RawConfig::default()),
        Some(b'{') => {}
        // serde would read a list as the fields in their order.
        Some(_) => return Err(error(".".into(), "must be a JSON object".into())),
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let raw = serde_path_to_error::deserialize(&mut reader)
        .map_err(|e| error(place::written(e.path()), e.inner().to_string()))?;
    reader.end().map_err(|e| error(".".into(), e.to_string()))?;
    Ok(raw)
}

fn error(path: String, problem: String) -> ConfigError {
    ConfigError {
        // A mistyped table can contain a key in the place of its digest.
        path: redact(&path),
        problem: redact(&problem),
    }
}

impl RawConfig {
    pub(super) fn compile(self) -> Result<Policy, ConfigError> {
        let tiers = tiers(self.tiers)?;
        let service = self.service.map(|raw| raw.compile(&tiers)).transpose()?;
        Ok(Policy {
            keys: keys(self.keys, &tiers)?,
            tiers,
            paths: paths(self.paths)?,
            endpoints: endpoints(self.endpoints)?,
            unknown_objects: matches!(self.unknown_objects, RawSwitch::Allow),
            allow_upgrades: matches!(self.upgrades, RawSwitch::Allow),
            credential_headers: credential_headers(self.credential_headers)?,
            metering: Metering {
                default_output: u64::from(self.metering.default_output_tokens),
                weights: self.metering.weights,
                include_usage: self.metering.include_usage,
                include_usage_except: self.metering.include_usage_except_models,
            },
            bodies: self.held_bodies.compile()?,
            service,
        })
    }
}

fn tiers(raw: Entries<RawTier>) -> Result<HashMap<TierName, Arc<Tier>>, ConfigError> {
    let mut tiers = HashMap::new();
    for (name, requests, tokens) in DEFAULT_TIERS {
        let tier = Tier::of_rates(requests, tokens);
        if let (Ok(name), Some(tier)) = (TierName::new(name), tier) {
            tiers.insert(name, Arc::new(tier));
        }
    }
    let mut seen = HashSet::new();
    for (name, raw) in raw.0 {
        let at = |field: &str| format!("tiers.{name}{field}");
        let tier_name = TierName::new(&name).map_err(|e| error(at(""), e.to_string()))?;
        // The tier is a segment of a metric's dotted name.
        if name.contains('.') {
            return Err(error(at(""), "must not contain a dot".into()));
        }
        if !seen.insert(tier_name.clone()) {
            return Err(error(at(""), "is listed twice".into()));
        }
        let tier = Tier {
            requests_per_minute: raw.requests_per_minute,
            requests_burst: raw.requests_burst,
            tokens_per_minute: raw.tokens_per_minute,
            tokens_burst: raw.tokens_burst,
            max_in_flight: raw.max_in_flight,
            models: raw.models.unwrap_or_else(ModelSet::any),
        };
        tier.check()
            .map_err(|e| error(at(&format!(".{}", e.field)), e.problem))?;
        tiers.insert(tier_name, Arc::new(tier));
    }
    Ok(tiers)
}

fn keys(
    raw: Entries<RawKey>,
    tiers: &HashMap<TierName, Arc<Tier>>,
) -> Result<HashMap<KeyDigest, KeyRecord>, ConfigError> {
    let mut keys = HashMap::with_capacity(raw.0.len());
    let mut ids = HashSet::with_capacity(raw.0.len());
    for (digest, raw) in raw.0 {
        let at = |field: &str| format!("keys.{digest}{field}");
        let parsed = KeyDigest::from_hex(&digest).map_err(|e| error(at(""), e.to_string()))?;
        let Some(tier) = tiers.get(&raw.tier) else {
            let mut known: Vec<_> = tiers.keys().map(TierName::as_str).collect();
            known.sort_unstable();
            let problem = format!("no tier `{}`; there are: {}", raw.tier, known.join(", "));
            return Err(error(at(".tier"), problem));
        };
        check(&raw.limits, &tier.as_overrides(), &at(".limits"))?;
        if !ids.insert(raw.id.clone()) {
            let problem = format!("`{}` is already the id of another key", raw.id);
            return Err(error(at(".id"), problem));
        }
        let record = KeyRecord {
            id: raw.id,
            team: raw.team,
            tier: raw.tier,
            status: raw.status,
            models: raw.models,
            limits: raw.limits,
            expires_at: raw.expires_at,
            lineage: raw.lineage,
            addresses: raw.addresses,
            endpoints: raw.endpoints,
            spent_models: None,
        };
        if keys.insert(parsed, record).is_some() {
            return Err(error(at(""), "is listed twice".into()));
        }
    }
    Ok(keys)
}

/// Refuses limits that are out of range; `at` is their place.
fn check(limits: &LimitOverrides, tier: &LimitOverrides, at: &str) -> Result<(), ConfigError> {
    limits
        .check(tier)
        .map_err(|e| error(format!("{at}.{}", e.field), e.problem))
}

fn paths(raw: Option<Vec<RawPath>>) -> Result<Vec<PathRule>, ConfigError> {
    let Some(raw) = raw else {
        return Ok(PathRule::defaults());
    };
    let rule = |(i, raw): (usize, RawPath)| {
        let rule = match (raw.exact, raw.prefix) {
            (Some(path), None) => PathRule::exact(&path, raw.action),
            (None, Some(path)) => PathRule::prefix(&path, raw.action),
            _ => {
                return Err(error(
                    format!("paths[{i}]"),
                    "needs either `exact` or `prefix`".into(),
                ));
            }
        };
        rule.map_err(|e| error(format!("paths[{i}]"), e.to_string()))
    };
    raw.into_iter().enumerate().map(rule).collect()
}

fn endpoints(raw: Entries<RawSwitch>) -> Result<EndpointSet, ConfigError> {
    let mut open = EndpointSet::open_by_default();
    let mut seen = HashSet::new();
    for (name, switch) in raw.0 {
        let at = format!("endpoints.{name}");
        let group: EndpointGroup = name
            .parse()
            .map_err(|e: UnknownGroup| error(at.clone(), e.to_string()))?;
        if !seen.insert(group) {
            return Err(error(at, "is listed twice".into()));
        }
        open.set(group, matches!(switch, RawSwitch::Allow));
    }
    Ok(open)
}

fn credential_headers(
    raw: Option<Vec<RawCredentialHeader>>,
) -> Result<Vec<CredentialHeader>, ConfigError> {
    let headers = raw.unwrap_or_else(|| vec![RawCredentialHeader::Authorization]);
    if headers.is_empty() {
        let problem = "must not be empty: no key could be sent".into();
        return Err(error("credential_headers".into(), problem));
    }
    Ok(headers
        .into_iter()
        .map(|h| match h {
            RawCredentialHeader::Authorization => CredentialHeader::Authorization,
            RawCredentialHeader::XApiKey => CredentialHeader::XApiKey,
            RawCredentialHeader::ApiKey => CredentialHeader::ApiKey,
            RawCredentialHeader::XGoogApiKey => CredentialHeader::XGoogApiKey,
        })
        .collect())
}
