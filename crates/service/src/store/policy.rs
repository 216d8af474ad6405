//! Enforces a team's policy: what its own administrators may do with its keys.
//!
//! What it is: a pure function. [`hold`] takes the key before and after the change. It refuses what the policy does not allow, and
//! fills in what the policy requires and the request left open. The store calls it within the transaction that changes the
//! key, so that nothing changes in between.
//!
//! What it is not: it binds no administrator of the service, and it changes no key that is there already.
//!
//! # The law
//! Whatever a team's administrator sets is as it was, or tighter than it was, or within the policy.

use gmtech_core::ident::TierName;
use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::ModelSet;
use gmtech_core::request::EndpointSet;

use crate::clock::Millis;
use crate::store::{Amounts, KeyInfo, Policy};

/// The tier of a key when the request names none.
pub const DEFAULT_TIER: &str = "free";

/// The longest lifetime that a policy can force, in seconds: ten years.
pub const MAX_LIFETIME: u64 = 10 * 365 * 86_400;

/// The most keys that a policy can count.
pub const MAX_KEYS: u32 = 1_000_000;

/// Something that a team's administrator may not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The field that goes too far.
    pub field: &'static str,
    /// What may be, and who can change that.
    pub message: String,
}

impl Refusal {
    fn new(field: &'static str, what: impl std::fmt::Display) -> Self {
        Self {
            field,
            message: format!(
                "{what} An administrator of the service can change this, or the team's policy."
            ),
        }
    }

    /// Resuming a key that an administrator of the service has suspended.
    #[must_use]
    pub fn held() -> Self {
        Self::new(
            "status",
            "An administrator of the service has suspended this key, so the team cannot resume it.",
        )
    }

    /// One key more than there may be.
    #[must_use]
    pub fn too_many(most: u32) -> Self {
        Self::new(
            "team",
            format_args!(
                "This team may have {most} keys that have not ended, and has them. Revoke one first."
            ),
        )
    }
}

/// Holds the key `is` to the policy; `was` is the key before the change, or the one that it continues.
///
/// # Errors
/// [`Refusal`] at the first field that goes too far.
pub fn hold(policy: &Policy, was: Option<&KeyInfo>, is: &mut KeyInfo) -> Result<(), Refusal> {
    tier(policy, was, is)?;
    models(policy, was, is)?;
    endpoints(policy, was, is)?;
    limits(policy, was, is)?;
    budgets(policy, was, is)?;
    lifetime(policy, was, is)
}

fn tier(policy: &Policy, was: Option<&KeyInfo>, is: &KeyInfo) -> Result<(), Refusal> {
    let tier = &is.record.tier;
    if was.is_some_and(|was| was.record.tier == *tier) {
        return Ok(());
    }
    let names: Vec<&str> = match &policy.allowed_tiers {
        Some(allowed) => allowed.iter().map(TierName::as_str).collect(),
        None => vec![DEFAULT_TIER],
    };
    if names.contains(&tier.as_str()) {
        return Ok(());
    }
    Err(Refusal::new(
        "tier",
        format_args!(
            "tier must be one that this team may choose: {}.",
            names.join(", ")
        ),
    ))
}

fn models(policy: &Policy, was: Option<&KeyInfo>, is: &mut KeyInfo) -> Result<(), Refusal> {
    let covers = |wide: &ModelSet, narrow: &ModelSet| wide.covers(narrow);
    let before = was.map(|was| was.record.models.as_ref());
    if within(
        before,
        policy.models.as_ref(),
        &mut is.record.models,
        covers,
    ) {
        return Ok(());
    }
    Err(Refusal::new(
        "models",
        "models must stay within what this team, or this key, may use.",
    ))
}

fn endpoints(policy: &Policy, was: Option<&KeyInfo>, is: &mut KeyInfo) -> Result<(), Refusal> {
    let covers = |wide: &EndpointSet, narrow: &EndpointSet| {
        narrow.groups().all(|group| wide.contains(group))
    };
    let before = was.map(|was| was.record.endpoints.as_ref());
    if within(
        before,
        policy.endpoints.as_ref(),
        &mut is.record.endpoints,
        covers,
    ) {
        return Ok(());
    }
    Err(Refusal::new(
        "endpoints",
        "endpoints must stay within what this team, or this key, may use.",
    ))
}

/// Whether a set, where none is everything, is as before, narrower than before, or within the cap. One that is left open
/// under a cap becomes the cap.
fn within<T: Clone + PartialEq>(
    before: Option<Option<&T>>,
    cap: Option<&T>,
    is: &mut Option<T>,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    if before.is_some_and(|before| before == is.as_ref()) {
        return true;
    }
    let before = before.flatten();
    match (&*is, cap) {
        (None, Some(cap)) => {
            *is = Some(cap.clone());
            true
        }
        (None, None) => before.is_none(),
        (Some(set), cap) => {
            let free = cap.is_none() && before.is_none();
            free || cap.is_some_and(|cap| covers(cap, set))
                || before.is_some_and(|b| covers(b, set))
        }
    }
}

fn limits(policy: &Policy, was: Option<&KeyInfo>, is: &KeyInfo) -> Result<(), Refusal> {
    let none = LimitOverrides::default();
    let before = each_limit(was.map_or(&none, |was| &was.record.limits));
    let mut caps = policy.limits.clone();
    // As many at once as a minute has, which is what a bucket holds by default.
    caps.requests_burst = caps.requests_burst.or(caps.requests_per_minute);
    caps.tokens_burst = caps.tokens_burst.or(caps.tokens_per_minute);
    let fields = each_limit(&is.record.limits);
    for (((name, value), (_, before)), (_, cap)) in
        fields.into_iter().zip(before).zip(each_limit(&caps))
    {
        let fits = match value {
            // The tier's limit applies again, which may be higher than it was.
            None => cap.is_some(),
            Some(value) => cap.is_some_and(|c| value <= c) || before.is_some_and(|b| value <= b),
        };
        if value == before || fits {
            continue;
        }
        let most = match (cap, before) {
            (Some(cap), _) => format!("limits.{name} can be at most {cap} in this team."),
            (None, Some(before)) => format!("limits.{name} can only be lowered from {before}."),
            (None, None) => format!("limits.{name} is not this team's to set."),
        };
        return Err(Refusal::new("limits", most));
    }
    Ok(())
}

fn each_limit(limits: &LimitOverrides) -> [(&'static str, Option<u32>); 5] {
    let number = |n: Option<std::num::NonZeroU32>| n.map(std::num::NonZeroU32::get);
    [
        ("requests_per_minute", number(limits.requests_per_minute)),
        ("requests_burst", number(limits.requests_burst)),
        ("tokens_per_minute", number(limits.tokens_per_minute)),
        ("tokens_burst", number(limits.tokens_burst)),
        ("max_in_flight", number(limits.max_in_flight)),
    ]
}

fn budgets(policy: &Policy, was: Option<&KeyInfo>, is: &mut KeyInfo) -> Result<(), Refusal> {
    let before = was.map(|was| was.budgets.hard());
    let mut hard = is.budgets.hard();
    amounts("budgets.", &policy.budgets, before, &mut hard)?;
    is.budgets.set_hard(hard);
    let none = Amounts::default();
    for (pattern, before) in was.into_iter().flat_map(|was| &was.budgets.models) {
        let mut now = is.budgets.models.get(pattern).copied().unwrap_or(none);
        amounts("budgets.models: ", &none, Some(*before), &mut now)?;
    }
    Ok(())
}

/// Holds each amount: as it was, lower than it was, within the cap, or new where there is neither.
fn amounts(
    place: &str,
    caps: &Amounts,
    was: Option<Amounts>,
    is: &mut Amounts,
) -> Result<(), Refusal> {
    let before = was.unwrap_or_default().named();
    for (((value, (name, cap)), (_, before)), is_new) in is
        .each_mut()
        .into_iter()
        .zip(caps.named())
        .zip(before)
        .zip(std::iter::repeat(was.is_none()))
    {
        if !is_new && *value == before {
            continue;
        }
        let fits = match (*value, cap, before) {
            (None, Some(_), _) => {
                *value = cap;
                true
            }
            (None, None, before) => before.is_none(),
            (Some(_), None, None) => true,
            (Some(v), cap, before) => cap.is_some_and(|c| v <= c) || before.is_some_and(|b| v <= b),
        };
        if !fits {
            let most = match (cap, before) {
                (Some(cap), _) => format!("{place}{name} can be at most {cap} in this team."),
                (None, before) => format!(
                    "{place}{name} can only be lowered from {}.",
                    before.unwrap_or_default()
                ),
            };
            return Err(Refusal::new("budgets", most));
        }
    }
    Ok(())
}

fn lifetime(policy: &Policy, was: Option<&KeyInfo>, is: &mut KeyInfo) -> Result<(), Refusal> {
    let Some(longest) = policy.max_key_lifetime_seconds else {
        return Ok(());
    };
    if was.is_some_and(|was| {
        was.record.id == is.record.id && was.record.expires_at == is.record.expires_at
    }) {
        return Ok(());
    }
    let latest = is.created_at.unix_seconds().saturating_add(longest);
    match is.record.expires_at {
        None => is.record.expires_at = Some(latest),
        Some(at) if at > latest => {
            let latest = Millis(
                i64::try_from(latest)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1000),
            )
            .to_rfc3339();
            return Err(Refusal::new(
                "expires_at",
                format_args!(
                    "expires_at can be at most {latest}, {longest} seconds after the key's creation. Rotate it to go on."
                ),
            ));
        }
        Some(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
