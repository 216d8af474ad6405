//! The demo team and its keys, made over the management API like all others.

mod week;

use anyhow::{Context as _, Result};
use gmtech_service::clock::Millis;
use serde_json::{Value, json};

use crate::admin::Management;

const TEAM: &str = "demo";

/// The keys' names and tiers. The next start of the stack ends keys of this team with these names.
const FREE: (&str, &str) = ("demo", "free");
const PRO: (&str, &str) = ("demo-pro", "pro");

/// The team's credit at every start in nano-dollars, unless it still has [`ENOUGH`].
const CREDIT: i64 = 100_000_000_000;
const ENOUGH: i64 = 10_000_000_000;

/// The texts of the demo keys.
pub(super) struct Demo {
    pub(super) free: String,
    pub(super) pro: String,
}

/// The address that the link of the pages signs in.
const PERSON: &str = "demo@demo.example";

/// A path that signs an administrator in to the pages, once, within an hour.
///
/// # Errors
/// When the service refuses.
pub(super) fn sign_in_path(api: &Management) -> Result<String> {
    let asked = json!({ "email": PERSON, "admin": true });
    let made = api
        .post("people/links", &asked)
        .context("the sign-in link")?;
    match text(&made, "path") {
        "" => anyhow::bail!("the service made a sign-in link and did not show it"),
        path => Ok(path.to_owned()),
    }
}

/// Makes the team if it is missing, gives it a week of sample usage and credit, and makes its keys. `kept` is returned if both of its keys
/// still work; otherwise the keys of earlier runs are ended, since their text is lost.
///
/// # Errors
/// When the service refuses.
pub(super) fn prepare(api: &Management, kept: Option<Demo>) -> Result<Demo> {
    credit(api, ENOUGH).context("the demo team")?;
    if week::fill(api, Millis::now()).context("the demo team's sample usage")? {
        // The samples are paid for, so that all of the credit is there for whoever tries the gate.
        credit(api, CREDIT).context("the demo team")?;
    }
    let listed = api
        .all("keys", &[("team", Some(TEAM)), ("status", Some("active"))])
        .context("the demo keys")?;
    if let Some(kept) = kept
        && is_listed(&listed, FREE.0, &kept.free)
        && is_listed(&listed, PRO.0, &kept.pro)
    {
        return Ok(kept);
    }
    for key in listed
        .iter()
        .filter(|key| [FREE.0, PRO.0].contains(&text(key, "name")))
    {
        api.post(&format!("keys/{}/revoke", text(key, "id")), &json!({}))
            .context("a demo key of an earlier run")?;
    }
    Ok(Demo {
        free: create(api, FREE)?,
        pro: create(api, PRO)?,
    })
}

/// Tops the team up to [`CREDIT`] if it has less than `least`.
fn credit(api: &Management, least: i64) -> Result<()> {
    let teams = api.all("teams", &[])?;
    let balance = match teams.iter().find(|team| text(team, "id") == TEAM) {
        Some(team) => number(team, "balance_nano_usd"),
        None => {
            api.post("teams", &json!({ "id": TEAM, "name": "Demo" }))?;
            0
        }
    };
    if balance < least {
        let amount = CREDIT.saturating_sub(balance);
        let body = json!({ "amount_nano_usd": amount, "note": "local stack" });
        api.post(&format!("teams/{TEAM}/credit"), &body)?;
    }
    Ok(())
}

fn create(api: &Management, (name, tier): (&str, &str)) -> Result<String> {
    let body = json!({ "team": TEAM, "name": name, "tier": tier });
    let made = api.post("keys", &body).context("a demo key")?;
    match text(&made, "key") {
        "" => anyhow::bail!("the service made a demo key and did not show it"),
        key => Ok(key.to_owned()),
    }
}

/// Whether `key` matches the redacted key that is listed under `name`.
fn is_listed(listed: &[Value], name: &str, key: &str) -> bool {
    listed.iter().any(|k| {
        let start = text(k, "redacted_key").trim_end_matches('…');
        text(k, "name") == name && !start.is_empty() && key.starts_with(start)
    })
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_must_be_listed_under_its_name() {
        let listed = [json!({ "name": "demo", "redacted_key": "gmtech_ab12…" })];
        for (name, key, expected) in [
            ("demo", "gmtech_ab12cd", true),
            ("demo", "gmtech_ab13cd", false),
            ("demo-pro", "gmtech_ab12cd", false),
            ("demo", "", false),
        ] {
            assert_eq!(is_listed(&listed, name, key), expected, "{name} {key}");
        }
        assert!(!is_listed(&[json!({ "name": "demo" })], "demo", "gmtech_x"));
    }
}
