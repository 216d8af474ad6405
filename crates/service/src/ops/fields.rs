//! Checks of request fields. A refusal names the field and what it must be, never its value.

use gmtech_core::address::{AddressSet, Network};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::{MIN_SECRET, PREFIX, name_holds_key};
use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::{ModelPattern, ModelSet};
use gmtech_core::request::{EndpointGroup, EndpointSet};
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::error::ApiError;
use crate::money::MAX_AMOUNT;
use crate::service::Service;
use crate::store::policy::{MAX_KEYS, MAX_LIFETIME};
use crate::store::{Amounts, Budgets, Once, Policy};

const MAX_NAME: usize = 100;
const MAX_PATTERNS: usize = 64;
const MAX_MODEL_BUDGETS: usize = 16;

/// Refuses a key that was pasted into the wrong field: what is stored is shown, and logged. The message says what is taken for
/// a key, since `gmtech_staging2024` is too.
pub(super) fn no_key(param: &str, text: &str) -> Result<(), ApiError> {
    if !name_holds_key(text.as_bytes()) {
        Ok(())
    } else {
        Err(ApiError::invalid(
            param,
            format!(
                "{param} must not hold a key: {PREFIX} with {MIN_SECRET} or more letters, digits, '_' or '-' behind it, of \
                 which one is a digit or a capital letter, is taken for one."
            ),
        ))
    }
}

/// A text for people: 1 to 100 characters, none of them a control character, and no key pasted by mistake.
pub(crate) fn name(param: &str, text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    no_key(param, text)?;
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(ApiError::invalid(
            param,
            format!("{param} must be 1 to {MAX_NAME} printable characters."),
        ));
    }
    Ok(text.into())
}

/// As [`name`], or nothing.
pub(crate) fn optional_text(param: &str, text: &str) -> Result<String, ApiError> {
    if text.trim().is_empty() {
        Ok(String::new())
    } else {
        name(param, text)
    }
}

/// An address of a person, as HTML's `<input type=email>` takes it, with a domain of two names or more
/// (<https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>).
pub(crate) fn email(param: &str, text: &str) -> Result<String, ApiError> {
    const MARKS: &[u8] = b".!#$%&'*+/=?^_`{|}~-";
    let is_local = |local: &str| {
        (1..=64).contains(&local.len())
            && local
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || MARKS.contains(&b))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_domain = |domain: &str| domain.contains('.') && domain.split('.').all(is_label);
    no_key(param, text)?;
    match text.split_once('@') {
        Some((local, domain)) if text.len() <= 254 && is_local(local) && is_domain(domain) => {
            Ok(text.into())
        }
        _ => Err(ApiError::invalid(
            param,
            format!("{param} must be an address such as a@example.com."),
        )),
    }
}

pub(crate) fn team(param: &str, text: &str) -> Result<TeamId, ApiError> {
    no_key(param, text)?;
    TeamId::new(text).map_err(|why| ApiError::invalid(param, format!("{param} {why}.")))
}

/// An id of a key, a team, a token or whatever else the audit log names.
pub(crate) fn id(param: &str, text: &str) -> Result<(), ApiError> {
    no_key(param, text)?;
    TeamId::new(text)
        .map(drop)
        .map_err(|why| ApiError::invalid(param, format!("{param} {why}.")))
}

/// A key's id in a path. A text that is no id is answered 404, as an unknown key is.
pub(crate) fn key_id(text: &str) -> Result<KeyId, ApiError> {
    KeyId::new(text).map_err(|_| ApiError::not_found("key"))
}

/// A team's id in a path.
pub(crate) fn path_team(text: &str) -> Result<TeamId, ApiError> {
    TeamId::new(text).map_err(|_| ApiError::not_found("team"))
}

/// The tiers that a key may have.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn tiers(service: &Service) -> Result<Vec<TierName>, ApiError> {
    let tiers = service.store.tiers().await?;
    Ok(tiers.into_iter().map(|tier| tier.name).collect())
}

/// One of these tiers.
pub(crate) fn tier(tiers: &[TierName], text: &str) -> Result<TierName, ApiError> {
    tiers
        .iter()
        .find(|t| t.as_str() == text)
        .cloned()
        .ok_or_else(|| {
            let known: Vec<_> = tiers.iter().map(TierName::as_str).collect();
            ApiError::invalid("tier", format!("tier must be one of {}.", known.join(", ")))
        })
}

pub(crate) fn models(list: Vec<String>) -> Result<ModelSet, ApiError> {
    if list.is_empty() || list.len() > MAX_PATTERNS {
        return Err(ApiError::invalid(
            "models",
            format!("models must list 1 to {MAX_PATTERNS} patterns, or be null."),
        ));
    }
    list.iter().try_for_each(|text| no_key("models", text))?;
    list.iter()
        .map(|text| ModelPattern::new(text))
        .collect::<Result<_, _>>()
        .map(ModelSet::new)
        .map_err(|why| ApiError::invalid("models", format!("Each of models: {why}.")))
}

/// An instant in RFC 3339, as seconds since the Unix epoch; 0 before it.
pub(crate) fn instant(param: &str, text: &str) -> Result<u64, ApiError> {
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        ApiError::invalid(
            param,
            format!("{param} must be RFC 3339, such as 2027-01-01T00:00:00Z."),
        )
    })?;
    Ok(u64::try_from(at.as_second()).unwrap_or(0))
}

/// An instant to come, in RFC 3339, as seconds since the Unix epoch.
pub(crate) fn expiry(text: &str, now: Millis) -> Result<u64, ApiError> {
    match instant("expires_at", text)? {
        seconds if seconds > now.unix_seconds() => Ok(seconds),
        _ => Err(ApiError::invalid(
            "expires_at",
            "expires_at must lie in the future.",
        )),
    }
}

/// Limits that can be counted. Where that depends on the tier's rate, the filter, which knows the tiers, restricts the limit.
pub(crate) fn limits(limits: LimitOverrides) -> Result<LimitOverrides, ApiError> {
    match limits.check(&LimitOverrides::default()) {
        Ok(()) => Ok(limits),
        Err(why) => Err(ApiError::invalid("limits", format!("limits.{why}."))),
    }
}

pub(crate) fn budgets(budgets: Budgets) -> Result<Budgets, ApiError> {
    amounts("budgets", &budgets.hard())?;
    amounts("budgets.soft", &budgets.soft)?;
    if budgets.models.len() > MAX_MODEL_BUDGETS {
        return Err(ApiError::invalid(
            "budgets",
            format!("budgets.models must name at most {MAX_MODEL_BUDGETS} patterns."),
        ));
    }
    for (pattern, budget) in &budgets.models {
        no_key("budgets", pattern)?;
        ModelPattern::new(pattern).map_err(|why| {
            ApiError::invalid("budgets", format!("Each of budgets.models: {why}."))
        })?;
        amounts("budgets.models", budget)?;
        if budget.is_empty() {
            return Err(ApiError::invalid(
                "budgets",
                "Each of budgets.models must give an amount.",
            ));
        }
    }
    Ok(budgets)
}

fn amounts(place: &str, amounts: &Amounts) -> Result<(), ApiError> {
    for (name, amount) in amounts.named() {
        if amount.is_some_and(|a| !(0..=MAX_AMOUNT).contains(&a)) {
            let message = format!("{place}.{name} must be 0 to {MAX_AMOUNT}.");
            return Err(ApiError::invalid("budgets", message));
        }
    }
    Ok(())
}

/// The networks that a key may be used from.
pub(crate) fn addresses(list: &[String]) -> Result<AddressSet, ApiError> {
    let wrong = |why: &dyn std::fmt::Display| {
        ApiError::invalid("allowed_ips", format!("Each of allowed_ips {why}."))
    };
    if list.is_empty() {
        return Err(ApiError::invalid(
            "allowed_ips",
            "allowed_ips must name an address, or be null for any.",
        ));
    }
    list.iter()
        .try_for_each(|text| no_key("allowed_ips", text))?;
    let networks: Result<Vec<Network>, _> = list.iter().map(|text| text.parse()).collect();
    AddressSet::new(networks.map_err(|why| wrong(&why))?)
        .map_err(|why| ApiError::invalid("allowed_ips", format!("allowed_ips {why}.")))
}

/// The groups of endpoints that a key may use.
pub(crate) fn endpoints(list: &[String]) -> Result<EndpointSet, ApiError> {
    if list.is_empty() {
        return Err(ApiError::invalid(
            "endpoints",
            "endpoints must name a group, or be null for all that are open.",
        ));
    }
    let groups: Result<EndpointSet, _> = list
        .iter()
        .map(|name| name.parse::<EndpointGroup>())
        .collect();
    groups.map_err(|why| ApiError::invalid("endpoints", format!("endpoints: {why}.")))
}

/// What a team's own administrators may do.
pub(crate) fn policy(tiers: &[TierName], policy: Policy) -> Result<Policy, ApiError> {
    let wrong = |why: String| ApiError::invalid("policy", format!("policy.{why}"));
    if let Some(allowed) = &policy.allowed_tiers {
        if allowed.is_empty() || allowed.len() > MAX_PATTERNS {
            return Err(wrong(format!("allowed_tiers must be 1 to {MAX_PATTERNS}.")));
        }
        for name in allowed {
            tier(tiers, name.as_str())
                .map_err(|_| wrong(format!("allowed_tiers: there is no tier {name}.")))?;
        }
    }
    if let Some(set) = &policy.models {
        let patterns = set.patterns().iter().cloned().map(String::from).collect();
        models(patterns)?;
    }
    limits(policy.limits.clone())?;
    amounts("policy.budgets", &policy.budgets)?;
    if policy.max_keys.is_some_and(|n| n > MAX_KEYS) {
        return Err(wrong(format!("max_keys must be 0 to {MAX_KEYS}.")));
    }
    let lifetime = policy.max_key_lifetime_seconds;
    if lifetime.is_some_and(|s| !(60..=MAX_LIFETIME).contains(&s)) {
        return Err(wrong(format!(
            "max_key_lifetime_seconds must be 60 to {MAX_LIFETIME}."
        )));
    }
    Ok(policy)
}

/// An idempotency token bound to what is asked with it: the same token with another request is a mistake.
pub(crate) fn once(
    token: Option<String>,
    asked: &impl serde::Serialize,
) -> Result<Option<Once>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    no_key("Idempotency-Key", &token)?;
    let plain = token.bytes().all(|b| matches!(b, b' '..=b'~'));
    if !(1..=255).contains(&token.len()) || !plain {
        return Err(ApiError::invalid(
            "Idempotency-Key",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
        ));
    }
    let asked = serde_json::to_vec(asked).map_err(|error| ApiError::internal(&error))?;
    Ok(Some(Once {
        token,
        request: Sha256::digest(asked).into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pasted_into_another_field_is_refused_and_not_repeated() {
        let pasted = "gmtech_0123456789abcdefghij";
        let refusals = [
            name("name", pasted).map(drop),
            optional_text("note", pasted).map(drop),
            email("email", &format!("{pasted}@example.com")).map(drop),
            team("id", pasted).map(drop),
            models(vec!["gpt-4o*".into(), pasted.into()]).map(drop),
            once(Some(pasted.into()), &()).map(drop),
            // A name that only looks like a key: the message says why.
            team("id", "gmtech_staging2024").map(drop),
        ];
        for refusal in refusals {
            let told = format!("{:?}", refusal.expect_err("refused"));
            assert!(!told.contains("0123456789"), "{told}");
            assert!(told.contains("gmtech_ with 8 or more letters"), "{told}");
        }
        assert!(team("id", "gmtech_demo").is_ok());
        assert!(team("id", "gmtech_production").is_ok());
    }
}
