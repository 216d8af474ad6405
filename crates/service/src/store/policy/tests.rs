use std::collections::BTreeMap;

use gmtech_core::ident::{KeyId, TeamId};
use gmtech_core::record::{KeyRecord, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::store::Budgets;

const CREATED: Millis = Millis(1_000_000_000);

/// A key with these fields of its own.
fn key(fields: &Value) -> KeyInfo {
    let field = |name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
    let limits = match field("limits") {
        Value::Null => LimitOverrides::default(),
        limits => serde_json::from_value(limits).unwrap(),
    };
    let budgets = match field("budgets") {
        Value::Null => Budgets::default(),
        budgets => serde_json::from_value(budgets).unwrap(),
    };
    KeyInfo {
        record: KeyRecord {
            id: KeyId::new("key_1").unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new(field("tier").as_str().unwrap_or("free")).unwrap(),
            status: Status::Active,
            models: serde_json::from_value(field("models")).unwrap(),
            limits,
            expires_at: field("expires_at").as_u64(),
            lineage: None,
            addresses: None,
            endpoints: serde_json::from_value(field("endpoints")).unwrap(),
            spent_models: None,
        },
        redacted: String::new(),
        name: String::new(),
        owner: None,
        metadata: BTreeMap::new(),
        tags: vec![],
        budgets,
        over_budget: false,
        over_soft_budget: false,
        suspended_by: None,
        created_at: CREATED,
        created_by: String::new(),
        last_used_at: None,
        rotated_from: None,
        rotated_to: None,
        version: 0,
    }
}

fn held(policy: &Value, was: Option<&Value>, is: &Value) -> Result<KeyInfo, &'static str> {
    let policy: Policy = serde_json::from_value(policy.clone()).unwrap();
    let was = was.map(key);
    let mut is = key(is);
    match hold(&policy, was.as_ref(), &mut is) {
        Ok(()) => Ok(is),
        Err(refusal) => {
            assert!(refusal.message.contains("administrator"), "{refusal}");
            Err(refusal.field)
        }
    }
}

/// What a team's administrator may make of nothing (`null`), or of a key; where it goes too far, the field.
#[test]
fn a_team_stays_within_its_policy_and_what_a_key_has() {
    let rpm = |n: u32| json!({"limits": {"requests_per_minute": n}});
    let day = |n: i64| json!({"budgets": {"day_nano_usd": n}});
    let models = |list: &[&str]| json!({"models": list});
    let of_model = |n: i64| json!({"budgets": {"models": {"gpt-4o*": {"day_nano_usd": n}}}});
    let (none, plain) = (json!({}), json!({}));
    let caps = json!({"allowed_tiers": ["free", "pro"], "models": ["gpt-4o*"], "endpoints": ["chat_completions", "files"],
        "limits": {"requests_per_minute": 10, "max_in_flight": 2}, "budgets": {"day_nano_usd": 100}});
    for (case, policy, was, is, refused) in [
        ("the default tier", &none, Value::Null, plain.clone(), None),
        (
            "another tier",
            &none,
            Value::Null,
            json!({"tier": "pro"}),
            Some("tier"),
        ),
        (
            "to another tier",
            &none,
            plain.clone(),
            json!({"tier": "pro"}),
            Some("tier"),
        ),
        (
            "back to the default tier",
            &none,
            json!({"tier": "pro"}),
            plain.clone(),
            None,
        ),
        (
            "the tier that it has",
            &none,
            json!({"tier": "team"}),
            json!({"tier": "team"}),
            None,
        ),
        (
            "a tier of the policy",
            &caps,
            Value::Null,
            json!({"tier": "pro"}),
            None,
        ),
        (
            "no tier of the policy",
            &caps,
            Value::Null,
            json!({"tier": "team"}),
            Some("tier"),
        ),
        (
            "a limit without a cap",
            &none,
            Value::Null,
            rpm(1),
            Some("limits"),
        ),
        (
            "to a limit without a cap",
            &none,
            plain.clone(),
            rpm(1),
            Some("limits"),
        ),
        ("a lower limit", &none, rpm(5), rpm(4), None),
        ("a higher limit", &none, rpm(5), rpm(6), Some("limits")),
        ("no limit", &none, rpm(5), plain.clone(), Some("limits")),
        ("a limit within the cap", &caps, Value::Null, rpm(10), None),
        (
            "a limit beyond the cap",
            &caps,
            Value::Null,
            rpm(11),
            Some("limits"),
        ),
        ("higher within the cap", &caps, rpm(5), rpm(10), None),
        ("lower beyond the cap", &caps, rpm(50), rpm(40), None),
        (
            "back to the tier's, under a cap",
            &caps,
            rpm(5),
            plain.clone(),
            None,
        ),
        (
            "a burst has the rate's cap",
            &caps,
            Value::Null,
            json!({"limits": {"requests_burst": 10}}),
            None,
        ),
        (
            "a burst beyond it",
            &caps,
            Value::Null,
            json!({"limits": {"requests_burst": 11}}),
            Some("limits"),
        ),
        (
            "a limit that the policy leaves out",
            &caps,
            Value::Null,
            json!({"limits": {"tokens_per_minute": 1}}),
            Some("limits"),
        ),
        (
            "the largest number",
            &caps,
            plain.clone(),
            rpm(1_000_000_000),
            Some("limits"),
        ),
        (
            "a budget where there is none",
            &none,
            plain.clone(),
            day(5),
            None,
        ),
        ("a lower budget", &none, day(5), day(4), None),
        ("a higher budget", &none, day(5), day(6), Some("budgets")),
        ("no budget", &none, day(5), plain.clone(), Some("budgets")),
        (
            "another budget in its place",
            &none,
            day(5),
            json!({"budgets": {"month_nano_usd": 5}}),
            Some("budgets"),
        ),
        ("a budget within the cap", &caps, day(5), day(100), None),
        (
            "a budget beyond the cap",
            &caps,
            Value::Null,
            day(101),
            Some("budgets"),
        ),
        (
            "a soft budget, which refuses nothing",
            &none,
            json!({"budgets": {"soft": {"day_nano_usd": 5}}}),
            plain.clone(),
            None,
        ),
        (
            "a model's budget, lower",
            &none,
            of_model(5),
            of_model(4),
            None,
        ),
        (
            "a model's budget, higher",
            &none,
            of_model(5),
            of_model(6),
            Some("budgets"),
        ),
        (
            "a model's budget, removed",
            &none,
            of_model(5),
            plain.clone(),
            Some("budgets"),
        ),
        (
            "models where it has all",
            &none,
            plain.clone(),
            models(&["o3"]),
            None,
        ),
        (
            "fewer models",
            &none,
            models(&["gpt-4o*"]),
            models(&["gpt-4o-mini"]),
            None,
        ),
        (
            "more models",
            &none,
            models(&["gpt-4o-mini"]),
            models(&["gpt-4o*"]),
            Some("models"),
        ),
        (
            "all models",
            &none,
            models(&["gpt-4o-mini"]),
            plain.clone(),
            Some("models"),
        ),
        (
            "models of the policy",
            &caps,
            models(&["o3"]),
            models(&["gpt-4o-mini"]),
            None,
        ),
        (
            "no models of the policy",
            &caps,
            Value::Null,
            models(&["o3"]),
            Some("models"),
        ),
        (
            "fewer of what the policy has not",
            &caps,
            models(&["o3", "o4"]),
            models(&["o3"]),
            None,
        ),
        (
            "endpoints of the policy",
            &caps,
            Value::Null,
            json!({"endpoints": ["files"]}),
            None,
        ),
        (
            "no endpoints of the policy",
            &caps,
            Value::Null,
            json!({"endpoints": ["models"]}),
            Some("endpoints"),
        ),
        (
            "fewer endpoints",
            &none,
            json!({"endpoints": ["files", "models"]}),
            json!({"endpoints": ["files"]}),
            None,
        ),
        (
            "more endpoints",
            &none,
            json!({"endpoints": ["files"]}),
            json!({"endpoints": ["files", "models"]}),
            Some("endpoints"),
        ),
    ] {
        let was = Some(&was).filter(|was| !was.is_null());
        assert_eq!(held(policy, was, &is).err(), refused, "{case}");
    }
}

#[test]
fn what_is_left_open_is_filled_in() {
    let policy = json!({"models": ["gpt-4o*"], "endpoints": ["files"], "budgets": {"day_nano_usd": 100}, "max_key_lifetime_seconds": 3600});
    let made = held(&policy, None, &json!({"budgets": {"month_nano_usd": 7}})).unwrap();
    let end = CREATED.unix_seconds() + 3600;
    assert_eq!(
        json!([
            made.record.models,
            made.record.endpoints,
            made.record.expires_at
        ]),
        json!([["gpt-4o*"], ["files"], end])
    );
    assert_eq!(
        (made.budgets.day_nano_usd, made.budgets.month_nano_usd),
        (Some(100), Some(7))
    );
    // A key of before the policy stays as it is, in what nobody asks to change.
    let kept = held(&policy, Some(&json!({})), &json!({})).unwrap();
    assert_eq!(kept, key(&json!({})));
}

#[test]
fn a_key_ends_within_its_lifetime() {
    let policy = json!({"max_key_lifetime_seconds": 3600});
    let end = |seconds: u64| json!({"expires_at": CREATED.unix_seconds() + seconds});
    for (was, is, refused) in [
        (None, end(3600), None),
        (None, end(3601), Some("expires_at")),
        (Some(end(60)), end(3600), None),
        (Some(end(60)), end(3601), Some("expires_at")),
        (Some(end(9000)), end(9000), None),
        (Some(end(9000)), end(8000), Some("expires_at")),
    ] {
        assert_eq!(
            held(&policy, was.as_ref(), &is).err(),
            refused,
            "{was:?} {is}"
        );
    }
    assert_eq!(held(&json!({}), Some(&end(60)), &json!({})).err(), None);
}

proptest! {
    /// Whatever passes is as it was, lower than it was, or within the cap; nothing that had a bound is without one.
    #[test]
    fn what_passes_is_tighter_or_within(
        caps in prop::array::uniform2(prop::option::of(1u32..4)),
        was in prop::array::uniform2(prop::option::of(1u32..4)),
        is in prop::array::uniform2(prop::option::of(1u32..4)),
        made in any::<bool>(),
    ) {
        let fields = |[rpm, day]: [Option<u32>; 2]| {
            json!({"limits": {"requests_per_minute": rpm}, "budgets": {"day_nano_usd": day}})
        };
        let was = if made { [None, None] } else { was };
        let before = fields(was);
        if let Ok(key) = held(&fields(caps), (!made).then_some(&before), &fields(is)) {
            let rpm = key.record.limits.requests_per_minute.map(std::num::NonZeroU32::get);
            let day = key.budgets.day_nano_usd.map(|n| n as u32);
            for ((value, before), cap) in [rpm, day].into_iter().zip(was).zip(caps) {
                let fits = match value {
                    None => before.is_none() || cap.is_some(),
                    Some(v) => value == before || before.is_some_and(|b| v <= b) || cap.is_none_or(|c| v <= c),
                };
                prop_assert!(fits, "{value:?} of {before:?} under {cap:?}");
            }
            // A budget under a cap is never open; a limit without a cap is never raised.
            prop_assert!(caps[1].is_none() || day.is_some() || (!made && was[1].is_none()));
            prop_assert!(caps[0].is_some() || rpm == was[0] || rpm.zip(was[0]).is_some_and(|(v, b)| v <= b));
        }
    }
}
