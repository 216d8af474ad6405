//! Lists of keys: filters, order, and a cost of each page that does not depend on the number of keys.

use gmtech_core::record::Status;
use gmtech_service::clock::Millis;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    each_filter_shows_the_matching_keys,
    every_order_is_read_page_by_page,
    a_page_examines_a_bounded_number_of_keys,
    few_keys_of_many_are_whole_at_once_in_each_order,
    a_beginning_is_found_among_any_number_of_keys,
    an_unknown_cursor_is_refused,
);

/// The names of the keys on all pages.
async fn names(store: &Store, filter: &KeyFilter, limit: u32) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let got = store.keys(filter, &page(limit, after)).await.unwrap();
        assert!(got.items.len() <= limit as usize);
        names.extend(got.items.into_iter().map(|k| k.name));
        after = got.next;
        if after.is_none() {
            return names;
        }
    }
}

/// Keys of two teams: `plain`, `paused`, `ended`, `past`, `spent`, `soon`; and `Über_50%` of the other team.
async fn some_keys(stand: &Stand) -> Vec<KeyInfo> {
    let store = &stand.store;
    for id in ["acme", "other"] {
        store.create_team(new_team(id), &by(NOON)).await.unwrap();
        let member = NewMember {
            email: "a@example.com".into(),
            role: MemberRole::Developer,
        };
        store
            .put_member(&team(id), member, &by(NOON))
            .await
            .unwrap();
    }
    let end = |seconds: i64| Some(later(seconds).unix_seconds());
    let mut made = Vec::new();
    for (n, (name, of, expires_at, tags, owned)) in [
        ("plain", "acme", None, vec!["ci"], false),
        ("paused", "acme", None, vec![], true),
        ("ended", "acme", None, vec!["ci", "old"], false),
        ("past", "acme", end(10), vec![], false),
        ("spent", "acme", None, vec![], true),
        ("soon", "acme", end(1000), vec!["ci"], false),
        ("Über_50%", "other", end(2000), vec!["ci"], true),
    ]
    .into_iter()
    .enumerate()
    {
        let new = NewKey {
            name: name.into(),
            expires_at,
            tags: tags.into_iter().map(String::from).collect(),
            owner: owned.then(|| "a@example.com".into()),
            tier: if name == "soon" { "pro" } else { "free" }.parse().unwrap(),
            budgets: Budgets {
                day_nano_usd: (name == "spent").then_some(0),
                ..Budgets::default()
            },
            ..new_key_of(of)
        };
        let at = Millis(NOON.0 + i64::try_from(n).unwrap());
        made.push(store.create_key(new, None, &by(at)).await.unwrap().key);
    }
    for (n, status) in [(1, Status::Suspended), (2, Status::Revoked)] {
        store
            .set_status(&made[n].record.id, status, &by(NOON))
            .await
            .unwrap();
    }
    let mut used = event(&made[3], 1, 0);
    used.event.started_unix_ms += 500;
    store
        .ingest(&[used, event(&made[0], 2, 0)], later(1))
        .await
        .unwrap();
    made
}

async fn each_filter_shows_the_matching_keys(stand: &Stand) {
    let made = some_keys(stand).await;
    let none = KeyFilter::default;
    let standing = |standing| KeyFilter {
        standing: Some((standing, later(100))),
        ..none()
    };
    let search = |text: &str| KeyFilter {
        search: Some(text.into()),
        ..none()
    };
    let tagged = |tag: &str| KeyFilter {
        tag: Some(tag.into()),
        ..none()
    };
    let acme = |filter: KeyFilter| KeyFilter {
        team: Some(team("acme")),
        ..filter
    };
    let sorted = |sort, reversed| KeyFilter {
        sort,
        reversed,
        ..none()
    };
    let owned = || KeyFilter {
        owner: Some("a@example.com".into()),
        ..none()
    };
    let at = |seconds: i64| Some(later(seconds).unix_seconds());
    let expiring = |expires_after, expires_before, sort| KeyFilter {
        expires_after,
        expires_before,
        sort,
        ..none()
    };
    let id = made[4].record.id.as_str().to_lowercase();
    let shown = made[0].redacted.trim_end_matches('…').to_lowercase();
    let all = "Über_50% soon spent past ended paused plain";
    for (filter, expected) in [
        (none(), all),
        (
            sorted(KeySort::Created, true),
            "plain paused ended past spent soon Über_50%",
        ),
        (acme(none()), "soon spent past ended paused plain"),
        (standing(Standing::Active), "Über_50% soon plain"),
        (standing(Standing::Suspended), "paused"),
        (standing(Standing::Revoked), "ended"),
        (standing(Standing::Expired), "past"),
        (standing(Standing::OverBudget), "spent"),
        (acme(standing(Standing::Active)), "soon plain"),
        (tagged("ci"), "Über_50% soon ended plain"),
        (acme(tagged("ci")), "soon ended plain"),
        (tagged("c"), ""),
        (
            KeyFilter {
                standing: standing(Standing::Active).standing,
                ..acme(tagged("ci"))
            },
            "soon plain",
        ),
        (owned(), "Über_50% spent paused"),
        (acme(owned()), "spent paused"),
        (
            KeyFilter {
                tier: "pro".parse().ok(),
                ..none()
            },
            "soon",
        ),
        (
            KeyFilter {
                tier: "free".parse().ok(),
                ..acme(tagged("ci"))
            },
            "ended plain",
        ),
        (search("spen"), "spent"),
        (search("plain"), "plain"),
        (search("über_"), "Über_50%"),
        (search("50%"), "Über_50%"),
        (search("s_ent"), ""),
        (search(&id), "spent"),
        (search(&shown), if shown.len() > 8 { "plain" } else { all }),
        (expiring(None, at(1500), KeySort::Created), "soon past"),
        (
            expiring(at(10), None, KeySort::Expires),
            "past soon Über_50%",
        ),
        (expiring(at(11), at(2000), KeySort::Expires), "soon"),
        (
            sorted(KeySort::Name, false),
            "ended past paused plain soon spent Über_50%",
        ),
        (
            sorted(KeySort::Name, true),
            "Über_50% spent soon plain paused past ended",
        ),
    ] {
        for limit in [2, 50] {
            let names = names(stand.store.as_ref(), &filter, limit).await;
            let expected: Vec<_> = expected.split_whitespace().collect();
            assert_eq!(names, expected, "{filter:?}");
        }
    }
    // Keys that were never used or never expire come last.
    let used = names(stand.store.as_ref(), &sorted(KeySort::LastUsed, false), 50).await;
    assert_eq!(used[..2], ["past", "plain"]);
    let ends = names(stand.store.as_ref(), &sorted(KeySort::Expires, false), 50).await;
    assert_eq!(ends[..3], ["past", "soon", "Über_50%"]);
}

async fn every_order_is_read_page_by_page(stand: &Stand) {
    some_keys(stand).await;
    use KeySort::{Created, Expires, LastUsed, Name};
    for sort in [Created, Name, LastUsed, Expires] {
        for reversed in [false, true] {
            let filter = |reversed| KeyFilter {
                sort,
                reversed,
                ..KeyFilter::default()
            };
            let one_by_one = names(stand.store.as_ref(), &filter(reversed), 1).await;
            let at_once = names(stand.store.as_ref(), &filter(reversed), 50).await;
            assert_eq!(one_by_one, at_once, "{sort:?}");
            assert_eq!(at_once.len(), 7);
            let mut back = names(stand.store.as_ref(), &filter(!reversed), 50).await;
            back.reverse();
            assert_eq!(at_once, back, "{sort:?}");
        }
    }
}

async fn a_page_examines_a_bounded_number_of_keys(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let make = |name: &str, count: usize, at: Millis| {
        let new = (0..count).map(|_| NewKey {
            name: name.into(),
            ..new_key_of("acme")
        });
        let new = new.collect();
        async move { store.create_keys(new, None, &by(at)).await.unwrap() }
    };
    make("needle", 2, NOON).await;
    make("hay", 2_001, later(1)).await;
    let filter = KeyFilter {
        search: Some("needle".into()),
        ..KeyFilter::default()
    };
    let first = store.keys(&filter, &page(50, None)).await.unwrap();
    assert_eq!(first.items.len(), 0, "2,000 were looked at");
    let second = store.keys(&filter, &page(50, first.next)).await.unwrap();
    assert_eq!((second.items.len(), second.next), (2, None));
    // Every page is full unless a filter has no index.
    let all = store
        .keys(&KeyFilter::default(), &page(500, None))
        .await
        .unwrap();
    assert_eq!(all.items.len(), 500);
}

/// `some_keys`, and behind them more keys than a page looks at.
async fn some_keys_among_many(stand: &Stand) -> Vec<KeyInfo> {
    let made = some_keys(stand).await;
    let many = || {
        (0..1_000)
            .map(|_| NewKey {
                name: "hay".into(),
                ..new_key_of("acme")
            })
            .collect()
    };
    for _ in 0..2 {
        let store = &stand.store;
        store
            .create_keys(many(), None, &by(later(1)))
            .await
            .unwrap();
    }
    made
}

async fn few_keys_of_many_are_whole_at_once_in_each_order(stand: &Stand) {
    some_keys_among_many(stand).await;
    let standing = |standing| KeyFilter {
        standing: Some((standing, later(100))),
        ..KeyFilter::default()
    };
    let owned = || KeyFilter {
        owner: Some("a@example.com".into()),
        ..KeyFilter::default()
    };
    let tagged = |tag: &str| KeyFilter {
        tag: Some(tag.into()),
        ..KeyFilter::default()
    };
    for (filter, expected) in [
        (owned(), &["paused", "spent"][..]),
        (tagged("ci"), &["ended", "plain", "soon"]),
        (standing(Standing::Suspended), &["paused"]),
        (standing(Standing::Revoked), &["ended"]),
        (standing(Standing::Expired), &["past"]),
        (standing(Standing::OverBudget), &["spent"]),
        (
            KeyFilter {
                search: Some("pa".into()),
                ..owned()
            },
            &["paused", "spent"][..1],
        ),
        (
            KeyFilter {
                tier: "pro".parse().ok(),
                ..tagged("ci")
            },
            &["soon"],
        ),
        (
            KeyFilter {
                expires_before: Some(later(1_500).unix_seconds()),
                ..tagged("ci")
            },
            &["soon"],
        ),
    ] {
        for sort in [
            KeySort::Created,
            KeySort::Name,
            KeySort::LastUsed,
            KeySort::Expires,
        ] {
            for reversed in [false, true] {
                let filter = KeyFilter {
                    team: Some(team("acme")),
                    sort,
                    reversed,
                    ..filter.clone()
                };
                let store = &stand.store;
                let first = store.keys(&filter, &page(10, None)).await.unwrap();
                let mut found: Vec<_> = first.items.iter().map(|key| &*key.name).collect();
                let in_order: Vec<_> = found.iter().map(|name| name.to_string()).collect();
                found.sort_unstable();
                assert_eq!((found, first.next), (expected.to_vec(), None), "{filter:?}");
                // Key by key the order is the same.
                assert_eq!(
                    names(store.as_ref(), &filter, 1).await,
                    in_order,
                    "{filter:?}"
                );
            }
        }
    }
}

async fn a_beginning_is_found_among_any_number_of_keys(stand: &Stand) {
    let made = some_keys_among_many(stand).await;
    let of = |text: &str| KeyFilter {
        search: Some(text.into()),
        ..KeyFilter::default()
    };
    let id = made[4].record.id.as_str().to_lowercase();
    let active = KeyFilter {
        standing: Some((Standing::Active, later(100))),
        ..of("p")
    };
    for (filter, expected) in [
        (of("p"), "past paused plain"),
        (of("plain"), "plain"),
        (of("lain"), ""),
        (of(&id), "spent"),
        (of(&id[..id.len() - 4]), "spent"),
        (of("p%"), ""),
        (of("P"), ""),
        (of("über"), ""),
        (active, "plain"),
        (KeyFilter::default(), ""),
    ] {
        let found = stand.store.keys_beginning(&team("acme"), &filter, 10).await;
        let found: Vec<_> = found.unwrap().into_iter().map(|key| key.name).collect();
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let other = stand
        .store
        .keys_beginning(&team("other"), &of("über_"), 10)
        .await;
    assert_eq!(other.unwrap().len(), 1);
    // A page's worth, though many more begin so, by their shown text as well.
    for text in ["hay", "gmtech_"] {
        let most = stand
            .store
            .keys_beginning(&team("acme"), &of(text), 7)
            .await;
        assert_eq!(most.unwrap().len(), 7, "{text}");
    }
}

async fn an_unknown_cursor_is_refused(stand: &Stand) {
    let store = &stand.store;
    let first = with_key(stand).await;
    store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap();
    let next = store
        .keys(&KeyFilter::default(), &page(1, None))
        .await
        .unwrap()
        .next;
    let by_name = KeyFilter {
        sort: KeySort::Name,
        ..KeyFilter::default()
    };
    let bad = |after: &str| page(5, Some(after.into()));
    let refused = [
        store.keys(&by_name, &page(1, next)).await.map(drop),
        store.keys(&KeyFilter::default(), &bad("")).await.map(drop),
        store.keys(&KeyFilter::default(), &bad("9")).await.map(drop),
        store
            .audit(&AuditFilter::default(), &bad("x"))
            .await
            .map(drop),
        store
            .audit(&AuditFilter::default(), &bad("-1"))
            .await
            .map(drop),
        store
            .audit(&AuditFilter::default(), &bad("0"))
            .await
            .map(drop),
        store.ledger(&first.record.team, &bad("01")).await.map(drop),
        store
            .ledger(&first.record.team, &bad("9223372036854775808"))
            .await
            .map(drop),
        store.teams(None, &bad("two words")).await.map(drop),
        store.teams(None, &bad("")).await.map(drop),
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        assert!(
            matches!(refused, Err(StoreError::BadCursor)),
            "{n}: {refused:?}"
        );
    }
}
