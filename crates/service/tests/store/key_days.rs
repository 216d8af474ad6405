//! What keys were used for by the day, as lists of keys read it.

use std::collections::BTreeMap;

use gmtech_core::model::ModelId;
use gmtech_core::sync::events::Label;
use gmtech_service::clock::{DAY_MINUTES, DAY_MS, Millis};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    days_are_the_sums_of_all_models_and_decisions,
    the_leading_keys_are_the_same_by_both_sums,
);

const MODELS: [&str; 3] = ["gpt-4o", "o1", "claude-sonnet-4-5"];

/// What lets a request in, what is neither, what refuses it, and what this version does not know.
const DECISIONS: [&str; 5] = [
    "allowed",
    "settled",
    "key_revoked",
    "rate_limit_requests",
    "a_reason_to_come",
];

/// Two hundred requests of three keys over six days, in several batches, and one of a key of another team.
async fn used(stand: &Stand) -> Vec<KeyInfo> {
    let store = &stand.store;
    let mut keys = vec![with_key(stand).await];
    store
        .create_team(new_team("other"), &by(NOON))
        .await
        .unwrap();
    for of in ["acme", "acme", "other"] {
        let made = store.create_key(new_key_of(of), None, &by(NOON)).await;
        keys.push(made.unwrap().key);
    }
    for batch in 0..4_u64 {
        let events: Vec<Priced> = (0..50)
            .map(|n| {
                let number = batch * 50 + n;
                let of = usize::try_from(number * 7 % 3).unwrap();
                let mut priced = event(&keys[of], number, i64::try_from(number).unwrap());
                let back = i64::try_from(number * 11 % 6).unwrap() * DAY_MS;
                priced.event.started_unix_ms = u64::try_from(NOON.0 - back).unwrap() + number;
                let turn = usize::try_from(number).unwrap();
                priced.event.model = ModelId::new(MODELS[turn % 3]).ok();
                priced.event.decision = Label::clip(DECISIONS[turn % 5]).into();
                priced
            })
            .collect();
        let done = store.ingest(&events, later(1)).await.unwrap();
        assert_eq!(done.accepted, 50);
    }
    store
        .ingest(&[event(&keys[3], 999, 7)], NOON)
        .await
        .unwrap();
    keys
}

async fn days_are_the_sums_of_all_models_and_decisions(stand: &Stand) {
    let keys = used(stand).await;
    let ids: Vec<_> = keys.iter().map(|key| key.record.id.clone()).collect();
    let today = NOON.day();
    let acme = team("acme");
    for (from, to) in [
        (today - 5, today + 1),
        (today - 3, today),
        (0, 1),
        (today, today),
    ] {
        let found = stand.store.days_of_keys(&acme, &ids, (from, to));
        let found: BTreeMap<_, _> = found
            .await
            .unwrap()
            .into_iter()
            .map(|day| ((day.key.clone(), day.day), day))
            .collect();
        let query = UsageQuery {
            by: vec![Dimension::Key],
            every: Some(Every::Day),
            from: Some(from * DAY_MINUTES),
            to: Some(to * DAY_MINUTES),
            only: [(Dimension::Team, "acme".into())].into(),
            ..UsageQuery::default()
        };
        let expected: BTreeMap<_, _> = stand
            .store
            .usage(&query)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|row| {
                let day = KeyDay {
                    key: row.group.clone(),
                    day: row.start.unwrap().day(),
                    requests: row.requests,
                    refused: row.refusals.values().sum(),
                    tokens: row.tokens.total(),
                    cost: row.cost_nano_usd,
                    last_used_at: row.last_used_at.unwrap(),
                };
                ((day.key.clone(), day.day), day)
            })
            .collect();
        assert_eq!(found, expected, "{from} to {to}");
    }
    let all = stand.store.days_of_keys(&acme, &ids, (0, today + 1));
    let all = all.await.unwrap();
    let requests: i64 = all.iter().map(|day| day.requests).sum();
    let refused: i64 = all.iter().map(|day| day.refused).sum();
    assert_eq!((requests, refused), (200, 120), "{all:?}");
    // Each asked for is found alone, and none that was not.
    let one = stand.store.days_of_keys(&acme, &ids[..1], (0, today + 1));
    assert!(
        one.await
            .unwrap()
            .iter()
            .all(|day| day.key == ids[0].as_str())
    );
    let none = stand.store.days_of_keys(&acme, &[], (0, today + 1));
    assert_eq!(none.await.unwrap(), []);
}

async fn the_leading_keys_are_the_same_by_both_sums(stand: &Stand) {
    let keys = used(stand).await;
    let now = Millis(NOON.0);
    for days in [1, 3, 30] {
        let query = UsageQuery {
            by: vec![Dimension::Key],
            every: Some(Every::Day),
            from: Some((now.day() + 1 - days) * DAY_MINUTES),
            to: Some((now.day() + 1) * DAY_MINUTES),
            only: [(Dimension::Team, "acme".into())].into(),
            ..UsageQuery::default()
        };
        // Naming all keys asks for the sums that tell models apart.
        let ids = keys.iter().map(|key| key.record.id.to_string()).collect();
        let other = UsageQuery {
            among: [(Dimension::Key, ids)].into(),
            ..query.clone()
        };
        for each in [1, 2, 9] {
            let mut by_day = stand.store.usage_leaders(&query, each).await.unwrap();
            let mut by_model = stand.store.usage_leaders(&other, each).await.unwrap();
            by_day.sort();
            by_model.sort();
            assert!(!by_day.is_empty());
            assert_eq!(by_day, by_model, "{days} days, {each} each");
        }
    }
}
