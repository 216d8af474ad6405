//! Keys, teams and the audit log.

use gmtech_core::record::Status;
use gmtech_service::clock::Millis;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_key_reads_back_as_it_was_made,
    a_revoked_key_stays_revoked,
    a_call_with_the_same_idempotency_key_happens_once,
    rotation_ends_the_old_key_after_the_overlap,
    every_page_is_full_and_no_key_is_missed,
    every_change_is_in_the_audit_log,
    members_are_added_changed_and_removed,
);

async fn a_key_reads_back_as_it_was_made(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let owner = NewMember {
        email: "a@example.com".into(),
        role: MemberRole::Owner,
    };
    store
        .put_member(&team("acme"), owner, &by(NOON))
        .await
        .unwrap();
    let new = NewKey {
        models: serde_json::from_str(r#"["gpt-4o*"]"#).unwrap(),
        limits: serde_json::from_str(r#"{"requests_per_minute": 7}"#).unwrap(),
        expires_at: Some(1_900_000_000),
        budgets: serde_json::from_str(
            r#"{"day_nano_usd":5,"week_nano_usd":6,"soft":{"total_nano_usd":7},"models":{"gpt-4o*":{"day_nano_usd":8}}}"#,
        )
        .unwrap(),
        addresses: serde_json::from_str(r#"["203.0.113.0/24","2001:db8::1"]"#).unwrap(),
        endpoints: serde_json::from_str(r#"["chat_completions","files"]"#).unwrap(),
        owner: Some("a@example.com".into()),
        metadata: [("env".into(), "prod".into())].into(),
        tags: vec!["ci".into(), "team/x".into()],
        ..new_key_of("acme")
    };
    let made = store
        .create_key(new.clone(), None, &by(NOON))
        .await
        .unwrap()
        .key;
    assert_eq!(store.key(&made.record.id).await.unwrap(), made);
    assert_eq!(
        (
            &made.record.models,
            &made.record.limits,
            made.record.expires_at,
            &made.budgets,
            &made.record.addresses,
            &made.record.endpoints,
        ),
        (
            &new.models,
            &new.limits,
            new.expires_at,
            &new.budgets,
            &new.addresses,
            &new.endpoints
        )
    );
    assert_eq!(
        (&made.owner, &made.metadata, &made.tags),
        (&new.owner, &new.metadata, &new.tags)
    );
    let (_, entry) = store.resolve(&new.secret.digest).await.unwrap();
    let state = entry.unwrap().0.state.unwrap();
    assert_eq!(
        state.record.readable(),
        Some(&made.record),
        "proxies learn all of it"
    );
    let orphan = store
        .create_key(new_key_of("nobody"), None, &by(NOON))
        .await;
    assert!(matches!(orphan, Err(StoreError::NotFound("team"))));
    let twice = store.create_key(new, None, &by(NOON)).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))));
}

async fn a_revoked_key_stays_revoked(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    for (status, ok) in [
        (Status::Suspended, true),
        (Status::Active, true),
        (Status::Revoked, true),
        (Status::Revoked, true),
        (Status::Active, false),
        (Status::Suspended, false),
    ] {
        assert_eq!(
            store.set_status(id, status, &by(NOON)).await.is_ok(),
            ok,
            "{status:?}"
        );
    }
    let patch = KeyPatch {
        name: Some("x".into()),
        ..KeyPatch::default()
    };
    assert!(store.update_key(id, patch, &by(NOON)).await.is_err());
    assert_eq!(store.key(id).await.unwrap().record.status, Status::Revoked);
    // The second revocation changed nothing, so it used no version.
    assert_eq!(store.key(id).await.unwrap().version, key.version + 3);
}

async fn a_call_with_the_same_idempotency_key_happens_once(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let once = |request: u8| {
        Some(Once {
            token: "t1".into(),
            request: [request; 32],
        })
    };
    let first = store
        .create_key(new_key_of("acme"), once(1), &by(NOON))
        .await
        .unwrap();
    let again = store
        .create_key(new_key_of("acme"), once(1), &by(NOON))
        .await
        .unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.key.record.id, again.key.record.id);
    let other = store
        .create_key(new_key_of("acme"), once(2), &by(NOON))
        .await;
    assert!(matches!(other, Err(StoreError::Conflict(_))));
    let someone_else = By {
        actor: "other".into(),
        ..by(NOON)
    };
    assert!(
        !store
            .create_key(new_key_of("acme"), once(2), &someone_else)
            .await
            .unwrap()
            .replayed
    );
    let top_up = || NewCredit {
        amount: 100,
        note: String::new(),
        once: Some(Once {
            token: "t2".into(),
            request: [9; 32],
        }),
    };
    for _ in 0..3 {
        let team = store
            .credit(&team("acme"), top_up(), &by(NOON))
            .await
            .unwrap();
        assert_eq!(team.balance_nano_usd, 100);
    }
    // The idempotency key is kept for the given time only.
    for (before, replayed) in [(NOON, true), (later(1), false)] {
        store.forget(before).await.unwrap();
        let again = store
            .create_key(new_key_of("acme"), once(1), &by(NOON))
            .await
            .unwrap();
        assert_eq!(again.replayed, replayed);
    }
}

async fn rotation_ends_the_old_key_after_the_overlap(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let rotated = store
        .rotate_key(&key.record.id, rotation(3600), &by(NOON))
        .await
        .unwrap();
    assert_eq!(
        rotated.old.record.expires_at,
        Some(NOON.unix_seconds() + 3600)
    );
    assert_eq!(rotated.old.record.status, Status::Active);
    assert_eq!(rotated.old.rotated_to, Some(rotated.new.record.id.clone()));
    assert_eq!(rotated.new.record.expires_at, None);
    assert_eq!(
        (&rotated.new.name, &rotated.new.record.tier),
        (&key.name, &key.record.tier)
    );
    let twice = store
        .rotate_key(&key.record.id, rotation(3600), &by(NOON))
        .await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))));
    // The expiry of a key that ends sooner stays.
    let short = NewKey {
        expires_at: Some(NOON.unix_seconds() + 60),
        ..new_key_of("acme")
    };
    let short = store.create_key(short, None, &by(NOON)).await.unwrap().key;
    let rotated = store
        .rotate_key(&short.record.id, rotation(3600), &by(NOON))
        .await
        .unwrap();
    assert_eq!(rotated.old.record.expires_at, short.record.expires_at);
}

async fn every_page_is_full_and_no_key_is_missed(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    for n in 0..10 {
        // Several keys are made in the same millisecond: the id must break ties.
        store
            .create_key(new_key_of("acme"), None, &by(Millis(NOON.0 + n / 4)))
            .await
            .unwrap();
    }
    let (mut seen, mut after, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let got = store
            .keys(&KeyFilter::default(), &page(4, after))
            .await
            .unwrap();
        sizes.push(got.items.len());
        seen.extend(got.items.into_iter().map(|k| (k.created_at, k.record.id)));
        after = got.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 3]);
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    sorted.reverse();
    assert_eq!(seen, sorted, "the newest first, none twice");
    let suspended = KeyFilter {
        standing: Some((Standing::Suspended, NOON)),
        ..KeyFilter::default()
    };
    assert!(
        store
            .keys(&suspended, &page(4, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let others = KeyFilter {
        team: Some(team("other")),
        ..KeyFilter::default()
    };
    assert!(
        store
            .keys(&others, &page(4, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn every_change_is_in_the_audit_log(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    let patch = KeyPatch {
        name: Some("renamed".into()),
        ..KeyPatch::default()
    };
    store
        .update_key(id, patch.clone(), &by(later(1)))
        .await
        .unwrap();
    store.update_key(id, patch, &by(later(2))).await.unwrap();
    store
        .set_status(id, Status::Revoked, &by(later(3)))
        .await
        .unwrap();
    let of_key = AuditFilter {
        subject: Some(id.to_string()),
        ..AuditFilter::default()
    };
    let log = store.audit(&of_key, &page(10, None)).await.unwrap().items;
    let said: Vec<_> = log.iter().map(|e| (e.at, &*e.actor, &*e.action)).collect();
    assert_eq!(
        said,
        [
            (later(3), "tester", "key.revoke"),
            (later(1), "tester", "key.update"),
            (NOON, "tester", "key.create")
        ],
        "a change to what it is already is no change"
    );
    assert_eq!(
        log[1].detail["name"],
        serde_json::json!({"was": "ci", "is": "renamed"})
    );
    let of_team = AuditFilter {
        team: Some(team("acme")),
        ..AuditFilter::default()
    };
    assert_eq!(
        store
            .audit(&of_team, &page(2, None))
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

async fn members_are_added_changed_and_removed(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let member = |role| NewMember {
        email: "a@example.com".into(),
        role,
    };
    store
        .put_member(&team("acme"), member(MemberRole::Developer), &by(NOON))
        .await
        .unwrap();
    store
        .put_member(&team("acme"), member(MemberRole::Owner), &by(later(1)))
        .await
        .unwrap();
    let members = store.members(&team("acme")).await.unwrap();
    assert_eq!(
        (members.len(), members[0].role, members[0].added_at),
        (1, MemberRole::Owner, NOON)
    );
    store
        .remove_member(&team("acme"), "a@example.com", &by(NOON))
        .await
        .unwrap();
    assert!(
        store
            .remove_member(&team("acme"), "a@example.com", &by(NOON))
            .await
            .is_err()
    );
    assert!(
        store
            .put_member(&team("nobody"), member(MemberRole::Owner), &by(NOON))
            .await
            .is_err()
    );
}
