//! Tokens of administrators and proxies: creation, replacement and end.

use gmtech_service::clock::Millis;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    tokens_work_until_they_are_revoked,
    a_configured_administrators_token_ends_the_previous_one,
    a_configured_proxies_token_leaves_the_previous_one_the_overlap,
    an_ended_token_stays_ended_and_replaces_nothing,
    a_token_keeps_its_role,
    the_last_administrators_token_cannot_be_ended,
    a_third_proxies_token_is_refused,
    the_latest_use_of_a_token_is_recorded,
);

const HOUR_MS: i64 = 3_600_000;

fn new_token(n: u8, role: Role) -> NewServiceToken {
    NewServiceToken {
        id: format!("tok_{n}"),
        name: "t".into(),
        digest: [n; 32],
        role,
        team: None,
    }
}

async fn configure(stand: &Stand, n: u8, role: Role, at: Millis) -> Configured {
    let (new, by) = (new_token(n, role), by(at));
    stand
        .store
        .configure_token(new, HOUR_MS, &by)
        .await
        .unwrap()
}

/// The ids of the tokens that are valid.
async fn valid(stand: &Stand, now: Millis) -> Vec<String> {
    let all = stand.store.tokens().await.unwrap();
    let valid = all.into_iter().filter(|t| t.ended(now).is_none());
    valid.map(|t| t.id).collect()
}

async fn audited(stand: &Stand) -> Vec<(String, String)> {
    let (filter, page) = (AuditFilter::default(), page(100, None));
    let mut items = stand.store.audit(&filter, &page).await.unwrap().items;
    items.reverse();
    items.into_iter().map(|e| (e.action, e.subject)).collect()
}

fn ids(tokens: &[ServiceToken]) -> Vec<&str> {
    tokens.iter().map(|t| t.id.as_str()).collect()
}

async fn tokens_work_until_they_are_revoked(stand: &Stand) {
    let store = &stand.store;
    let new = new_token(7, Role::Reader);
    let made = store.create_token(new.clone(), &by(NOON)).await.unwrap();
    assert_eq!(store.token(&[7; 32]).await.unwrap(), Some(made.clone()));
    let again = NewServiceToken {
        id: "tok_2".into(),
        ..new
    };
    assert_eq!(
        store.create_token(again, &by(NOON)).await.unwrap(),
        made,
        "a token is stored once"
    );
    assert_eq!(store.token(&[8; 32]).await.unwrap(), None);
    for at in [later(1), later(2)] {
        store.revoke_token("tok_7", &by(at)).await.unwrap();
    }
    let token = store.token(&[7; 32]).await.unwrap().unwrap();
    assert_eq!(token.ended(later(3)), Some(Ended::Revoked(later(1))));
    assert_eq!(store.tokens().await.unwrap().len(), 1);
    let unknown = store.revoke_token("tok_none", &by(NOON)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound("token"))));
}

async fn a_configured_administrators_token_ends_the_previous_one(stand: &Stand) {
    let by_hand = new_token(9, Role::Admin);
    stand.store.create_token(by_hand, &by(NOON)).await.unwrap();
    configure(stand, 1, Role::Admin, NOON).await;
    assert!(
        configure(stand, 1, Role::Admin, later(1))
            .await
            .ended
            .is_empty()
    );
    let done = configure(stand, 2, Role::Admin, later(2)).await;
    assert!(done.token.configured && done.overlapping.is_none());
    assert_eq!(ids(&done.ended), ["tok_1"]);
    assert_eq!(
        valid(stand, later(2)).await,
        ["tok_9", "tok_2"],
        "one that an administrator has made goes on"
    );
    // A token made through the API stays until it is configured; then the next configured one ends it.
    configure(stand, 9, Role::Admin, later(3)).await;
    let done = configure(stand, 3, Role::Admin, later(4)).await;
    assert_eq!(ids(&done.ended), ["tok_9"]);
    let told = |action: &str, n: u8| (action.to_owned(), format!("tok_{n}"));
    assert_eq!(
        audited(stand).await,
        [
            told("token.create", 9),
            told("token.create", 1),
            told("token.create", 2),
            told("token.revoke", 1),
            told("token.configure", 9),
            told("token.revoke", 2),
            told("token.create", 3),
            told("token.revoke", 9),
        ]
    );
}

async fn a_configured_proxies_token_leaves_the_previous_one_the_overlap(stand: &Stand) {
    let hour = |n: i64| Millis(NOON.0 + n * HOUR_MS);
    configure(stand, 1, Role::Proxy, NOON).await;
    let done = configure(stand, 2, Role::Proxy, later(10)).await;
    let before = done.overlapping.unwrap();
    assert_eq!(
        (before.id.as_str(), before.expires_at),
        ("tok_1", Some(Millis(later(10).0 + HOUR_MS)))
    );
    // A restart with the same token changes nothing, neither the end of the other token nor the audit log.
    let told = audited(stand).await.len();
    let again = configure(stand, 2, Role::Proxy, later(20)).await;
    assert_eq!(again.overlapping, Some(before));
    assert_eq!(audited(stand).await.len(), told);
    assert_eq!(valid(stand, later(20)).await, ["tok_1", "tok_2"]);
    assert_eq!(valid(stand, hour(2)).await, ["tok_2"], "its time is over");

    // At most two are valid: a third one ends the one that was to end anyway.
    let done = configure(stand, 3, Role::Proxy, later(30)).await;
    assert_eq!(ids(&done.ended), ["tok_1"]);
    assert_eq!(done.overlapping.unwrap().id, "tok_2");
    // Going back to the previous token: it stays, and the newer one gets the overlap.
    let done = configure(stand, 2, Role::Proxy, later(40)).await;
    assert_eq!(done.token.expires_at, None);
    assert_eq!(done.overlapping.unwrap().id, "tok_3");
    assert_eq!(valid(stand, hour(9)).await, ["tok_2"]);

    // The operator can revoke without waiting, and the overlap can be zero.
    stand
        .store
        .revoke_token("tok_3", &by(later(50)))
        .await
        .unwrap();
    assert_eq!(valid(stand, later(50)).await, ["tok_2"]);
    let (new, by) = (new_token(4, Role::Proxy), by(later(60)));
    let at_once = stand.store.configure_token(new, 0, &by).await.unwrap();
    assert_eq!(ids(&at_once.ended), ["tok_2"]);
}

async fn an_ended_token_stays_ended_and_replaces_nothing(stand: &Stand) {
    for role in [Role::Admin, Role::Proxy] {
        let n = if role == Role::Admin { 1 } else { 11 };
        configure(stand, n, role, NOON).await;
        configure(stand, n + 1, role, later(1)).await;
        stand
            .store
            .revoke_token(&format!("tok_{n}"), &by(later(2)))
            .await
            .unwrap();
        let done = configure(stand, n, role, later(3)).await;
        assert!(done.token.ended(later(3)).is_some());
        assert!(done.ended.is_empty() && done.overlapping.is_none());
    }
    assert_eq!(valid(stand, later(3)).await, ["tok_12", "tok_2"]);
}

async fn a_token_keeps_its_role(stand: &Stand) {
    configure(stand, 1, Role::Proxy, NOON).await;
    let (new, by) = (new_token(1, Role::Admin), by(NOON));
    let taken = stand.store.configure_token(new, 0, &by).await;
    let why = taken.unwrap_err().to_string();
    assert!(why.contains("with the role proxy"), "{why}");
    let token = stand.store.token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(token.role, Role::Proxy);
}

async fn the_last_administrators_token_cannot_be_ended(stand: &Stand) {
    let store = &stand.store;
    configure(stand, 1, Role::Admin, NOON).await;
    configure(stand, 11, Role::Proxy, NOON).await;
    for (n, role) in [(2, Role::Reader), (3, Role::Admin)] {
        store
            .create_token(new_token(n, role), &by(NOON))
            .await
            .unwrap();
    }
    store.revoke_token("tok_1", &by(later(1))).await.unwrap();
    let refused = store
        .revoke_token("tok_3", &by(later(2)))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Conflict(why) if why.contains("make another one first"))
    );
    for other in ["tok_2", "tok_11"] {
        store.revoke_token(other, &by(later(3))).await.unwrap();
    }
    assert_eq!(valid(stand, later(3)).await, ["tok_3"]);
}

async fn a_third_proxies_token_is_refused(stand: &Stand) {
    let store = &stand.store;
    configure(stand, 1, Role::Proxy, NOON).await;
    let by = by(NOON);
    let make = |n| store.create_token(new_token(n, Role::Proxy), &by);
    make(2).await.unwrap();
    let refused = make(3).await.unwrap_err().to_string();
    assert!(
        refused.contains("tok_1") && refused.contains("tok_2"),
        "{refused}"
    );
    store.revoke_token("tok_1", &by).await.unwrap();
    make(3).await.unwrap();
}

async fn the_latest_use_of_a_token_is_recorded(stand: &Stand) {
    let store = &stand.store;
    configure(stand, 1, Role::Admin, NOON).await;
    for at in [later(2), later(1)] {
        let used = [("tok_1".to_owned(), at), ("tok_gone".to_owned(), at)];
        store.note_tokens_used(&used).await.unwrap();
    }
    let token = store.token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(token.last_used_at, Some(later(2)));
}
