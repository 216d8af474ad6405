//! The section on the key service.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::Deserialize;

use super::super::{ConfigError, ServicePolicy, SyncToken, WhenStale};
use super::error;
use crate::ident::TierName;
use crate::limiter::gcra::Limit;
use crate::limits::LimitOverrides;
use crate::tier::Tier;
use crate::time::SECOND;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawService {
    cluster: String,
    token: String,
    #[serde(default = "max_stale_seconds")]
    max_stale_seconds: u32,
    #[serde(default = "when_stale")]
    when_stale: WhenStale,
    #[serde(default = "resolves_per_second")]
    resolves_per_second: NonZeroU32,
    #[serde(default = "unknown_key_seconds")]
    unknown_key_seconds: u32,
    #[serde(default = "usage_memory_mib")]
    usage_memory_mib: u16,
}

/// An hour: long enough to repair a service, short enough for its failure to be noticed.
fn max_stale_seconds() -> u32 {
    3_600
}

/// Customers are served further; the metrics show that the service is silent.
fn when_stale() -> WhenStale {
    WhenStale::Allow
}

/// More than new keys need, and less than would overload a service.
fn resolves_per_second() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(19)
}

fn unknown_key_seconds() -> u32 {
    5
}

/// Enough for nine seconds at the highest rate of one worker, or a quarter of an hour at 100 requests a second.
fn usage_memory_mib() -> u16 {
    16
}

/// The most tiers whose fingerprints a poll tells. Those of further tiers are not compared.
const MOST_TIERS_TOLD: usize = 64;

/// The largest `usage_memory`, for each worker.
const MOST_USAGE_MEMORY_MIB: u16 = 1_024;

impl RawService {
    pub(super) fn compile(
        self,
        tiers: &HashMap<TierName, Arc<Tier>>,
    ) -> Result<ServicePolicy, ConfigError> {
        let printable = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic());
        for (field, text) in [("cluster", &self.cluster), ("token", &self.token)] {
            if !printable(text) {
                return Err(error(
                    format!("service.{field}"),
                    "must be visible ASCII, and not empty".into(),
                ));
            }
        }
        let per_second = self.resolves_per_second;
        let per_minute = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(59));
        let resolves = LimitOverrides {
            requests_per_minute: Some(per_minute),
            ..LimitOverrides::default()
        };
        resolves
            .check(&LimitOverrides::default())
            .map_err(|e| error("service.resolves_per_second".into(), e.problem))?;
        if !(1..=MOST_USAGE_MEMORY_MIB).contains(&self.usage_memory_mib) {
            return Err(error(
                "service.usage_memory_mib".into(),
                format!("must be 1 to {MOST_USAGE_MEMORY_MIB}"),
            ));
        }
        Ok(ServicePolicy {
            cluster: self.cluster,
            token: SyncToken(self.token),
            max_stale: u64::from(self.max_stale_seconds).saturating_mul(SECOND),
            when_stale: self.when_stale,
            resolves: Limit::per_minute(per_minute).with_burst(per_second),
            unknown_for: u64::from(self.unknown_key_seconds).saturating_mul(SECOND),
            tiers: told(tiers),
            usage_memory: usize::from(self.usage_memory_mib) << 20,
        })
    }
}

/// The fingerprints of the tiers, as a parameter of a poll's query: `&tiers=free:3f…,pro:a1…`.
fn told(tiers: &HashMap<TierName, Arc<Tier>>) -> String {
    let sorted: BTreeMap<_, _> = tiers.iter().collect();
    let told: Vec<String> = sorted
        .iter()
        .take(MOST_TIERS_TOLD)
        .map(|(name, tier)| format!("{name}:{}", tier.fingerprint()))
        .collect();
    format!("&tiers={}", told.join(","))
}
