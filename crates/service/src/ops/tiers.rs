//! Tiers: the limits and models that many keys share. They travel to the filters with the keys.

use std::num::NonZeroU32;

use gmtech_core::ident::TierName;
use gmtech_core::model::ModelSet;
use gmtech_core::tier::Tier;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::fields;
use crate::service::Service;
use crate::store::policy::DEFAULT_TIER;
use crate::store::{StoreError, Team, TierInfo};

/// A tier to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTier {
    /// Its name: 1 to 64 letters, digits, `_` or `-`.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub name: String,
    /// Requests a minute.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub requests_per_minute: u32,
    /// Requests at once from a full bucket; null is as many as in a minute.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub requests_burst: Option<u32>,
    /// Tokens a minute.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub tokens_per_minute: u32,
    /// Tokens at once from a full bucket; null is as many as in a minute.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub tokens_burst: Option<u32>,
    /// Requests under way at once; null is any number.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_024)]
    pub max_in_flight: Option<u32>,
    /// The models that its keys may use, as patterns; null is all.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub models: Option<Vec<String>>,
}

/// What of a tier to change. What is absent stays; null takes a burst, the cap or the restriction of models away.
#[derive(Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTier {
    /// Requests a minute.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub requests_per_minute: Option<u32>,
    /// Requests at once from a full bucket.
    #[serde(default, deserialize_with = "crate::json::present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_i64)]
    pub requests_burst: Option<Option<u32>>,
    /// Tokens a minute.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub tokens_per_minute: Option<u32>,
    /// Tokens at once from a full bucket.
    #[serde(default, deserialize_with = "crate::json::present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_i64)]
    pub tokens_burst: Option<Option<u32>>,
    /// Requests under way at once.
    #[serde(default, deserialize_with = "crate::json::present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_024)]
    pub max_in_flight: Option<Option<u32>>,
    /// The models that its keys may use, as patterns.
    #[serde(default, deserialize_with = "crate::json::present")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub models: Option<Option<Vec<String>>>,
}

/// A tier, and how many keys have it.
#[derive(Clone, Debug)]
pub struct TierInUse {
    /// The tier.
    pub info: TierInfo,
    /// Its keys that have not been revoked; at most 1,000 are counted.
    pub keys: u32,
}

/// All tiers, by name, without counting their keys. Every caller may see them.
///
/// # Errors
/// Where the store does not answer.
pub async fn offered(service: &Service, _caller: &Caller) -> Result<Vec<TierInfo>, ApiError> {
    Ok(service.store.tiers().await?)
}

/// The tiers that this caller may give a key of the team; `now` is the tier that the key has, which it may keep.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn choices(
    service: &Service,
    caller: &Caller,
    team: &Team,
    now: Option<&TierName>,
) -> Result<Vec<TierInfo>, ApiError> {
    let mut tiers = offered(service, caller).await?;
    if caller.must_be_admin().is_err() {
        let allowed = team.policy.as_ref().and_then(|p| p.allowed_tiers.as_ref());
        tiers.retain(|tier| {
            Some(&tier.name) == now
                || match allowed {
                    Some(names) => names.contains(&tier.name),
                    None => tier.name.as_str() == DEFAULT_TIER,
                }
        });
    }
    Ok(tiers)
}

/// All tiers, by name. Every caller may see them.
///
/// # Errors
/// Where the store does not answer.
pub async fn list(service: &Service, _caller: &Caller) -> Result<Vec<TierInUse>, ApiError> {
    let mut all = Vec::new();
    for info in service.store.tiers().await? {
        let keys = service.store.keys_of_tier(&info.name).await?;
        all.push(TierInUse { info, keys });
    }
    Ok(all)
}

/// One tier.
///
/// # Errors
/// Where there is no such tier, or the store does not answer.
pub async fn show(service: &Service, caller: &Caller, name: &str) -> Result<TierInUse, ApiError> {
    let tiers = list(service, caller).await?;
    let found = tiers.into_iter().find(|t| t.info.name.as_str() == name);
    found.ok_or_else(|| ApiError::not_found("tier"))
}

/// Makes a tier.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, the name is taken, or the store does not answer.
pub async fn create(
    service: &Service,
    caller: &Caller,
    asked: CreateTier,
) -> Result<TierInUse, ApiError> {
    let by = caller.must_be_admin()?;
    let name = name(&asked.name)?;
    let tier = Tier {
        requests_per_minute: some("requests_per_minute", asked.requests_per_minute)?,
        requests_burst: optional("requests_burst", asked.requests_burst)?,
        tokens_per_minute: some("tokens_per_minute", asked.tokens_per_minute)?,
        tokens_burst: optional("tokens_burst", asked.tokens_burst)?,
        max_in_flight: optional("max_in_flight", asked.max_in_flight)?,
        models: models(asked.models)?,
    };
    check(&tier)?;
    let info = service.store.create_tier(&name, &tier, &by).await?;
    tracing::info!(tier = %name, by = by.actor, "tier created");
    Ok(TierInUse { info, keys: 0 })
}

/// Changes a tier. Its keys have the new limits and models as soon as the proxies have applied the change.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn update(
    service: &Service,
    caller: &Caller,
    name: &str,
    asked: UpdateTier,
) -> Result<TierInUse, ApiError> {
    let by = caller.must_be_admin()?;
    let found = show(service, caller, name).await?;
    let was = found.info.tier;
    let is = Tier {
        requests_per_minute: match asked.requests_per_minute {
            Some(n) => some("requests_per_minute", n)?,
            None => was.requests_per_minute,
        },
        requests_burst: match asked.requests_burst {
            Some(n) => optional("requests_burst", n)?,
            None => was.requests_burst,
        },
        tokens_per_minute: match asked.tokens_per_minute {
            Some(n) => some("tokens_per_minute", n)?,
            None => was.tokens_per_minute,
        },
        tokens_burst: match asked.tokens_burst {
            Some(n) => optional("tokens_burst", n)?,
            None => was.tokens_burst,
        },
        max_in_flight: match asked.max_in_flight {
            Some(n) => optional("max_in_flight", n)?,
            None => was.max_in_flight,
        },
        models: match asked.models {
            Some(list) => models(list)?,
            None => was.models.clone(),
        },
    };
    check(&is)?;
    let info = service
        .store
        .update_tier(&found.info.name, &was, &is, &by)
        .await?;
    tracing::info!(tier = name, by = by.actor, "tier updated");
    Ok(TierInUse { info, ..found })
}

/// Removes a tier that no key has.
///
/// # Errors
/// Where the caller may not, a key has it, it is the default tier, or the store does not answer.
pub async fn remove(service: &Service, caller: &Caller, name: &str) -> Result<(), ApiError> {
    let by = caller.must_be_admin()?;
    let name = TierName::new(name).map_err(|_| ApiError::not_found("tier"))?;
    if name.as_str() == DEFAULT_TIER {
        let message = format!(
            "{DEFAULT_TIER} is the tier of keys that name none; change its limits instead."
        );
        return Err(StoreError::Conflict(message).into());
    }
    service.store.remove_tier(&name, &by).await?;
    tracing::info!(tier = %name, by = by.actor, "tier removed");
    Ok(())
}

/// A name that can stand in metrics, where a dot would end it.
fn name(text: &str) -> Result<TierName, ApiError> {
    fields::id("name", text)?;
    match TierName::new(text) {
        Ok(name) if !text.contains('.') => Ok(name),
        _ => Err(ApiError::invalid(
            "name",
            "name must be 1 to 64 letters, digits, '_' or '-'.",
        )),
    }
}

fn some(field: &str, number: u32) -> Result<NonZeroU32, ApiError> {
    NonZeroU32::new(number)
        .ok_or_else(|| ApiError::invalid(field, format!("{field} must be at least 1.")))
}

fn optional(field: &str, number: Option<u32>) -> Result<Option<NonZeroU32>, ApiError> {
    number.map(|n| some(field, n)).transpose()
}

fn models(list: Option<Vec<String>>) -> Result<ModelSet, ApiError> {
    list.map_or_else(|| Ok(ModelSet::any()), fields::models)
}

fn check(tier: &Tier) -> Result<(), ApiError> {
    tier.check()
        .map_err(|why| ApiError::invalid(why.field, format!("{why}.")))
}
