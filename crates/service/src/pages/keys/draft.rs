//! What a key's form holds, as it was typed, and what is meant by it.

use std::num::NonZeroU32;

use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::{ModelPattern, ModelSet};
use gmtech_core::request::EndpointGroup;
use serde::Deserialize;

use crate::clock::Millis;
use crate::error::ApiError;
use crate::money::{format_usd, parse_usd};
use crate::ops::keys::{CreateKey, UpdateKey};
use crate::store::{Amounts, Budgets, KeyInfo};

/// The fields of the form, as their names are.
pub(super) const FIELDS: [&str; 17] = [
    "name",
    "tier",
    "owner",
    "tags",
    "models",
    "endpoints",
    "allowed_ips",
    "requests_per_minute",
    "requests_burst",
    "tokens_per_minute",
    "tokens_burst",
    "max_in_flight",
    "budget_day",
    "budget_week",
    "budget_month",
    "budget_total",
    "expires_at",
];

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Draft {
    /// Makes the form do its work once.
    pub(super) once: String,
    pub(super) name: String,
    pub(super) tier: String,
    pub(super) owner: String,
    pub(super) tags: String,
    pub(super) models: String,
    pub(super) endpoints: Vec<String>,
    pub(super) allowed_ips: String,
    pub(super) requests_per_minute: String,
    pub(super) requests_burst: String,
    pub(super) tokens_per_minute: String,
    pub(super) tokens_burst: String,
    pub(super) max_in_flight: String,
    pub(super) budget_day: String,
    pub(super) budget_week: String,
    pub(super) budget_month: String,
    pub(super) budget_total: String,
    pub(super) expires_at: String,
}

impl Draft {
    /// The form of a key that is there.
    pub(super) fn of(key: &KeyInfo) -> Self {
        let record = &key.record;
        let limits = &record.limits;
        let number = |limit: Option<NonZeroU32>| limit.map(|n| n.to_string()).unwrap_or_default();
        let dollars = |amount: Option<i64>| amount.map(format_usd).unwrap_or_default();
        let addresses = record.addresses.as_ref().map(|set| {
            let networks: Vec<_> = set.networks().iter().map(ToString::to_string).collect();
            networks.join("\n")
        });
        let endpoints = record.endpoints.as_ref().map(|set| {
            let groups = set.groups().map(|group| group.name().to_owned());
            groups.collect()
        });
        Self {
            once: String::new(),
            name: key.name.clone(),
            tier: record.tier.to_string(),
            owner: key.owner.clone().unwrap_or_default(),
            tags: key.tags.join(", "),
            models: record
                .models
                .as_ref()
                .map(patterns)
                .unwrap_or_default()
                .join("\n"),
            endpoints: endpoints.unwrap_or_default(),
            allowed_ips: addresses.unwrap_or_default(),
            requests_per_minute: number(limits.requests_per_minute),
            requests_burst: number(limits.requests_burst),
            tokens_per_minute: number(limits.tokens_per_minute),
            tokens_burst: number(limits.tokens_burst),
            max_in_flight: number(limits.max_in_flight),
            budget_day: dollars(key.budgets.day_nano_usd),
            budget_week: dollars(key.budgets.week_nano_usd),
            budget_month: dollars(key.budgets.month_nano_usd),
            budget_total: dollars(key.budgets.total_nano_usd),
            expires_at: record.expires_at.map(typed_instant).unwrap_or_default(),
        }
    }

    /// The key that is to be made.
    ///
    /// # Errors
    /// For the first field that cannot be read.
    pub(super) fn create(&self, team: &str) -> Result<CreateKey, ApiError> {
        let mut budgets = Budgets::default();
        budgets.set_hard(self.budgets()?);
        Ok(CreateKey {
            team: team.to_owned(),
            name: self.name.trim().to_owned(),
            tier: text(&self.tier),
            models: list(&self.models),
            limits: self.limits()?,
            expires_at: self.expires_at()?,
            budgets,
            allowed_ips: list(&self.allowed_ips),
            endpoints: self.endpoints(),
            owner: text(&self.owner),
            metadata: Default::default(),
            tags: list(&self.tags).unwrap_or_default(),
        })
    }

    /// What is to be changed of `key`: what the form has no field for stays as it is.
    ///
    /// # Errors
    /// For the first field that cannot be read.
    pub(super) fn update(&self, key: &KeyInfo) -> Result<UpdateKey, ApiError> {
        let was = Self::of(key);
        let mut budgets = key.budgets.clone();
        budgets.set_hard(self.budgets()?);
        let owner = text(&self.owner);
        // An end that was not touched may lie in the past.
        let expires_at = match self.expires_at == was.expires_at {
            true => None,
            false => Some(self.expires_at()?),
        };
        Ok(UpdateKey {
            name: Some(self.name.trim().to_owned()),
            tier: changed(&self.tier, &was.tier),
            models: changed(&list(&self.models), &list(&was.models)),
            limits: changed(&self.limits()?, &key.record.limits),
            expires_at,
            budgets: changed(&budgets, &key.budgets),
            allowed_ips: changed(&list(&self.allowed_ips), &list(&was.allowed_ips)),
            endpoints: changed(&self.endpoints(), &was.endpoints()),
            owner: changed(&owner, &key.owner),
            metadata: None,
            tags: changed(&list(&self.tags).unwrap_or_default(), &key.tags),
        })
    }

    fn limits(&self) -> Result<LimitOverrides, ApiError> {
        Ok(LimitOverrides {
            requests_per_minute: number("requests_per_minute", &self.requests_per_minute)?,
            requests_burst: number("requests_burst", &self.requests_burst)?,
            tokens_per_minute: number("tokens_per_minute", &self.tokens_per_minute)?,
            tokens_burst: number("tokens_burst", &self.tokens_burst)?,
            max_in_flight: number("max_in_flight", &self.max_in_flight)?,
        })
    }

    fn budgets(&self) -> Result<Amounts, ApiError> {
        Ok(Amounts {
            day_nano_usd: dollars("budget_day", &self.budget_day)?,
            week_nano_usd: dollars("budget_week", &self.budget_week)?,
            month_nano_usd: dollars("budget_month", &self.budget_month)?,
            total_nano_usd: dollars("budget_total", &self.budget_total)?,
        })
    }

    fn endpoints(&self) -> Option<Vec<String>> {
        let known: Vec<String> = EndpointGroup::all().map(|g| g.name().to_owned()).collect();
        let chosen: Vec<String> = (self.endpoints.iter())
            .filter(|name| known.contains(name))
            .cloned()
            .collect();
        (!chosen.is_empty()).then_some(chosen)
    }

    /// The end in RFC 3339. What was typed is UTC.
    fn expires_at(&self) -> Result<Option<String>, ApiError> {
        let Some(typed) = text(&self.expires_at) else {
            return Ok(None);
        };
        let whole = match typed.len() {
            10 => format!("{typed}T00:00:00Z"),
            16 => format!("{typed}:00Z"),
            19 => format!("{typed}Z"),
            _ => typed,
        };
        let read: Result<jiff::Timestamp, _> = whole.parse();
        match read {
            Ok(_) => Ok(Some(whole)),
            Err(_) => Err(ApiError::invalid(
                "expires_at",
                "Expiry must be a day and a time in UTC, such as 2027-01-01T00:00.",
            )),
        }
    }
}

/// The mistake at the field of the form that it is about: limits and budgets have several.
pub(super) fn placed(error: ApiError) -> ApiError {
    let message = error.message().to_owned();
    let field = match error.param() {
        Some("limits") => FIELDS.iter().find(|field| message.contains(**field)),
        Some("budgets") => ["day", "week", "month", "total"]
            .iter()
            .position(|span| message.contains(&format!("{span}_nano_usd")))
            .and_then(|at| FIELDS.get(12 + at)),
        Some(param) if param.starts_with("limits.") => {
            FIELDS.iter().find(|field| param.ends_with(**field))
        }
        _ => None,
    };
    match (field, error.param()) {
        (Some(field), _) => error.of(field),
        (None, Some("limits")) => error.of("requests_per_minute"),
        (None, Some("budgets")) => error.of("budget_day"),
        _ => error,
    }
}

/// A set's patterns, as they are typed.
pub(super) fn patterns(set: &ModelSet) -> Vec<String> {
    let patterns = set.patterns().iter().cloned();
    patterns.map(ModelPattern::into).collect()
}

fn changed<T: Clone + PartialEq>(to: &T, from: &T) -> Option<T> {
    (to != from).then(|| to.clone())
}

fn text(typed: &str) -> Option<String> {
    let typed = typed.trim();
    (!typed.is_empty()).then(|| typed.to_owned())
}

/// Words, one a line or with commas between them.
fn list(typed: &str) -> Option<Vec<String>> {
    let words: Vec<String> = typed
        .split([',', '\n', '\r', ' ', '\t'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    (!words.is_empty()).then_some(words)
}

fn number(field: &str, typed: &str) -> Result<Option<NonZeroU32>, ApiError> {
    let Some(typed) = text(typed) else {
        return Ok(None);
    };
    let digits: String = typed
        .chars()
        .filter(|c| !matches!(c, ',' | ' ' | '_'))
        .collect();
    let read = digits.parse::<NonZeroU32>();
    read.map(Some).map_err(|_| {
        ApiError::invalid(
            field,
            "This must be a whole number of at least 1, or empty for what the tier gives.",
        )
    })
}

fn dollars(field: &str, typed: &str) -> Result<Option<i64>, ApiError> {
    let Some(typed) = text(typed) else {
        return Ok(None);
    };
    let plain: String = typed
        .chars()
        .filter(|c| !matches!(c, '$' | ',' | ' '))
        .collect();
    match parse_usd(&plain) {
        Some(amount) if (0..=crate::money::MAX_AMOUNT).contains(&amount) => Ok(Some(amount)),
        _ => Err(ApiError::invalid(
            field,
            "This must be an amount of dollars such as 25 or 0.50, at most a billion, or empty for no budget.",
        )),
    }
}

fn typed_instant(seconds: u64) -> String {
    let at = Millis::of_seconds(seconds);
    at.to_rfc3339()
        .chars()
        .take("2027-01-01T00:00".len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_read_or_its_field_is_named() {
        let mut draft = Draft {
            name: " ci ".into(),
            tags: "prod, team:a\nb".into(),
            models: "gpt-4o*\r\no3".into(),
            requests_per_minute: "1,000".into(),
            budget_month: "$25.50".into(),
            expires_at: "2027-01-01T08:30".into(),
            ..Draft::default()
        };
        let key = draft.create("acme").unwrap();
        assert_eq!(key.name, "ci");
        assert_eq!(key.tags, ["prod", "team:a", "b"]);
        assert_eq!(key.models.unwrap(), ["gpt-4o*", "o3"]);
        assert_eq!(key.limits.requests_per_minute, NonZeroU32::new(1_000));
        assert_eq!(key.budgets.month_nano_usd, Some(25_500_000_000));
        assert_eq!(key.expires_at.unwrap(), "2027-01-01T08:30:00Z");
        assert_eq!((key.tier, key.owner, key.endpoints), (None, None, None));
        type Field = fn(&mut Draft) -> &mut String;
        let cases: [(&str, Field, &str); 5] = [
            ("requests_per_minute", |d| &mut d.requests_per_minute, "0"),
            ("tokens_burst", |d| &mut d.tokens_burst, "many"),
            ("budget_day", |d| &mut d.budget_day, "-1"),
            ("budget_total", |d| &mut d.budget_total, "1000000001"),
            ("expires_at", |d| &mut d.expires_at, "tomorrow"),
        ];
        for (field, of, typed) in cases {
            let was = std::mem::replace(of(&mut draft), typed.to_owned());
            let error = draft.create("acme").unwrap_err();
            assert_eq!(error.param(), Some(field), "{}", error.message());
            *of(&mut draft) = was;
        }
    }

    #[test]
    fn mistakes_of_the_service_stand_beside_a_field_of_the_form() {
        for (param, message, field) in [
            (
                "limits",
                "limits.tokens_burst is more than 5.",
                "tokens_burst",
            ),
            ("limits", "limits are closed.", "requests_per_minute"),
            (
                "budgets",
                "budgets.month_nano_usd must be less.",
                "budget_month",
            ),
            ("budgets", "A budget is needed.", "budget_day"),
            ("name", "name must be printable.", "name"),
        ] {
            let error = placed(ApiError::invalid(param, message));
            assert_eq!(error.param(), Some(field), "{message}");
        }
    }
}
