//! Usage in groups and spans of time, and records of single requests.

use gmtech_core::model::ModelId;
use gmtech_core::objects::{Kind, ObjectEvent, ObjectId, ObjectNote};
use gmtech_core::sync::events::Label;
use gmtech_core::usage::{TokenKind, Tokens, Usage};
use gmtech_service::clock::{DAY_MINUTES, DAY_MS, HOUR_MINUTES, MINUTE_MS, Millis};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    every_span_and_every_dimension_agree,
    pages_concatenate_to_the_whole_in_order,
    an_objects_correction_is_the_same_in_every_sum,
    sums_by_minute_and_hour_expire_and_sums_by_day_stay,
    a_request_is_found_by_its_id,
    the_groups_that_lead_are_found,
    only_some_groups_are_asked_for,
    what_moved_a_balance_besides_usage_is_told_by_day,
    a_teams_sums_do_not_grow_with_its_keys,
);

fn at(key: &KeyInfo, n: u64, minutes: i64, model: &str, group: &str, cost: i64) -> Priced {
    let mut priced = event(key, n, cost);
    priced.event.started_unix_ms = u64::try_from(NOON.0 + minutes * MINUTE_MS).unwrap();
    priced.event.model = ModelId::new(model).ok();
    priced.event.endpoint_group = Label::clip(group);
    priced
}

/// Six requests of two keys over two months: three models, three endpoints, one refusal.
async fn used(stand: &Stand) -> [KeyInfo; 2] {
    let first = with_key(stand).await;
    let made = stand
        .store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap();
    let second = made.key;
    let mut refused = at(&second, 6, 90, "", "embeddings", 0);
    refused.event.decision = Label::clip("key_revoked").into();
    refused.event.usage = Usage::Exact(Tokens::default());
    let events = [
        at(&first, 1, 0, "gpt-4o", "chat_completions", 100),
        at(&first, 2, 0, "gpt-4o", "responses", 20),
        at(&second, 3, 1, "o1", "chat_completions", 3),
        at(&first, 4, 60, "gpt-4o", "chat_completions", 1_000),
        // The end of October.
        at(&second, 5, -40 * DAY_MINUTES, "", "", 40_000),
        refused,
    ];
    let done = stand.store.ingest(&events, later(86_400)).await.unwrap();
    assert_eq!(done.accepted, 6);
    [first, second]
}

async fn rows(store: &Store, query: UsageQuery) -> Vec<UsageRow> {
    store.usage(&query).await.unwrap().items
}

fn told(rows: &[UsageRow]) -> Vec<(String, i64, i64)> {
    let row = |r: &UsageRow| {
        let start = r
            .start
            .map(|s| format!("{} ", s.to_rfc3339()))
            .unwrap_or_default();
        (format!("{start}{}", r.group), r.requests, r.cost_nano_usd)
    };
    rows.iter().map(row).collect()
}

async fn every_span_and_every_dimension_agree(stand: &Stand) {
    let (store, [first, _]) = (&stand.store, used(stand).await);
    use Dimension::{Decision, Endpoint, Key, Model, Team};
    type Case<'a> = (&'a [Dimension], Option<Every>, &'a [(&'a str, i64, i64)]);
    let cases: [Case<'_>; 9] = [
        (&[], None, &[("", 6, 41_123)]),
        (&[Team], None, &[("acme", 6, 41_123)]),
        (
            &[Model],
            None,
            &[("", 2, 40_000), ("gpt-4o", 3, 1_120), ("o1", 1, 3)],
        ),
        (
            &[Endpoint],
            None,
            &[
                ("", 1, 40_000),
                ("chat_completions", 3, 1_103),
                ("embeddings", 1, 0),
                ("responses", 1, 20),
            ],
        ),
        (
            &[Decision],
            None,
            &[("allowed", 5, 41_123), ("key_revoked", 1, 0)],
        ),
        (
            &[Model, Endpoint],
            None,
            &[
                (", ", 1, 40_000),
                (", embeddings", 1, 0),
                ("gpt-4o, chat_completions", 2, 1_100),
                ("gpt-4o, responses", 1, 20),
                ("o1, chat_completions", 1, 3),
            ],
        ),
        (
            &[],
            Some(Every::Month),
            &[
                ("2026-10-01T00:00:00Z 2026-10", 1, 40_000),
                ("2026-11-01T00:00:00Z 2026-11", 5, 1_123),
            ],
        ),
        (
            &[Team],
            Some(Every::Day),
            &[
                ("2026-10-14T00:00:00Z acme", 1, 40_000),
                ("2026-11-23T00:00:00Z acme", 5, 1_123),
            ],
        ),
        (
            &[Decision],
            Some(Every::Hour),
            &[
                ("2026-10-14T12:00:00Z allowed", 1, 40_000),
                ("2026-11-23T12:00:00Z allowed", 3, 123),
                ("2026-11-23T13:00:00Z allowed", 1, 1_000),
                ("2026-11-23T13:00:00Z key_revoked", 1, 0),
            ],
        ),
    ];
    for (by, every, expected) in cases {
        // The result is the same from whichever sums it is computed.
        for source in [Rollup::Minutes, Rollup::Hours, Rollup::Days] {
            if every == Some(Every::Hour) && source == Rollup::Days {
                continue;
            }
            let query = UsageQuery {
                by: by.to_vec(),
                every,
                source,
                ..UsageQuery::default()
            };
            let found = rows(store, query).await;
            let expected: Vec<_> = expected
                .iter()
                .map(|(g, n, c)| ((*g).to_owned(), *n, *c))
                .collect();
            assert_eq!(told(&found), expected, "{by:?} {every:?} {source:?}");
            for row in &found {
                assert_eq!(row.groups.keys().copied().collect::<Vec<_>>(), {
                    let mut sorted = by.to_vec();
                    sorted.sort();
                    sorted
                });
            }
        }
    }
    let minutes = UsageQuery {
        by: vec![Key],
        every: Some(Every::Minute),
        source: Rollup::Minutes,
        from: Some(NOON.0 / MINUTE_MS),
        to: Some(NOON.0 / MINUTE_MS + 61),
        only: [
            (Key, first.record.id.as_str().to_owned()),
            (Model, "gpt-4o".into()),
        ]
        .into(),
        ..UsageQuery::default()
    };
    let found = rows(store, minutes).await;
    let starts: Vec<_> = found.iter().map(|r| r.start.unwrap()).collect();
    assert_eq!(starts, [NOON, Millis(NOON.0 + 60 * MINUTE_MS)]);
    assert_eq!(
        found.iter().map(|r| r.cost_nano_usd).collect::<Vec<_>>(),
        [120, 1_000]
    );
}

async fn pages_concatenate_to_the_whole_in_order(stand: &Stand) {
    let (store, _) = (&stand.store, used(stand).await);
    for every in [None, Some(Every::Hour), Some(Every::Month)] {
        let query = UsageQuery {
            by: vec![Dimension::Model, Dimension::Key, Dimension::Endpoint],
            every,
            source: Rollup::Hours,
            ..UsageQuery::default()
        };
        let whole = rows(store, query.clone()).await;
        assert!(whole.len() >= 5, "{every:?}");
        for limit in 1..=whole.len() {
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let limit = u32::try_from(limit).unwrap();
                let page = store
                    .usage(&UsageQuery {
                        limit,
                        after,
                        ..query.clone()
                    })
                    .await
                    .unwrap();
                assert!(page.items.len() <= limit as usize);
                paged.extend(page.items);
                match page.next {
                    Some(next) => after = UsageCursor::decode(&next, &query.by, every),
                    None => break,
                }
                assert!(after.is_some());
            }
            assert_eq!(paged, whole, "{every:?}, {limit} at a time");
        }
    }
}

async fn an_objects_correction_is_the_same_in_every_sum(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = ObjectId::of(b"batch_1");
    let mut made = at(&key, 1, 0, "gpt-4o", "batches", 900);
    made.event.object = Some(ObjectNote::Made {
        id,
        kind: Kind::Batch,
        work: None,
        settled: false,
    });
    store.ingest(&[made], NOON).await.unwrap();
    // Three hours later another request reads the object: it cost less and used more tokens.
    let mut end = at(&key, 2, 3 * HOUR_MINUTES, "gpt-4o", "batches", 500);
    end.event.id = id.event(ObjectEvent::Settled);
    end.event.usage = Usage::Exact(Tokens::of(10, 50));
    end.event.object = Some(ObjectNote::Settled { id });
    store.ingest(&[end], later(3 * 3_600)).await.unwrap();
    for source in [Rollup::Minutes, Rollup::Hours] {
        let query = UsageQuery {
            by: vec![Dimension::Endpoint],
            every: Some(Every::Hour),
            source,
            ..UsageQuery::default()
        };
        let found = rows(store, query).await;
        let sums: Vec<_> = found
            .iter()
            .map(|r| (r.requests, r.tokens.get(TokenKind::Output), r.cost_nano_usd))
            .collect();
        assert_eq!(
            sums,
            [(1, 5, 500), (0, 45, 0)],
            "{source:?}: no sum falls below zero"
        );
        assert!(found.iter().all(|r| r.group == "batches"));
    }
}

async fn sums_by_minute_and_hour_expire_and_sums_by_day_stay(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let day = |n: i64| {
        at(
            &key,
            n.unsigned_abs(),
            -n * DAY_MINUTES,
            "gpt-4o",
            "responses",
            1,
        )
    };
    let events: Vec<_> = [1, 9, 10, 69, 70, 200].map(day).into();
    store.ingest(&events, NOON).await.unwrap();
    let young = store.usage_kept().await.unwrap();
    assert_eq!(
        (young.minutes_from, young.hours_from),
        (0, 0),
        "nothing was used before"
    );
    let closed = NOON.day() - 9;
    store.close_days_before(closed).await.unwrap();
    let kept = store.usage_kept().await.unwrap();
    assert_eq!(kept.minutes_from, closed * DAY_MINUTES);
    assert_eq!(kept.hours_from, (closed - 60) * DAY_MINUTES);
    for (source, left) in [(Rollup::Minutes, 2), (Rollup::Hours, 4), (Rollup::Days, 6)] {
        let query = UsageQuery {
            by: vec![],
            every: Some(Every::Day),
            source,
            ..UsageQuery::default()
        };
        assert_eq!(rows(store, query).await.len(), left, "{source:?}");
    }
}

async fn a_request_is_found_by_its_id(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let mut own = at(&key, 1, 0, "gpt-4o", "chat_completions", 7);
    own.event.request_id = Label::clip("7a1c-8f30");
    let mut other = at(&key, 2, 0, "o1", "responses", 9);
    other.event.request_id = Label::clip("7a1c-8f31");
    let nameless = at(&key, 3, 0, "o1", "responses", 9);
    store
        .ingest(&[own, other, nameless], Millis(NOON.0 + DAY_MS))
        .await
        .unwrap();
    let found = store.request("7a1c-8f30", None).await.unwrap();
    let [record] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&*record.key, &*record.team),
        (key.record.id.as_str(), "acme")
    );
    assert_eq!(record.redacted_key.as_deref(), Some(&*key.redacted));
    assert_eq!(record.key_name.as_deref(), Some("ci"));
    assert_eq!(
        (record.model.as_deref(), &*record.path),
        (Some("gpt-4o"), "/v1/chat/completions")
    );
    assert_eq!(
        (&*record.endpoint, &*record.decision, record.status),
        ("chat_completions", "allowed", 200)
    );
    assert_eq!(
        (
            record.tokens.get(TokenKind::Input),
            record.tokens.get(TokenKind::Output),
            record.cost_nano_usd
        ),
        (10, 5, 7)
    );
    assert_eq!((record.started_at, &*record.priced_by), (NOON, "test"));
    assert_eq!(
        store
            .request("7a1c-8f30", Some(&team("acme")))
            .await
            .unwrap(),
        found
    );
    for (id, of) in [
        ("7a1c-8f30", Some(team("umbrella"))),
        ("7a1c", None),
        ("", None),
    ] {
        assert!(
            store.request(id, of.as_ref()).await.unwrap().is_empty(),
            "{id}"
        );
    }
}

async fn the_groups_that_lead_are_found(stand: &Stand) {
    let (store, [first, second]) = (&stand.store, used(stand).await);
    let (first, second) = (first.record.id.to_string(), second.record.id.to_string());
    let patch = |owner: &str, tags: &[&str]| KeyPatch {
        owner: Some(Some(owner.into())),
        tags: Some(tags.iter().map(|t| (*t).to_owned()).collect()),
        ..KeyPatch::default()
    };
    for (id, change) in [
        (&first, patch("a@example.com", &["prod", "web"])),
        (&second, patch("b@example.com", &["prod"])),
    ] {
        let id = id.parse().unwrap();
        let member = NewMember {
            email: change.owner.clone().flatten().unwrap(),
            role: MemberRole::Owner,
        };
        let acme = team("acme");
        store.put_member(&acme, member, &by(NOON)).await.unwrap();
        store.update_key(&id, change, &by(NOON)).await.unwrap();
    }
    use Dimension::{Key, Model, Owner, Tag};
    let november = Some(NOON.0 / MINUTE_MS - DAY_MINUTES / 2);
    for (dimension, from, each, expected) in [
        // Both have three requests; the second alone costs 40,000, and alone has a refusal.
        (Key, None, 2, vec![&*first, &*second]),
        (Key, november, 1, vec![&*first, &*second]),
        (Owner, None, 2, vec!["a@example.com", "b@example.com"]),
        (Tag, None, 1, vec!["prod"]),
        (Tag, None, 2, vec!["prod", "web"]),
        // The most requests and tokens; the most cost and the only refusal.
        (Model, None, 1, vec!["", "gpt-4o"]),
        (Model, november, 1, vec!["", "gpt-4o"]),
    ] {
        for source in [Rollup::Hours, Rollup::Days] {
            let query = UsageQuery {
                by: vec![dimension],
                source,
                from,
                ..UsageQuery::default()
            };
            let mut found = store.usage_leaders(&query, each).await.unwrap();
            found.sort();
            let mut expected = expected.clone();
            expected.sort_unstable();
            assert_eq!(found, expected, "{dimension:?} {from:?} {each} {source:?}");
        }
    }
}

async fn only_some_groups_are_asked_for(stand: &Stand) {
    let (store, [first, _]) = (&stand.store, used(stand).await);
    let key = first.record.id.to_string();
    for (by, among, expected) in [
        (
            vec![Dimension::Key],
            (Dimension::Key, vec![key.clone()]),
            vec![(key, 3, 1_120)],
        ),
        (
            vec![Dimension::Model],
            (Dimension::Model, vec!["o1".into(), String::new()]),
            vec![(String::new(), 2, 40_000), ("o1".into(), 1, 3)],
        ),
        (
            vec![],
            (
                Dimension::Endpoint,
                vec!["responses".into(), "embeddings".into()],
            ),
            vec![(String::new(), 2, 20)],
        ),
    ] {
        let query = UsageQuery {
            by,
            among: [among].into(),
            ..UsageQuery::default()
        };
        assert_eq!(told(&rows(store, query).await), expected);
    }
    let except = |dimension, values: &[&str]| UsageQuery {
        by: vec![],
        except: [(dimension, values.iter().map(|v| (*v).to_owned()).collect())].into(),
        ..UsageQuery::default()
    };
    for (query, requests) in [
        (except(Dimension::Model, &["gpt-4o", "o1"]), 2),
        (except(Dimension::Tag, &["prod"]), 6),
        (except(Dimension::Tag, &[""]), 0),
        (except(Dimension::Key, &[]), 6),
    ] {
        let found = rows(store, query.clone()).await;
        let sum: i64 = found.iter().map(|row| row.requests).sum();
        assert_eq!(sum, requests, "{:?}", query.except);
    }
    let ids = [first.record.id.to_string(), "key_gone".into()];
    let named = store.key_names(&ids).await.unwrap();
    assert_eq!(
        named,
        [(first.record.id.to_string(), first.name.clone())].into()
    );
}

async fn what_moved_a_balance_besides_usage_is_told_by_day(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    for (amount, at) in [
        (500, NOON),
        (300, NOON),
        (-50, NOON),
        (70, later(86_400)),
        (-5, later(3 * 86_400)),
    ] {
        let credit = NewCredit {
            amount,
            note: String::new(),
            once: None,
        };
        store.credit(&team("acme"), credit, &by(at)).await.unwrap();
    }
    store.ingest(&[event(&key, 1, 40)], NOON).await.unwrap();
    let day = NOON.day();
    let told = |topped_up, adjusted, day| Credited {
        day,
        topped_up,
        adjusted,
    };
    let all = store.credited(&team("acme"), 0).await.unwrap();
    let expected = [
        told(800, -50, day),
        told(70, 0, day + 1),
        told(0, -5, day + 3),
    ];
    assert_eq!(all, expected);
    assert_eq!(
        store.credited(&team("acme"), day + 1).await.unwrap(),
        expected[1..]
    );
    assert_eq!(store.credited(&team("other"), 0).await.unwrap(), []);
}

/// What the database has to read for a team as a whole stays the same however many keys it has.
async fn a_teams_sums_do_not_grow_with_its_keys(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let mut raw = stand.url.connect().await;
    let mut counts = Vec::new();
    for round in 0..2u64 {
        let new = (0..60).map(|_| new_key_of("acme")).collect();
        let keys = store.create_keys(new, None, &by(NOON)).await.unwrap().keys;
        let events: Vec<_> = (0u64..)
            .zip(&keys)
            .map(|(n, key)| at(key, round * 1_000 + n, 0, "gpt-4o", "responses", 1))
            .collect();
        store.ingest(&events, NOON).await.unwrap();
        let mut rows = Vec::new();
        for table in ["usage_daily", "usage_team_daily", "usage_team_hourly"] {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let count: i64 = sqlx::query_scalar(&sql).fetch_one(&mut raw).await.unwrap();
            rows.push(count);
        }
        counts.push(rows);
    }
    assert_eq!(counts, [[60, 1, 1], [120, 1, 1]]);
    if let Location::File(_) = &stand.url {
        // And it finds them by the team, in the order of time.
        for (table, time) in [("usage_team_daily", "day"), ("usage_team_hourly", "hour")] {
            let plan = format!(
                "EXPLAIN QUERY PLAN SELECT SUM(cost) FROM {table} u WHERE u.{time} >= 1 AND u.{time} < 9 AND u.team_id = 'acme'"
            );
            let plan = sqlx::query(&plan).fetch_one(&mut raw).await.unwrap();
            let detail: String = sqlx::Row::try_get(&plan, "detail").unwrap();
            let expected =
                format!("SEARCH u USING PRIMARY KEY (team_id=? AND {time}>? AND {time}<?)");
            assert_eq!(detail, expected);
        }
    }
}
