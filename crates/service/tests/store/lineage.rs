//! Rotation: limits, budgets and spend belong to the whole chain of keys.

use gmtech_core::record::{KeyRecord, Status};
use gmtech_service::clock::{DAY_MS, Millis};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_chain_of_rotations_has_one_budget,
    the_spend_of_a_chain_is_the_sum_of_its_keys,
    a_change_of_one_key_applies_to_its_chain,
    a_successor_has_its_predecessors_settings,
    the_audit_log_names_a_keys_predecessor,
    a_rotation_with_the_same_idempotency_key_happens_once,
    each_span_of_time_has_its_budget,
    a_model_has_a_budget_of_its_own,
    a_soft_budget_refuses_nothing_and_is_reported_once,
);

fn budgets(json: &str) -> Budgets {
    serde_json::from_str(json).unwrap()
}

async fn budgeted(stand: &Stand, json: &str) -> KeyInfo {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let new = NewKey {
        budgets: budgets(json),
        ..new_key_of("acme")
    };
    store.create_key(new, None, &by(NOON)).await.unwrap().key
}

async fn rotate(stand: &Stand, key: &KeyInfo) -> KeyInfo {
    let rotated = stand
        .store
        .rotate_key(&key.record.id, rotation(3600), &by(NOON))
        .await;
    rotated.unwrap().new
}

async fn spend(stand: &Stand, key: &KeyInfo, n: u64, cost: i64, at: Millis) {
    let mut event = event(key, n, cost);
    event.event.started_unix_ms = u64::try_from(at.0).unwrap();
    let done = stand.store.ingest(&[event], at).await.unwrap();
    assert_eq!(done.accepted, 1);
}

/// A key as proxies get it: its record, and whether it is over its budget.
async fn told(stand: &Stand, key: &KeyInfo) -> (KeyRecord, bool) {
    let changes = stand.store.changes(0, 100).await.unwrap();
    let states = changes.keys.into_iter().filter_map(|entry| entry.state);
    let mut told = states.filter_map(|s| Some((s.record.readable()?.clone(), s.over_budget)));
    told.find(|(record, _)| record.id == key.record.id).unwrap()
}

async fn is_over(stand: &Stand, key: &KeyInfo) -> bool {
    let key = stand.store.key(&key.record.id).await.unwrap();
    let (_, told) = told(stand, &key).await;
    assert_eq!(told, key.over_budget, "proxies are told what people see");
    told
}

async fn a_chain_of_rotations_has_one_budget(stand: &Stand) {
    let first = budgeted(stand, r#"{"day_nano_usd":100}"#).await;
    spend(stand, &first, 1, 60, NOON).await;
    let second = rotate(stand, &first).await;
    assert_eq!(second.budgets, first.budgets);
    assert!(!is_over(stand, &second).await, "40 are left");
    spend(stand, &second, 2, 40, NOON).await;
    for key in [&first, &second] {
        assert!(is_over(stand, key).await, "the chain has spent 100");
    }
    let third = rotate(stand, &second).await;
    assert!(third.over_budget, "no fresh budget");
    assert!(is_over(stand, &third).await);
    let account = first.record.id.clone();
    for (key, lineage) in [
        (&first, None),
        (&second, Some(&account)),
        (&third, Some(&account)),
    ] {
        let (record, _) = told(stand, key).await;
        assert_eq!(record.lineage.as_ref(), lineage);
        assert_eq!(record.account(), &account);
    }
    // A revoked key's spend still counts for the chain.
    let store = &stand.store;
    store
        .set_status(&first.record.id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    let patch = KeyPatch {
        budgets: Some(budgets(r#"{"day_nano_usd":101}"#)),
        ..KeyPatch::default()
    };
    let raised = store
        .update_key(&third.record.id, patch, &by(NOON))
        .await
        .unwrap();
    assert!(!raised.over_budget);
    spend(stand, &third, 3, 1, NOON).await;
    assert!(is_over(stand, &second).await && is_over(stand, &third).await);
    let tomorrow = Millis(NOON.0 + DAY_MS);
    let opened = store
        .judge_budgets(Budgeted::Spent, tomorrow)
        .await
        .unwrap();
    assert!(opened > 0);
    assert!(!is_over(stand, &second).await && !is_over(stand, &third).await);
}

/// For any sequence of charges and rotations.
async fn the_spend_of_a_chain_is_the_sum_of_its_keys(stand: &Stand) {
    const BUDGET: i64 = 500;
    let mut chain = vec![budgeted(stand, r#"{"total_nano_usd":500}"#).await];
    let (mut spent, mut state) = (0, 0x9e37_79b9_u64);
    for n in 1..40 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let pick = usize::try_from(state >> 33).unwrap() % chain.len();
        if n % 7 == 0 {
            chain.push(rotate(stand, chain.last().unwrap()).await);
        } else {
            let cost = i64::try_from(state >> 60).unwrap() * 3;
            spend(stand, &chain[pick], n, cost, NOON).await;
            spent += cost;
        }
        let last = stand.store.key(&chain.last().unwrap().record.id).await;
        assert_eq!(last.unwrap().over_budget, spent >= BUDGET, "{spent}");
    }
    assert!(chain.len() > 3 && spent > BUDGET, "{spent}");
}

async fn a_change_of_one_key_applies_to_its_chain(stand: &Stand) {
    let first = budgeted(stand, "{}").await;
    let second = rotate(stand, &first).await;
    let third = rotate(stand, &second).await;
    let store = &stand.store;
    store
        .set_status(&first.record.id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    let patch = KeyPatch {
        name: Some("new name".into()),
        tier: Some("pro".parse().unwrap()),
        models: serde_json::from_str(r#"["o3"]"#).unwrap(),
        limits: serde_json::from_str(r#"{"requests_per_minute":2}"#).unwrap(),
        budgets: Some(budgets(r#"{"week_nano_usd":5}"#)),
        addresses: serde_json::from_str(r#"["203.0.113.7"]"#).unwrap(),
        endpoints: serde_json::from_str(r#"["files"]"#).unwrap(),
        ..KeyPatch::default()
    };
    let before = store.head().await.unwrap().version;
    let changed = store
        .update_key(&second.record.id, patch, &by(NOON))
        .await
        .unwrap();
    let other = store.key(&third.record.id).await.unwrap();
    assert_eq!(
        (&*changed.name, &*other.name),
        ("new name", "ci"),
        "a name is a key's own"
    );
    let shared = |key: &KeyInfo| {
        let r = key.record.clone();
        (
            r.tier,
            r.models,
            r.limits,
            r.addresses,
            r.endpoints,
            key.budgets.clone(),
        )
    };
    assert_eq!(shared(&changed), shared(&other));
    assert!(changed.version > before && other.version > before);
    let revoked = store.key(&first.record.id).await.unwrap();
    assert_eq!(
        shared(&revoked),
        shared(&first),
        "what has ended stays as it was"
    );
    let of_other = AuditFilter {
        subject: Some(other.record.id.to_string()),
        ..AuditFilter::default()
    };
    let log = store.audit(&of_other, &page(1, None)).await.unwrap();
    assert_eq!(log.items[0].action, "key.update");
    assert_eq!(log.items[0].detail["with"], second.record.id.as_str());
}

async fn a_successor_has_its_predecessors_settings(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    let member = NewMember {
        email: "a@example.com".into(),
        role: MemberRole::Developer,
    };
    store
        .put_member(&team("acme"), member, &by(NOON))
        .await
        .unwrap();
    let new = NewKey {
        limits: serde_json::from_str(r#"{"requests_per_minute":2}"#).unwrap(),
        addresses: serde_json::from_str(r#"["203.0.113.7"]"#).unwrap(),
        owner: Some("a@example.com".into()),
        tags: vec!["ci".into()],
        metadata: [("env".into(), "prod".into())].into(),
        ..new_key_of("acme")
    };
    let made = store.create_key(new, None, &by(NOON)).await.unwrap().key;
    for (status, suspended_by) in [
        (Status::Active, None),
        (Status::Suspended, Some(Role::Admin)),
    ] {
        let key = store
            .set_status(&made.record.id, status, &by(NOON))
            .await
            .unwrap();
        if status == Status::Active {
            continue;
        }
        let new = rotate(stand, &key).await;
        assert_eq!(
            (new.record.status, new.suspended_by),
            (status, suspended_by)
        );
        assert_eq!(new.record.limits, key.record.limits);
        assert_eq!(new.record.addresses, key.record.addresses);
        assert_eq!(
            (&new.owner, &new.tags, &new.metadata),
            (&key.owner, &key.tags, &key.metadata)
        );
        assert_eq!(told(stand, &new).await.0.status, Status::Suspended);
        // A team's own administrator cannot escape it by rotating.
        let again = store
            .rotate_key(&new.record.id, rotation(0), &by_team(NOON))
            .await
            .unwrap();
        let id = &again.new.record.id;
        let refused = store.set_status(id, Status::Active, &by_team(NOON)).await;
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "{refused:?}"
        );
        let tagged = KeyFilter {
            tag: Some("ci".into()),
            ..KeyFilter::default()
        };
        let tagged = store.keys(&tagged, &page(10, None)).await.unwrap().items;
        assert_eq!(tagged.len(), 3, "a successor is found by its tags");
    }
}

async fn the_audit_log_names_a_keys_predecessor(stand: &Stand) {
    let first = budgeted(stand, "{}").await;
    let second = rotate(stand, &first).await;
    let store = &stand.store;
    let of = |key: &KeyInfo| AuditFilter {
        subject: Some(key.record.id.to_string()),
        ..AuditFilter::default()
    };
    let log = store
        .audit(&of(&second), &page(5, None))
        .await
        .unwrap()
        .items;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].action, "key.create");
    assert_eq!(log[0].detail["rotated_from"], first.record.id.as_str());
    let log = store
        .audit(&of(&first), &page(5, None))
        .await
        .unwrap()
        .items;
    assert_eq!(log[0].detail["to"], second.record.id.as_str());
    let first = store.key(&first.record.id).await.unwrap();
    assert_eq!(second.rotated_from, Some(first.record.id.clone()));
    assert_eq!(first.rotated_to, Some(second.record.id.clone()));
}

async fn a_rotation_with_the_same_idempotency_key_happens_once(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let once = |request: u8| Rotation {
        once: Some(Once {
            token: "r1".into(),
            request: [request; 32],
        }),
        ..rotation(60)
    };
    let id = &key.record.id;
    let first = store.rotate_key(id, once(1), &by(NOON)).await.unwrap();
    let again = store.rotate_key(id, once(1), &by(NOON)).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.new.record.id, again.new.record.id);
    assert_eq!(first.old.record.id, again.old.record.id);
    let other = store.rotate_key(id, once(2), &by(NOON)).await;
    assert!(matches!(other, Err(StoreError::Conflict(_))));
    // The same for several keys, and for a team.
    let once = || {
        Some(Once {
            token: "r2".into(),
            request: [1; 32],
        })
    };
    let batch = || vec![new_key_of("acme"), new_key_of("acme")];
    let first = store.create_keys(batch(), once(), &by(NOON)).await.unwrap();
    let again = store.create_keys(batch(), once(), &by(NOON)).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.keys, again.keys);
    let team = || NewTeam {
        once: Some(Once {
            token: "r3".into(),
            request: [1; 32],
        }),
        ..new_team("umbrella")
    };
    let first = store.create_team(team(), &by(NOON)).await.unwrap();
    let again = store.create_team(team(), &by(NOON)).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.team, again.team);
}

/// Noon is on Monday, 2026-11-23.
async fn each_span_of_time_has_its_budget(stand: &Stand) {
    let day = |n: i64| Millis(NOON.0 + n * DAY_MS);
    let store = &stand.store;
    let made = budgeted(stand, "{}").await;
    let id = &made.record.id;
    spend(stand, &made, 1, 10, NOON).await;
    for (budget, opens_after) in [
        (r#"{"day_nano_usd":10}"#, Some(1)),
        (r#"{"week_nano_usd":10}"#, Some(7)),
        (r#"{"month_nano_usd":10}"#, Some(8)),
        (r#"{"total_nano_usd":10}"#, None),
        (r#"{"total_nano_usd":11}"#, Some(0)),
    ] {
        let patch = KeyPatch {
            budgets: Some(budgets(budget)),
            ..KeyPatch::default()
        };
        store.update_key(id, patch, &by(NOON)).await.unwrap();
        for n in [0, 1, 6, 7, 8, 400] {
            store.judge_budgets(Budgeted::All, day(n)).await.unwrap();
            let expected = opens_after.is_none_or(|opens| n < opens);
            let key = store.key(id).await.unwrap();
            assert_eq!(key.over_budget, expected, "{budget} after {n} days");
        }
    }
}

async fn a_model_has_a_budget_of_its_own(stand: &Stand) {
    let store = &stand.store;
    let first = budgeted(stand, r#"{"models":{"gpt-4o*":{"day_nano_usd":10}}}"#).await;
    let mut other = event(&first, 1, 50);
    other.event.model = gmtech_core::model::ModelId::new("o3").ok();
    store.ingest(&[other], NOON).await.unwrap();
    assert_eq!(told(stand, &first).await.0.spent_models, None);
    let second = rotate(stand, &first).await;
    spend(stand, &first, 2, 10, NOON).await;
    for key in [&first, &second] {
        let (record, over) = told(stand, key).await;
        let spent = record.spent_models.unwrap();
        assert!(spent.allows("gpt-4o") && !spent.allows("o3"));
        assert!(!over, "other models go on");
    }
    let tomorrow = Millis(NOON.0 + DAY_MS);
    store
        .judge_budgets(Budgeted::Spent, tomorrow)
        .await
        .unwrap();
    assert_eq!(told(stand, &second).await.0.spent_models, None);
}

async fn a_soft_budget_refuses_nothing_and_is_reported_once(stand: &Stand) {
    let store = &stand.store;
    let key = budgeted(stand, r#"{"soft":{"day_nano_usd":10}}"#).await;
    let id = &key.record.id;
    let log = || async {
        let of_key = AuditFilter {
            subject: Some(id.to_string()),
            ..AuditFilter::default()
        };
        let log = store.audit(&of_key, &page(50, None)).await.unwrap().items;
        let told = log.iter().filter(|e| e.action == "key.soft_budget");
        told.count()
    };
    spend(stand, &key, 1, 9, NOON).await;
    assert!(!store.key(id).await.unwrap().over_soft_budget);
    for n in 2..5 {
        spend(stand, &key, n, 1, NOON).await;
        let now = store.key(id).await.unwrap();
        assert!(now.over_soft_budget && !now.over_budget);
        assert_eq!(now.standing(NOON), Standing::Active);
        assert_eq!(now.version, key.version, "proxies have nothing to learn");
        assert_eq!(log().await, 1);
    }
    let tomorrow = Millis(NOON.0 + DAY_MS);
    store
        .judge_budgets(Budgeted::Spent, tomorrow)
        .await
        .unwrap();
    assert!(!store.key(id).await.unwrap().over_soft_budget);
    spend(stand, &key, 9, 10, tomorrow).await;
    assert_eq!(log().await, 2, "once for each day that passes it");
}
