use gmtech_core::ident::{TeamId, TierName};
use sqlx::{Connection, Row};

use super::*;
use crate::clock::Millis;

/// Every filter, and the sorts.
fn filters() -> Vec<(&'static str, KeyFilter)> {
    let none = KeyFilter::default;
    let standing = |standing| KeyFilter {
        standing: Some((standing, Millis(1_000_000))),
        ..none()
    };
    let narrowed = vec![
        ("all", none()),
        (
            "tag",
            KeyFilter {
                tag: Some("ci".into()),
                ..none()
            },
        ),
        (
            "owner",
            KeyFilter {
                owner: Some("a@example.com".into()),
                ..none()
            },
        ),
        (
            "tier",
            KeyFilter {
                tier: TierName::new("free").ok(),
                ..none()
            },
        ),
        (
            "search",
            KeyFilter {
                search: Some("x%".into()),
                ..none()
            },
        ),
        (
            "before",
            KeyFilter {
                expires_before: Some(9),
                ..none()
            },
        ),
        (
            "after",
            KeyFilter {
                expires_after: Some(9),
                ..none()
            },
        ),
        ("active", standing(Standing::Active)),
        ("suspended", standing(Standing::Suspended)),
        ("revoked", standing(Standing::Revoked)),
        ("expired", standing(Standing::Expired)),
        ("over_budget", standing(Standing::OverBudget)),
    ];
    let mut all = Vec::new();
    for (name, filter) in narrowed {
        for team in [None, TeamId::new("acme").ok()] {
            for sort in [
                KeySort::Created,
                KeySort::Name,
                KeySort::LastUsed,
                KeySort::Expires,
            ] {
                for reversed in [false, true] {
                    let filter = KeyFilter {
                        team: team.clone(),
                        sort,
                        reversed,
                        ..filter.clone()
                    };
                    all.push((name, filter));
                }
            }
        }
    }
    all
}

fn somewhere(filter: &KeyFilter) -> Cursor {
    Cursor {
        at: match filter.sort {
            KeySort::Name => Bound::Text("k".into()),
            _ => Bound::Number(5),
        },
        id: "key_5".into(),
    }
}

/// Each list is walked along an index, in its order: never a scan of the table, never a sort of more than what a page
/// looked at.
#[tokio::test]
async fn every_list_walks_an_index_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gmtech.db");
    let _store = Store::sqlite(&path).await.unwrap();
    let url = format!("sqlite://{}", path.display());
    let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
    for (name, filter) in filters() {
        for after in [None, Some(somewhere(&filter))] {
            let plan = plan(&filter, after.as_ref(), 50, 2_000);
            // The walk itself: where more is asked of each key, that is around it, over what it looked at.
            let (sql, bound) = match &plan.last {
                Some(walk) => (walk, &plan.bound_of_last),
                None => (&plan.select, &plan.bound),
            };
            let steps = explain(&mut raw, sql, bound).await;
            let case = format!(
                "{name} {:?} {} {sql}: {steps:?}",
                filter.sort, filter.reversed
            );
            let walks =
                |step: &String| step.contains(" INDEX keys_") || step.contains(" INDEX key_tags_");
            assert!(steps.first().is_some_and(walks), "{case}");
            assert!(!steps.iter().any(|s| s.contains("TEMP B-TREE")), "{case}");
            if plan.last.is_some() {
                let steps = explain(&mut raw, &plan.select, &plan.bound).await;
                let bare = |s: &&String| s.contains("SCAN key") && !s.contains("INDEX");
                // The rows that were looked at, once.
                assert!(steps.iter().filter(bare).count() <= 1, "{steps:?}");
            }
        }
    }
}

/// Where few keys pass a filter, they are found by its index, whatever the order.
#[tokio::test]
async fn few_keys_are_found_by_the_index_of_their_filter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gmtech.db");
    let _store = Store::sqlite(&path).await.unwrap();
    let url = format!("sqlite://{}", path.display());
    let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
    let mut indexes = std::collections::BTreeSet::new();
    for (name, filter) in filters() {
        let Some(few) = few::Few::of(&filter) else {
            continue;
        };
        let index = match (name, &filter.team) {
            ("tag", None) => "key_tags_tag",
            ("tag", Some(_)) => "key_tags_team",
            ("owner", _) => "keys_owner_created",
            ("over_budget", _) => "keys_over_budget_created",
            ("expired", None) => "keys_expires",
            ("expired", Some(_)) => "keys_team_expires",
            (_, None) => "keys_status_created",
            (_, Some(_)) => "keys_team_status_created",
        };
        indexes.insert(index);
        let (count, bound) = few.count();
        let steps = explain(&mut raw, &count, &bound).await;
        // Two indexes have the keys over budget and no others.
        let spent = ["keys_over_budget_created", "keys_spent"];
        let fits = |word: &str| word == index || (name == "over_budget" && spent.contains(&word));
        let finds = |step: &String| step.split_whitespace().any(fits);
        assert!(steps.iter().any(finds), "{name} {count}: {steps:?}");
        for after in [None, Some(somewhere(&filter))] {
            let plan = few.plan(after.as_ref(), 50);
            let steps = explain(&mut raw, &plan.select, &plan.bound).await;
            let case = format!("{name} {:?} {}: {steps:?}", filter.sort, plan.select);
            assert!(steps.iter().any(finds), "{case}");
            let scans = |step: &&String| {
                let (_, what) = step.split_once("SCAN key").unwrap_or_default();
                what.contains("INDEX") && !spent.iter().any(|index| what.contains(index))
            };
            assert_eq!(steps.iter().filter(scans).count(), 0, "{case}");
        }
    }
    assert_eq!(indexes.len(), 8, "each was seen: {indexes:?}");
}

async fn explain(raw: &mut sqlx::AnyConnection, sql: &str, bound: &[Bound]) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let steps = bind(&explain, bound).fetch_all(raw).await.unwrap();
    steps.iter().map(|row| row.get(3)).collect()
}

#[test]
fn a_cursor_is_of_one_order_and_as_it_was_written() {
    for (_, filter) in filters() {
        let text = somewhere(&filter).write(&filter);
        assert!(Cursor::read(&text, &filter).is_some(), "{text}");
        let reversed = KeyFilter {
            reversed: !filter.reversed,
            ..filter.clone()
        };
        assert!(Cursor::read(&text, &reversed).is_none(), "{text}");
    }
    let by_time = KeyFilter::default();
    let by_name = KeyFilter {
        sort: KeySort::Name,
        ..KeyFilter::default()
    };
    for (text, filter) in [
        ("", &by_time),
        ("c", &by_time),
        ("c.5", &by_time),
        ("c.5.", &by_time),
        ("c.+5.key_5", &by_time),
        ("c.05.key_5", &by_time),
        ("c.five.key_5", &by_time),
        ("c.99999999999999999999.key_5", &by_time),
        ("c.5.key 5", &by_time),
        ("n.6b.key_5", &by_time),
        ("5.key_5", &by_time),
        ("n.6.key_5", &by_name),
        ("n.6B.key_5", &by_name),
        ("n.ff.key_5", &by_name),
        ("n.00.key_5", &by_name),
    ] {
        assert!(Cursor::read(text, filter).is_none(), "{text}");
    }
}

#[test]
fn what_people_search_for_is_taken_as_it_is() {
    assert_eq!(escaped(r"50%_a\b"), r"50\%\_a\\b");
}
