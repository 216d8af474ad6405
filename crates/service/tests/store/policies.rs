//! Team policies that depend on the database, and closing a team.

use gmtech_core::record::Status;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_policy_bounds_a_teams_number_of_keys,
    a_team_cannot_resume_a_key_that_an_administrator_suspended,
    a_policy_binds_the_team_and_not_administrators_of_the_service,
    a_forced_lifetime_begins_anew_with_a_rotation,
    an_owner_is_a_member,
    a_closed_team_keeps_only_its_ledger_and_usage,
);

async fn set_policy(stand: &Stand, json: &str) {
    let policy: Policy = serde_json::from_str(json).unwrap();
    let patch = TeamPatch {
        policy: Some(Some(policy)),
        ..TeamPatch::default()
    };
    stand
        .store
        .update_team(&team("acme"), patch, &by(NOON))
        .await
        .unwrap();
}

async fn a_policy_bounds_a_teams_number_of_keys(stand: &Stand) {
    let store = &stand.store;
    let first = with_key(stand).await;
    set_policy(stand, r#"{"max_keys":2}"#).await;
    let make = |by: By| async move { store.create_key(new_key_of("acme"), None, &by).await };
    let short = NewKey {
        expires_at: Some(NOON.unix_seconds() + 60),
        ..new_key_of("acme")
    };
    let short = store.create_key(short, None, &by_team(NOON)).await;
    let short = short.unwrap().key;
    let refused = make(by_team(NOON)).await.unwrap_err();
    assert!(refused.to_string().contains("may have 2 keys"), "{refused}");
    let batch = vec![new_key_of("acme")];
    assert!(
        store
            .create_keys(batch, None, &by_team(NOON))
            .await
            .is_err()
    );
    // A chain of rotations counts as one key.
    store
        .rotate_key(&first.record.id, rotation(600), &by_team(NOON))
        .await
        .unwrap();
    assert!(make(by_team(NOON)).await.is_err());
    // An administrator of the service is not bound; ended keys do not count.
    let third = make(by(NOON)).await.unwrap().key;
    store
        .set_status(&third.record.id, Status::Revoked, &by_team(NOON))
        .await
        .unwrap();
    let later = later(61);
    let fourth = make(by_team(later)).await.unwrap().key;
    // Nor can the expiry of an expired key be removed once the bound is reached.
    let forever = || KeyPatch {
        expires_at: Some(None),
        ..KeyPatch::default()
    };
    let id = &short.record.id;
    assert!(
        store
            .update_key(id, forever(), &by_team(later))
            .await
            .is_err()
    );
    store
        .set_status(&fourth.record.id, Status::Revoked, &by_team(later))
        .await
        .unwrap();
    store
        .update_key(id, forever(), &by_team(later))
        .await
        .unwrap();
}

async fn a_team_cannot_resume_a_key_that_an_administrator_suspended(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    use Status::{Active, Revoked, Suspended};
    for (step, (status, by_whom), ok) in [
        ("the team pauses", (Suspended, by_team(NOON)), true),
        ("and resumes", (Active, by_team(NOON)), true),
        ("an administrator pauses", (Suspended, by(NOON)), true),
        (
            "the team pauses what is paused",
            (Suspended, by_team(NOON)),
            true,
        ),
        ("and does not resume it", (Active, by_team(NOON)), false),
        ("an administrator resumes", (Active, by(NOON)), true),
        ("the team pauses again", (Suspended, by_team(NOON)), true),
        (
            "an administrator takes that over",
            (Suspended, by(NOON)),
            true,
        ),
        ("which holds", (Active, by_team(NOON)), false),
        ("the team may end it", (Revoked, by_team(NOON)), true),
    ] {
        let done = store.set_status(id, status, &by_whom).await;
        assert_eq!(done.is_ok(), ok, "{step}: {done:?}");
        if let Err(refused) = done {
            assert!(
                matches!(refused, StoreError::Refused(_)),
                "{step}: {refused:?}"
            );
        }
    }
    assert_eq!(store.key(id).await.unwrap().suspended_by, None);
}

async fn a_policy_binds_the_team_and_not_administrators_of_the_service(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    let rpm = |n: u32| KeyPatch {
        limits: serde_json::from_str(&format!(r#"{{"requests_per_minute":{n}}}"#)).unwrap(),
        ..KeyPatch::default()
    };
    let refused = store.update_key(id, rpm(1), &by_team(NOON)).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "without a policy: {refused:?}"
    );
    set_policy(
        stand,
        r#"{"limits":{"requests_per_minute":10},"budgets":{"day_nano_usd":100}}"#,
    )
    .await;
    store.update_key(id, rpm(10), &by_team(NOON)).await.unwrap();
    let before = store.key(id).await.unwrap();
    let refused = store.update_key(id, rpm(11), &by_team(NOON)).await;
    let Err(StoreError::Refused(refusal)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.field, "limits");
    assert!(
        refusal.message.contains("at most 10"),
        "{}",
        refusal.message
    );
    assert_eq!(store.key(id).await.unwrap(), before, "nothing has changed");
    store.update_key(id, rpm(5000), &by(NOON)).await.unwrap();
    let made = store
        .create_key(new_key_of("acme"), None, &by_team(NOON))
        .await;
    assert_eq!(
        made.unwrap().key.budgets.day_nano_usd,
        Some(100),
        "the cap is filled in"
    );
    let made = store.create_key(new_key_of("acme"), None, &by(NOON)).await;
    assert_eq!(made.unwrap().key.budgets.day_nano_usd, None);
    let policy = store.team(&team("acme")).await.unwrap().policy.unwrap();
    assert_eq!(policy.budgets.day_nano_usd, Some(100));
}

async fn a_forced_lifetime_begins_anew_with_a_rotation(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    set_policy(stand, r#"{"max_key_lifetime_seconds":3600}"#).await;
    let made = store
        .create_key(new_key_of("acme"), None, &by_team(NOON))
        .await;
    let made = made.unwrap().key;
    let end = |at: gmtech_service::clock::Millis| Some(at.unix_seconds() + 3600);
    assert_eq!(made.record.expires_at, end(NOON));
    let rotated = store
        .rotate_key(&made.record.id, rotation(60), &by_team(later(1800)))
        .await
        .unwrap();
    assert_eq!(rotated.new.record.expires_at, end(later(1800)));
    assert_eq!(
        rotated.old.record.expires_at,
        Some(later(1860).unix_seconds())
    );
    // An administrator's rotation keeps the expiry.
    let again = store
        .rotate_key(&rotated.new.record.id, rotation(60), &by(later(1900)))
        .await
        .unwrap();
    assert_eq!(again.new.record.expires_at, end(later(1800)));
}

async fn an_owner_is_a_member(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let owned_by = |email: &str| KeyPatch {
        owner: Some(Some(email.into())),
        ..KeyPatch::default()
    };
    let id = &key.record.id;
    let stranger = store
        .update_key(id, owned_by("a@example.com"), &by(NOON))
        .await;
    assert!(
        matches!(stranger, Err(StoreError::NotAMember(_))),
        "{stranger:?}"
    );
    let member = NewMember {
        email: "a@example.com".into(),
        role: MemberRole::Developer,
    };
    store
        .put_member(&team("acme"), member, &by(NOON))
        .await
        .unwrap();
    store
        .update_key(id, owned_by("a@example.com"), &by(NOON))
        .await
        .unwrap();
    let remove = || async {
        store
            .remove_member(&team("acme"), "a@example.com", &by(NOON))
            .await
    };
    let refused = remove().await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
    store
        .set_status(id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    remove().await.unwrap();
    let owner = store.key(id).await.unwrap().owner;
    assert_eq!(owner.as_deref(), Some("a@example.com"), "who it was stays");
}

async fn a_closed_team_keeps_only_its_ledger_and_usage(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let acme = team("acme");
    store
        .create_team(new_team("other"), &by(NOON))
        .await
        .unwrap();
    let other = store.create_key(new_key_of("other"), None, &by(NOON)).await;
    let other = other.unwrap().key;
    for _ in 0..4 {
        store
            .create_key(new_key_of("acme"), None, &by(NOON))
            .await
            .unwrap();
    }
    let credit = |amount| NewCredit {
        amount,
        note: String::new(),
        once: None,
    };
    store.credit(&acme, credit(100), &by(NOON)).await.unwrap();
    let before = store.head().await.unwrap().version;
    let closed = store.close_team(&acme, &by(later(1))).await.unwrap();
    assert_eq!(closed.closed_at, Some(later(1)));
    let again = store.close_team(&acme, &by(later(2))).await.unwrap();
    assert_eq!(again, closed, "to close it again is no change");
    let changes = store.changes(before, 100).await.unwrap();
    let versions: Vec<_> = changes.keys.iter().map(|k| k.version).collect();
    assert_eq!(
        versions,
        (before + 1..=before + 5).collect::<Vec<_>>(),
        "a version each"
    );
    let revoked = |k: &gmtech_core::sync::KeyEntry| {
        k.state.as_ref().unwrap().record.readable().unwrap().status == Status::Revoked
    };
    assert!(changes.keys.iter().all(revoked));
    assert_eq!(
        store.key(&other.record.id).await.unwrap().record.status,
        Status::Active
    );
    let of_key = AuditFilter {
        subject: Some(key.record.id.to_string()),
        ..AuditFilter::default()
    };
    let log = store.audit(&of_key, &page(1, None)).await.unwrap().items;
    assert_eq!(
        (&*log[0].action, &log[0].detail["with"]),
        ("key.revoke", &"team.close".into())
    );
    // Late usage is booked and remaining credit can be paid back; every other change is refused.
    let done = store.ingest(&[event(&key, 1, 30)], later(3)).await.unwrap();
    assert_eq!(done.accepted, 1);
    let paid = store
        .credit(&acme, credit(-70), &by(later(4)))
        .await
        .unwrap();
    assert_eq!(paid.balance_nano_usd, 0);
    assert_eq!(
        store
            .ledger(&acme, &page(9, None))
            .await
            .unwrap()
            .items
            .len(),
        3
    );
    let member = NewMember {
        email: "a@example.com".into(),
        role: MemberRole::Owner,
    };
    let refused = [
        store.credit(&acme, credit(1), &by(NOON)).await.map(drop),
        store
            .create_key(new_key_of("acme"), None, &by(NOON))
            .await
            .map(drop),
        store
            .create_keys(vec![new_key_of("acme")], None, &by(NOON))
            .await
            .map(drop),
        store
            .update_team(&acme, TeamPatch::default(), &by(NOON))
            .await
            .map(drop),
        store.put_member(&acme, member, &by(NOON)).await.map(drop),
        store
            .rotate_key(&key.record.id, rotation(0), &by(NOON))
            .await
            .map(drop),
        store
            .create_team(new_team("acme"), &by(NOON))
            .await
            .map(drop),
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        assert!(
            matches!(refused, Err(StoreError::Conflict(_))),
            "{n}: {refused:?}"
        );
    }
}
