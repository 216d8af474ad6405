//! A week of sample usage for the demo team: members, keys of every kind, and requests with day and night.
//!
//! It is made once, for a team that has no usage of its own, and goes through the import of usage, as a log would. Everything of
//! it can be told from real usage: its keys have the tag `demo`, and the team's name says that there is sample data.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use gmtech_service::clock::Millis;
use serde_json::{Value, json};

use super::{TEAM, number, text};
use crate::admin::Management;

/// The team's name while it has sample data.
pub(super) const NAME: &str = "Demo (sample data)";

/// What marks a key as a sample.
const TAG: &str = "demo";

/// Entries in one import: the service's limit.
const BATCH: usize = 1_000;

const HOUR_MS: i64 = 3_600_000;
const WEEK_HOURS: i64 = 7 * 24;
const DAY_MS: i64 = 24 * HOUR_MS;

const MEMBERS: [(&str, &str); 3] = [
    ("ada@demo.example", "owner"),
    ("grace@demo.example", "developer"),
    ("linus@demo.example", "viewer"),
];

/// How busy each hour of a day is (UTC), in tenths.
const DAY: [i64; 24] = [
    1, 1, 0, 0, 1, 1, 2, 4, 7, 9, 10, 9, 8, 9, 10, 10, 9, 7, 5, 4, 3, 2, 2, 1,
];

/// A sample key, and how it is used.
struct Sample {
    name: &'static str,
    owner: &'static str,
    tier: &'static str,
    tags: &'static [&'static str],
    /// The budget of a month in dollars.
    budget: Option<i64>,
    /// In how many days it expires.
    expires: Option<i64>,
    /// What becomes of it in the end.
    end: Option<&'static str>,
    /// Requests in the busiest hour.
    busy: i64,
    /// The models, the usual one first.
    models: &'static [(&'static str, &'static str)],
    /// Why it is refused now and then, and how many in a hundred times.
    refused: (&'static str, u16, u64),
}

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// The last one is made last: once it is there, the week is complete.
const SAMPLES: [Sample; 7] = [
    Sample {
        name: "Support assistant",
        owner: "ada@demo.example",
        tier: "pro",
        tags: &[TAG, "production", "support"],
        budget: Some(250),
        expires: Some(180),
        end: None,
        busy: 14,
        models: &[("gpt-4o-mini", CHAT), ("gpt-4o", CHAT)],
        refused: ("rate_limit_tokens", 429, 3),
    },
    Sample {
        name: "Search index",
        owner: "grace@demo.example",
        tier: "pro",
        tags: &[TAG, "production", "search"],
        budget: Some(40),
        expires: Some(5),
        end: None,
        busy: 9,
        models: &[("gpt-4.1-nano", CHAT)],
        refused: ("rate_limit_requests", 429, 5),
    },
    Sample {
        name: "Code review",
        owner: "grace@demo.example",
        tier: "pro",
        tags: &[TAG, "internal"],
        budget: None,
        expires: None,
        end: None,
        busy: 5,
        models: &[("claude-sonnet-4-5", MESSAGES), ("gpt-4o", CHAT)],
        refused: ("model_not_found", 404, 2),
    },
    Sample {
        name: "Newsletter draft",
        owner: "ada@demo.example",
        tier: "free",
        tags: &[TAG, "marketing"],
        budget: Some(10),
        expires: Some(90),
        end: Some("suspend"),
        busy: 2,
        models: &[("gpt-4o-mini", CHAT)],
        refused: ("rate_limit_requests", 429, 8),
    },
    Sample {
        name: "Old chatbot",
        owner: "ada@demo.example",
        tier: "free",
        tags: &[TAG, "legacy"],
        budget: Some(5),
        expires: None,
        end: Some("revoke"),
        busy: 2,
        models: &[("gpt-4o-mini", CHAT)],
        refused: ("key_revoked", 403, 60),
    },
    Sample {
        name: "Nightly tests",
        owner: "grace@demo.example",
        tier: "free",
        tags: &[TAG, "ci"],
        budget: Some(15),
        expires: Some(60),
        end: None,
        busy: 3,
        models: &[("gpt-4o-mini", CHAT), ("gpt-4.1-mini", CHAT)],
        refused: ("endpoint_not_allowed", 403, 2),
    },
    Sample {
        name: "Staging, not used yet",
        owner: "grace@demo.example",
        tier: "free",
        tags: &[TAG, "staging"],
        budget: None,
        expires: Some(30),
        end: None,
        busy: 0,
        models: &[],
        refused: ("", 0, 0),
    },
];

/// Fills the demo team's last week, if that was not done and the team has no usage of its own. Returns whether it did something.
/// What an interrupted call left is completed by the next one, and nothing is counted twice.
///
/// # Errors
/// When the service refuses.
pub(super) fn fill(api: &Management, now: Millis) -> Result<bool> {
    let keys = api.all("keys", &[("team", Some(TEAM)), ("tag", Some(TAG))])?;
    let made = |name: &str| keys.iter().find(|key| text(key, "name") == name);
    let is_complete = SAMPLES.last().is_some_and(|last| made(last.name).is_some());
    let samples: BTreeSet<&str> = keys.iter().map(|key| text(key, "id")).collect();
    if is_complete || has_own_usage(api, &samples)? {
        return Ok(false);
    }
    for (email, role) in MEMBERS {
        let member = json!({ "email": email, "role": role });
        api.put(&format!("teams/{TEAM}/members"), &member)?;
    }
    api.patch(&format!("teams/{TEAM}"), &json!({ "name": NAME }))?;
    for (place, sample) in (0_u64..).zip(&SAMPLES) {
        let id = match made(sample.name) {
            Some(key) => text(key, "id").to_owned(),
            None => create(api, sample, now)?,
        };
        let entries = requests(sample, place, &id, now);
        for batch in entries.chunks(BATCH) {
            let done = api.post("usage/import", &Value::from(batch.to_vec()))?;
            let lost = number(&done, "malformed") + number(&done, "unknown_key");
            anyhow::ensure!(
                lost == 0,
                "the service did not count {lost} sample requests"
            );
        }
        if let Some(end) = sample.end {
            api.post(&format!("keys/{id}/{end}"), &json!({}))?;
        }
    }
    Ok(true)
}

fn has_own_usage(api: &Management, samples: &BTreeSet<&str>) -> Result<bool> {
    let used = api.all("usage", &[("team", Some(TEAM)), ("by", Some("key"))])?;
    let key = |row: &Value| {
        let key = row.pointer("/groups/key").and_then(Value::as_str);
        key.unwrap_or_default().to_owned()
    };
    Ok(used.iter().any(|row| !samples.contains(key(row).as_str())))
}

fn create(api: &Management, sample: &Sample, now: Millis) -> Result<String> {
    let mut body = json!({ "team": TEAM, "name": sample.name, "owner": sample.owner, "tier": sample.tier, "tags": sample.tags });
    if let (Some(dollars), Some(body)) = (sample.budget, body.as_object_mut()) {
        let month = dollars.saturating_mul(1_000_000_000);
        body.insert("budgets".into(), json!({ "month_nano_usd": month }));
    }
    if let (Some(days), Some(body)) = (sample.expires, body.as_object_mut()) {
        let end = json!(Millis(now.0.saturating_add(days * DAY_MS)).to_rfc3339());
        body.insert("expires_at".into(), end);
    }
    let made = api.post("keys", &body).context("a sample key")?;
    Ok(text(&made, "id").to_owned())
}

/// The requests of a key in the week before `now`, as lines of an access log. What an hour has depends on the hour alone.
fn requests(sample: &Sample, place: u64, key: &str, now: Millis) -> Vec<Value> {
    let this_hour = now.0.div_euclid(HOUR_MS);
    let mut lines = Vec::new();
    for hour in this_hour - WEEK_HOURS..this_hour {
        let mut chance = Chance::of(place, hour);
        for n in 0..in_hour(sample.busy, hour, &mut chance) {
            let id = format!(
                "{:016x}{:016x}",
                name_hash(key),
                mix(hour.unsigned_abs() << 16 | n)
            );
            lines.push(request(sample, key, &id, hour, &mut chance));
        }
    }
    lines
}

/// How many requests there are in an hour: fewer at night and at weekends, and never quite the same.
fn in_hour(busy: i64, hour: i64, chance: &mut Chance) -> u64 {
    let of_day = usize::try_from(hour.rem_euclid(24)).unwrap_or(0);
    // 1970-01-01 was a Thursday.
    let is_weekend = (hour.div_euclid(24) + 3).rem_euclid(7) >= 5;
    let tenths = DAY.get(of_day).copied().unwrap_or(0) * if is_weekend { 4 } else { 10 };
    let usual = u64::try_from(busy * tenths).unwrap_or(0);
    let varied = usual * (70 + chance.below(60)) / 100;
    (varied + chance.below(100)) / 100
}

fn request(sample: &Sample, key: &str, id: &str, hour: i64, chance: &mut Chance) -> Value {
    let (reason, status, often) = sample.refused;
    let is_refused = chance.below(100) < often;
    // Three of four requests use the usual model.
    let other = usize::from(chance.below(4) == 0);
    let (model, path) = sample
        .models
        .get(other)
        .or(sample.models.first())
        .copied()
        .unwrap_or_default();
    let at = hour * HOUR_MS + i64::try_from(chance.below(3_600_000)).unwrap_or(0);
    let (input, output) = match is_refused {
        true => (0, 0),
        false => (300 + chance.below(3_500), 40 + chance.below(900)),
    };
    let cached = if path == CHAT && chance.below(3) == 0 {
        input / 2
    } else {
        0
    };
    let duration = if is_refused {
        1 + chance.below(3)
    } else {
        180 + output * 9 + chance.below(400)
    };
    json!({
        "event_id": id, "request_id": format!("sample-{}", id.get(16..).unwrap_or_default()),
        "key_id": key, "team_id": TEAM, "tier": sample.tier, "model": model, "method": "POST", "path": path,
        "decision": if is_refused { reason } else { "allowed" },
        "response_code": if is_refused { status } else { 200 },
        "usage_source": "exact", "duration_ms": duration, "start_time": at,
        "tokens_input": input, "tokens_cached_input": cached, "tokens_output": output, "tokens_total": input + output,
    })
}

/// Numbers that look random, and are the same each time.
struct Chance(u64);

impl Chance {
    fn of(place: u64, hour: i64) -> Self {
        Self(mix(place << 48 ^ hour.unsigned_abs()))
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % end
    }
}

/// Splitmix64's finish: a one-to-one map of the numbers.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// FNV-1a of a key's id.
fn name_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use gmtech_service::access_log;

    use super::*;

    const NOW: Millis = Millis(1_795_435_200_000);

    fn week() -> Vec<Value> {
        let keys = (0_u64..).zip(&SAMPLES);
        keys.flat_map(|(place, sample)| requests(sample, place, &format!("key_{place}"), NOW))
            .collect()
    }

    #[test]
    fn each_sample_request_is_an_event_of_its_own_in_the_last_week() {
        let lines = week();
        let (events, rest) = access_log::read_all(&lines);
        assert_eq!((events.len(), rest.lines()), (lines.len(), 0));
        let ids: BTreeSet<_> = events.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), events.len());
        let week = NOW.0 - WEEK_HOURS * HOUR_MS..NOW.0;
        assert!(
            events
                .iter()
                .all(|e| week.contains(&i64::try_from(e.started_unix_ms).unwrap()))
        );
        assert!((1_000..6_000).contains(&events.len()), "{}", events.len());
    }

    #[test]
    fn what_an_hour_has_stays_the_same_as_time_goes_on() {
        let later = Millis(NOW.0 + HOUR_MS);
        for (place, sample) in (0_u64..).zip(&SAMPLES) {
            let (is, then) = (
                requests(sample, place, "key_1", NOW),
                requests(sample, place, "key_1", later),
            );
            let kept: Vec<_> = is.iter().filter(|line| then.contains(line)).collect();
            let first_hour = NOW.0 - (WEEK_HOURS - 1) * HOUR_MS;
            let expected = is
                .iter()
                .filter(|line| number(line, "start_time") >= first_hour);
            assert!(kept.into_iter().eq(expected), "{}", sample.name);
        }
    }

    #[test]
    fn days_are_busier_than_nights_and_each_model_and_refusal_is_there() {
        let lines = week();
        let at = |hours: std::ops::Range<i64>| {
            let hour = |line: &&Value| {
                number(line, "start_time")
                    .div_euclid(HOUR_MS)
                    .rem_euclid(24)
            };
            lines
                .iter()
                .filter(|line| hours.contains(&hour(line)))
                .count()
        };
        assert!(at(9..15) > 5 * at(0..6), "{} {}", at(9..15), at(0..6));
        for sample in SAMPLES.iter().filter(|sample| sample.busy > 0) {
            for (model, _) in sample.models {
                assert!(
                    lines.iter().any(|line| text(line, "model") == *model),
                    "{model}"
                );
            }
            assert!(
                lines
                    .iter()
                    .any(|line| text(line, "decision") == sample.refused.0),
                "{}",
                sample.name
            );
        }
    }
}
