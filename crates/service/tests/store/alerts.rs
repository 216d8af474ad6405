//! Alerts: each once, in order, whoever judges; and their way out.

use std::collections::BTreeSet;

use gmtech_core::record::Status;
use gmtech_core::sync::events::Label;
use gmtech_service::clock::Millis;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    parts_of_a_budget_are_told_once_and_in_order,
    each_budget_is_told_of_itself,
    credit_is_told_since_the_last_top_up,
    a_revoked_key_in_use_is_told_once_a_day,
    an_expiry_is_told_twice,
    two_services_tell_once_and_deliver_once,
    deliveries_are_leased_repeated_and_kept_in_order,
    an_address_is_turned_off_and_on,
    what_is_old_goes_and_what_lasts_stays,
    a_line_is_put_away_by_one_person,
    tests_wait_for_one_another,
);

const DAY: i64 = 86_400;

/// All that a team was told, the oldest first.
async fn told(store: &Store) -> Vec<String> {
    let page = store.alerts(&team("acme"), &page(500, None)).await.unwrap();
    let all = page.items.into_iter().rev();
    all.map(|alert| alert.message).collect()
}

fn percents(messages: &[String]) -> Vec<&str> {
    let number = |m: &String| m.split(' ').next().unwrap().to_owned();
    let numbers: Vec<String> = messages.iter().map(number).collect();
    numbers
        .iter()
        .map(|n| match n.as_str() {
            "50" => "50",
            "80" => "80",
            "100" => "100",
            other => panic!("{other}"),
        })
        .collect()
}

async fn key_with(store: &Store, budgets: &str) -> KeyInfo {
    let _ = store.create_team(new_team("acme"), &by(NOON)).await;
    let new = NewKey {
        budgets: serde_json::from_str(budgets).unwrap(),
        ..new_key_of("acme")
    };
    store.create_key(new, None, &by(NOON)).await.unwrap().key
}

fn at(mut event: Priced, at: Millis) -> Priced {
    event.event.started_unix_ms = at.0 as u64;
    event
}

fn refused(key: &KeyInfo, n: u64, when: Millis) -> Priced {
    let mut event = at(event(key, n, 0), when);
    event.event.decision = Label::clip("key_revoked").into();
    event.event.status = 403;
    event
}

async fn address(store: &Store, id: &str) -> AlertAddress {
    let new = NewAlertAddress {
        id: id.into(),
        team: team("acme"),
        name: id.into(),
        url: format!("https://{id}.example.com/"),
        secret: "whsec_c2VjcmV0".into(),
    };
    store.add_alert_address(new, &by(NOON)).await.unwrap()
}

async fn parts_of_a_budget_are_told_once_and_in_order(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, r#"{"month_nano_usd":100}"#).await;
    for (n, (cost, all)) in [
        (49, &[][..]),
        (1, &["50"][..]),
        (29, &["50"]),
        (1, &["50", "80"]),
        // Work that finished elsewhere has cost less, and then more again.
        (-20, &["50", "80"]),
        (20, &["50", "80"]),
        (500, &["50", "80", "100"]),
        (500, &["50", "80", "100"]),
    ]
    .into_iter()
    .enumerate()
    {
        for _ in 0..2 {
            let event = event(&key, n as u64, cost);
            store.ingest(&[event], NOON).await.unwrap();
            store.judge_budgets(Budgeted::All, NOON).await.unwrap();
        }
        assert_eq!(percents(&told(store).await), all, "after charge {n}");
    }
    let first = &told(store).await[0];
    assert_eq!(first, "50 % of this month's budget of key ci is used.");
    // December: one charge passes all.
    let december = later(10 * DAY);
    let event_then = at(event(&key, 99, 1_000), december);
    store.ingest(&[event_then], december).await.unwrap();
    let all = told(store).await;
    assert_eq!(percents(&all), ["50", "80", "100", "50", "80", "100"]);
    // Another amount is another budget.
    let patch = KeyPatch {
        budgets: Some(serde_json::from_str(r#"{"month_nano_usd":1500}"#).unwrap()),
        ..KeyPatch::default()
    };
    store
        .update_key(&key.record.id, patch, &by(december))
        .await
        .unwrap();
    assert_eq!(percents(&told(store).await)[6..], ["50"]);
}

async fn each_budget_is_told_of_itself(stand: &Stand) {
    let store = &*stand.store;
    let budgets = r#"{"day_nano_usd":10,"week_nano_usd":20,"total_nano_usd":100,"soft":{"month_nano_usd":10},
        "models":{"gpt-4o*":{"day_nano_usd":20},"o3":{"day_nano_usd":1}}}"#;
    let key = key_with(store, budgets).await;
    store.ingest(&[event(&key, 1, 10)], NOON).await.unwrap();
    let all: BTreeSet<String> = told(store).await.into_iter().collect();
    let due = [
        "50 % of today's budget of key ci is used.",
        "80 % of today's budget of key ci is used.",
        "100 % of today's budget of key ci is used.",
        "50 % of this week's budget of key ci is used.",
        "50 % of this month's soft budget of key ci is used.",
        "80 % of this month's soft budget of key ci is used.",
        "100 % of this month's soft budget of key ci is used.",
        "50 % of today's budget for gpt-4o* of key ci is used.",
    ];
    assert_eq!(all, due.map(str::to_owned).into());
    // The chain of rotations has one account.
    let rotated = store
        .rotate_key(&key.record.id, rotation(60), &by(NOON))
        .await;
    let next = rotated.unwrap().new;
    store.ingest(&[event(&next, 2, 6)], NOON).await.unwrap();
    let more: Vec<String> = told(store).await.split_off(due.len());
    assert_eq!(
        more,
        [
            "80 % of this week's budget of key ci is used.",
            "80 % of today's budget for gpt-4o* of key ci is used."
        ]
    );
}

async fn credit_is_told_since_the_last_top_up(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, "{}").await;
    let credit = |amount| NewCredit {
        amount,
        note: String::new(),
        once: None,
    };
    let acme = team("acme");
    // Billed afterwards: there is no credit to use up.
    store.ingest(&[event(&key, 0, 40)], NOON).await.unwrap();
    store
        .credit(&acme, credit(140), &by(later(1)))
        .await
        .unwrap();
    assert_eq!(told(store).await, Vec::<String>::new());
    for (n, (cost, all)) in [
        (49, &[][..]),
        (1, &["50"][..]),
        (30, &["50", "80"]),
        (19, &["50", "80"]),
        (2, &["50", "80", "100"]),
        (2, &["50", "80", "100"]),
    ]
    .into_iter()
    .enumerate()
    {
        let event = event(&key, 1 + n as u64, cost);
        store.ingest(&[event], NOON).await.unwrap();
        assert_eq!(percents(&told(store).await), all, "after charge {n}");
    }
    // The balance is -3. A top-up that does not cover the debt is none to use.
    store.credit(&acme, credit(1), &by(later(2))).await.unwrap();
    assert_eq!(told(store).await.len(), 3);
    store
        .credit(&acme, credit(12), &by(later(3)))
        .await
        .unwrap();
    assert_eq!(told(store).await.len(), 3);
    // A correction uses it as well.
    store
        .credit(&acme, credit(-5), &by(later(4)))
        .await
        .unwrap();
    assert_eq!(percents(&told(store).await)[3..], ["50"]);
    store.ingest(&[event(&key, 50, 5)], NOON).await.unwrap();
    assert_eq!(percents(&told(store).await)[3..], ["50", "80", "100"]);
}

async fn a_revoked_key_in_use_is_told_once_a_day(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, "{}").await;
    let id = &key.record.id;
    let tell = async |n, when: Millis, now| {
        store.ingest(&[refused(&key, n, when)], now).await.unwrap();
        told(store).await.len()
    };
    // Another service has not heard yet of its end.
    assert_eq!(tell(0, NOON, NOON).await, 0);
    store
        .set_status(id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    for (n, when, now, count) in [
        (1, NOON, NOON, 1),
        (2, later(60), later(60), 1),
        (2, later(60), later(60), 1),
        (3, later(DAY), later(DAY), 2),
        // An old log that is imported, and a sum that comes late.
        (4, later(-3 * DAY), later(DAY), 2),
        (5, later(100), later(DAY), 2),
        (6, later(2 * DAY), later(2 * DAY), 3),
    ] {
        assert_eq!(tell(n, when, now).await, count, "refusal {n}");
    }
    let last = store.alerts(&team("acme"), &page(1, None)).await.unwrap();
    let payload: serde_json::Value = serde_json::from_str(last.items[0].payload.get()).unwrap();
    assert_eq!(payload["type"], "key.revoked_in_use");
    assert_eq!(payload["data"]["key"], id.as_str());
    assert_eq!(payload["data"]["last_seen_at"], later(2 * DAY).to_rfc3339());
    assert_eq!(payload["data"]["key_redacted"], key.redacted);
}

async fn an_expiry_is_told_twice(stand: &Stand) {
    let store = &*stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let end = later(30 * DAY);
    let make = async |name: &str, expires: Millis| {
        let new = NewKey {
            name: name.into(),
            expires_at: Some(expires.unix_seconds()),
            ..new_key_of("acme")
        };
        store.create_key(new, None, &by(NOON)).await.unwrap().key
    };
    let key = make("long", end).await;
    make("short", later(3 * DAY)).await;
    let revoked = make("revoked", end).await;
    let suspended = make("rotated", end).await;
    make("later", later(400 * DAY)).await;
    let ends = [(&revoked, Status::Revoked), (&suspended, Status::Suspended)];
    for (key, status) in ends {
        store
            .set_status(&key.record.id, status, &by(NOON))
            .await
            .unwrap();
    }
    for (when, count, last) in [
        (NOON, 0, ""),
        (later(2 * DAY - 1), 0, ""),
        (later(2 * DAY), 1, "Key short expires within a day"),
        (later(23 * DAY - 1), 1, "Key short"),
        (
            later(23 * DAY),
            2,
            "Key long expires within seven days, at ",
        ),
        (later(24 * DAY), 2, "Key long"),
        (later(29 * DAY), 3, "Key long expires within a day, at "),
        (end, 3, "Key long"),
    ] {
        for _ in 0..2 {
            store.alert_expiring(when).await.unwrap();
            let all = told(store).await;
            assert_eq!(all.len(), count, "at {}", when.to_rfc3339());
            assert!(all.last().is_none_or(|m| m.starts_with(last)), "{all:?}");
        }
    }
    // Another end is told anew.
    let patch = KeyPatch {
        expires_at: Some(Some(later(40 * DAY).unix_seconds())),
        ..KeyPatch::default()
    };
    store
        .update_key(&key.record.id, patch, &by(end))
        .await
        .unwrap();
    store.alert_expiring(later(35 * DAY)).await.unwrap();
    assert_eq!(told(store).await.len(), 4);
}

async fn two_services_tell_once_and_deliver_once(stand: &Stand) {
    let store = &*stand.store;
    let other = &stand.url.open().await;
    let key = &key_with(store, r#"{"day_nano_usd":100}"#).await;
    for n in 0..4 {
        address(store, &format!("a{n}")).await;
    }
    let charges = (0..20).map(|n| async move {
        let store = if n % 2 == 0 { store } else { other };
        store.ingest(&[event(key, n, 7)], NOON).await.unwrap();
        store.judge_budgets(Budgeted::All, NOON).await.unwrap();
    });
    futures::future::join_all(charges).await;
    assert_eq!(percents(&told(store).await), ["50", "80", "100"]);
    // Both look into the outbox again and again until all is delivered.
    let send = async |store: &Store| {
        let mut sent = Vec::new();
        let mut idle = 0;
        while idle < 20 {
            let taken = store.lease_deliveries(NOON, 2, &[]).await.unwrap();
            idle = if taken.is_empty() { idle + 1 } else { 0 };
            for due in taken {
                sent.push((due.address.clone(), due.alert.clone()));
                store.note_attempt(&due, &DELIVERED, NOON).await.unwrap();
            }
        }
        sent
    };
    let (mine, others) = tokio::join!(send(store), send(other));
    let all = [mine, others].concat();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (12, 12));
    assert_eq!(store.deliveries_waiting().await.unwrap(), 0);
}

const DELIVERED: Attempted = Attempted {
    answered: Some(200),
    problem: None,
    then: Then::Delivered,
};

fn failed(then: Then) -> Attempted {
    Attempted {
        answered: Some(500),
        problem: Some("answered 500".into()),
        then,
    }
}

async fn deliveries_are_leased_repeated_and_kept_in_order(stand: &Stand) {
    let store = &*stand.store;
    let budgets = r#"{"day_nano_usd":100}"#;
    let key = key_with(store, budgets).await;
    let second = key_with(store, budgets).await;
    // Nobody is there yet: nothing is sent of it.
    store.ingest(&[event(&key, 0, 50)], NOON).await.unwrap();
    address(store, "a").await;
    let events = [
        event(&key, 1, 30),
        event(&key, 2, 20),
        event(&second, 3, 50),
    ];
    store.ingest(&events[..1], NOON).await.unwrap();
    store.ingest(&events[1..2], NOON).await.unwrap();
    store.ingest(&events[2..], NOON).await.unwrap();
    let lease = async |now| store.lease_deliveries(now, 8, &[]).await.unwrap();
    let step = |due: &Due| due.payload.contains(r#""percent":80"#);
    let taken = lease(NOON).await;
    assert_eq!(taken.len(), 1, "one at a time for an address");
    let first = &taken[0];
    assert!(step(first) && first.attempt == 1, "the oldest");
    // What is about another key goes on while the first one is under way; its address is busy here.
    assert!(
        store
            .lease_deliveries(NOON, 8, &["a".into()])
            .await
            .unwrap()
            .is_empty()
    );
    let other = lease(NOON).await;
    assert_eq!(other.len(), 1);
    assert!(other[0].payload.contains(second.record.id.as_str()));
    assert!(
        lease(later(59)).await.is_empty(),
        "leased, or behind what is leased"
    );
    store
        .note_attempt(&other[0], &failed(Then::Again(later(600))), NOON)
        .await
        .unwrap();
    // The service that had it has ended: the same id, once more.
    let again = lease(later(60)).await;
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    assert_eq!(again[0].alert, first.alert);
    assert_eq!(again[0].payload, first.payload);
    // The first one comes back late and says nothing any more.
    store
        .note_attempt(first, &failed(Then::GiveUp), later(61))
        .await
        .unwrap();
    let fails = failed(Then::Again(later(90)));
    store
        .note_attempt(&again[0], &fails, later(61))
        .await
        .unwrap();
    assert!(
        lease(later(89)).await.is_empty(),
        "100 % does not overtake 80 %"
    );
    let third = lease(later(90)).await;
    assert_eq!((third[0].attempt, step(&third[0])), (3, true));
    store
        .note_attempt(&third[0], &DELIVERED, later(91))
        .await
        .unwrap();
    // The receiver is back: what waits until 600 s need not.
    let mut rest = Vec::new();
    for _ in 0..2 {
        let taken = lease(later(91)).await;
        store
            .note_attempt(&taken[0], &failed(Then::GiveUp), later(92))
            .await
            .unwrap();
        rest.extend(taken);
    }
    assert!(
        rest.iter()
            .any(|due| due.payload.contains(r#""percent":100"#))
    );
    assert!(rest.iter().any(|due| due.alert == other[0].alert));
    assert!(lease(later(10 * DAY)).await.is_empty());
    let shown = store.deliveries(&team("acme"), None, 10).await.unwrap();
    let seen: Vec<_> = shown.iter().map(|d| (d.status, d.attempts)).collect();
    use DeliveryStatus::{Delivered, Failed};
    assert_eq!(seen, [(Failed, 2), (Failed, 1), (Delivered, 3)]);
}

async fn an_address_is_turned_off_and_on(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, r#"{"day_nano_usd":100}"#).await;
    let acme = team("acme");
    address(store, "a").await;
    store.ingest(&[event(&key, 1, 60)], NOON).await.unwrap();
    let due = store
        .lease_deliveries(NOON, 8, &[])
        .await
        .unwrap()
        .remove(0);
    store.ingest(&[event(&key, 2, 20)], NOON).await.unwrap();
    store
        .note_attempt(&due, &failed(Then::Disable), later(1))
        .await
        .unwrap();
    let is = store.alert_addresses(&acme).await.unwrap().remove(0);
    assert_eq!(
        (is.enabled, is.disabled_by),
        (false, Some(DisabledBy::Receiver))
    );
    let waiting = store.deliveries(&acme, Some("a"), 8).await.unwrap();
    assert!(
        waiting.iter().all(|d| d.status == DeliveryStatus::Failed),
        "{waiting:?}"
    );
    // Nothing arises for it while it is off.
    store.ingest(&[event(&key, 3, 20)], NOON).await.unwrap();
    assert_eq!(store.deliveries(&acme, None, 8).await.unwrap().len(), 2);
    for (enabled, by_whom) in [
        (true, None),
        (false, Some(DisabledBy::Person)),
        (true, None),
    ] {
        let is = store
            .enable_alert_address(&acme, "a", enabled, &by(NOON))
            .await
            .unwrap();
        assert_eq!((is.enabled, is.disabled_by), (enabled, by_whom));
    }
    assert_eq!(store.deliveries_waiting().await.unwrap(), 0);
    // Both secrets sign until the old one has ended.
    let until = later(DAY);
    let new = ("whsec_bmV3", until);
    store
        .rotate_alert_secret(&acme, "a", new, &by(NOON))
        .await
        .unwrap();
    let spent = at(event(&key, 4, 100), until);
    store.ingest(&[spent], later(DAY - 60)).await.unwrap();
    for (now, secrets) in [
        (later(DAY - 60), &["whsec_bmV3", "whsec_c2VjcmV0"][..]),
        (until, &["whsec_bmV3"]),
    ] {
        let due = store.lease_deliveries(now, 1, &[]).await.unwrap();
        assert_eq!(due[0].secrets, secrets);
    }
    store
        .remove_alert_address(&acme, "a", &by(NOON))
        .await
        .unwrap();
    assert_eq!(store.deliveries(&acme, None, 8).await.unwrap(), []);
    for refused in [
        store
            .remove_alert_address(&acme, "a", &by(NOON))
            .await
            .err(),
        store
            .enable_alert_address(&acme, "a", true, &by(NOON))
            .await
            .err(),
    ] {
        assert!(matches!(refused, Some(StoreError::NotFound(_))));
    }
}

async fn what_is_old_goes_and_what_lasts_stays(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, r#"{"day_nano_usd":100,"total_nano_usd":100}"#).await;
    address(store, "a").await;
    store.ingest(&[event(&key, 1, 60)], NOON).await.unwrap();
    assert_eq!(told(store).await.len(), 2);
    store.forget_alerts(NOON).await.unwrap();
    assert_eq!(told(store).await.len(), 2, "not older than that");
    store.forget_alerts(later(1)).await.unwrap();
    let left = told(store).await;
    assert_eq!(left, ["50 % of the total budget of key ci is used."]);
    assert_eq!(store.deliveries_waiting().await.unwrap(), 0);
    let much_later = later(200 * DAY);
    store
        .judge_budgets(Budgeted::All, much_later)
        .await
        .unwrap();
    assert_eq!(told(store).await, left, "once for ever");
}

async fn a_line_is_put_away_by_one_person(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, r#"{"day_nano_usd":100,"month_nano_usd":100}"#).await;
    let acme = team("acme");
    for (id, email) in [("usr_1", "a@example.com"), ("usr_2", "b@example.com")] {
        let new = ProvidedPerson {
            voucher: Voucher::Provider {
                issuer: "https://id.example".into(),
                subject: id.into(),
                gives: ProvidedRoles {
                    admin: false,
                    roles: vec![],
                },
            },
            email: Some(email.into()),
            name: id.into(),
            id: id.into(),
            takes_account: false,
            admits_anyone: true,
        };
        store.provided_person(&new, NOON).await.unwrap();
    }
    store.ingest(&[event(&key, 1, 80)], NOON).await.unwrap();
    let lines = async |person: &str, now| {
        let shown = store.alerts_to_show(&acme, person, now, 50).await.unwrap();
        shown
            .into_iter()
            .map(|a| (a.id, a.message))
            .collect::<Vec<_>>()
    };
    let all = lines("usr_1", NOON).await;
    assert_eq!(all.len(), 4);
    let (id, _) = all
        .iter()
        .find(|(_, m)| m.starts_with("80 % of today's"))
        .unwrap();
    store.dismiss_alert(&acme, id, "usr_1").await.unwrap();
    store.dismiss_alert(&acme, id, "usr_1").await.unwrap();
    assert_eq!(
        lines("usr_1", NOON).await.len(),
        2,
        "with the step before it"
    );
    assert_eq!(lines("usr_2", NOON).await.len(), 4, "for others it stays");
    // A higher step is a new line; and the day ends.
    store.ingest(&[event(&key, 2, 20)], NOON).await.unwrap();
    assert_eq!(lines("usr_1", NOON).await.len(), 4);
    assert_eq!(
        lines("usr_1", later(DAY)).await.len(),
        3,
        "those of the month"
    );
    assert!(lines("usr_2", later(10 * DAY)).await.is_empty());
    let foreign = store.dismiss_alert(&team("umbrella"), id, "usr_1").await;
    assert!(matches!(foreign, Err(StoreError::NotFound(_))));
    store
        .remove_person("a@example.com", &by(NOON))
        .await
        .unwrap();
}

async fn tests_wait_for_one_another(stand: &Stand) {
    let store = &*stand.store;
    let key = key_with(store, r#"{"day_nano_usd":100}"#).await;
    let acme = team("acme");
    address(store, "a").await;
    let test = async |name: &str, now| store.begin_alert_test(&acme, "a", name, &by(now)).await;
    let first = test("test:1", NOON).await.unwrap();
    assert_eq!((first.kind, first.attempt), (AlertKind::Test, 1));
    assert!(matches!(
        test("test:2", NOON).await,
        Err(StoreError::Conflict(_))
    ));
    store.note_attempt(&first, &DELIVERED, NOON).await.unwrap();
    test("test:3", NOON).await.unwrap();
    // No test holds up an alert, nor is it one.
    store.ingest(&[event(&key, 1, 50)], NOON).await.unwrap();
    let due = store.lease_deliveries(NOON, 8, &[]).await.unwrap();
    assert_eq!(
        due.iter().map(|d| d.kind).collect::<Vec<_>>(),
        [AlertKind::Budget]
    );
    assert_eq!(told(store).await.len(), 1);
}
