//! Charts of usage: the groups that lead, all others as one, and the time before.

use std::time::Duration;

use gmtech_core::model::ModelId;
use gmtech_core::sync::events::Label;
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis};
use gmtech_service::ops::usage::chart::{Chart, SHOWN, Subject};
use gmtech_service::ops::usage::kept::Charts;
use gmtech_service::ops::usage::range::{AskRange, Range};
use gmtech_service::ops::usage::totals::{Measure, Totals};
use gmtech_service::store::*;
use tokio::time::Instant;

use crate::common::*;

store_tests!(
    the_groups_and_all_others_are_the_whole,
    a_range_is_compared_with_the_one_before,
    a_key_counts_for_each_of_its_tags,
    very_many_keys_give_the_same_chart,
    one_key_is_looked_at_alone,
    many_who_look_get_one_answer,
);

fn range(name: &str) -> Range {
    let asked = AskRange {
        range: Some(name.into()),
        ..AskRange::default()
    };
    Range::read(&asked, NOON).unwrap()
}

fn subject(by: Dimension) -> Subject {
    Subject {
        team: "acme".into(),
        key: None,
        by,
    }
}

/// A request `days` before NOON that costs `cost`; refused where it costs nothing.
fn used(key: &KeyInfo, n: u64, days: i64, model: &str, cost: i64) -> Priced {
    let mut priced = event(key, n, cost);
    priced.event.started_unix_ms = u64::try_from(NOON.0 - days * DAY_MS).unwrap();
    priced.event.model = ModelId::new(model).ok();
    if cost == 0 {
        priced.event.decision = Label::clip("rate_limit_requests").into();
        priced.event.usage = Usage::Exact(Tokens::default());
    }
    priced
}

/// Twelve keys, each with a model of its own: key `n` has used `n` dollars on each of the last ten days, and is refused `12 - n`
/// times today. Another team has used more.
async fn fill(stand: &Stand) -> Vec<KeyInfo> {
    let store = &stand.store;
    for id in ["acme", "umbrella"] {
        store.create_team(new_team(id), &by(NOON)).await.unwrap();
    }
    let new = (0..12)
        .map(|n| NewKey {
            name: format!("key {n}"),
            tags: match n % 3 {
                0 => vec!["a".into(), "b".into()],
                1 => vec!["b".into()],
                _ => vec![],
            },
            ..new_key_of("acme")
        })
        .collect();
    let keys = store.create_keys(new, None, &by(NOON)).await.unwrap().keys;
    let made = store
        .create_key(new_key_of("umbrella"), None, &by(NOON))
        .await;
    let other = made.unwrap().key;
    let mut events = vec![used(&other, 9_999, 0, "o9", 99)];
    for (n, key) in (0i64..).zip(&keys) {
        let model = format!("model-{n:02}");
        let id = |more: i64| u64::try_from(n * 100 + more).unwrap();
        events.extend((0..10).map(|day| used(key, id(day), day, &model, n + 1)));
        events.extend((0..12 - n).map(|at| used(key, id(20 + at), 0, &model, 0)));
    }
    store.ingest(&events, NOON).await.unwrap();
    keys
}

async fn the_groups_and_all_others_are_the_whole(stand: &Stand) {
    let keys = fill(stand).await;
    use Dimension::{Decision, Endpoint, Key, Model, Owner};
    for by in [Model, Key, Owner, Endpoint, Decision] {
        for name in ["24h", "7d", "30d"] {
            let chart = Chart::ask(&stand.store, &subject(by), &range(name))
                .await
                .unwrap();
            for measure in Measure::ALL {
                let groups = chart.groups(measure);
                let at = format!("{by:?} {name} {measure:?}");
                assert!(groups.len() <= SHOWN + 1, "{at}");
                let sum: i64 = groups.iter().map(|g| g.total.get(measure)).sum();
                assert_eq!(sum, chart.total().get(measure), "{at}");
                for (span, all) in chart.all.iter().enumerate() {
                    let sum: i64 = groups.iter().map(|g| g.spans[span].get(measure)).sum();
                    assert_eq!(sum, all.get(measure), "{at} span {span}");
                }
                let named = groups.iter().filter(|g| g.value.is_some());
                let sizes: Vec<_> = named.map(|g| g.total.get(measure)).collect();
                assert!(sizes.is_sorted_by(|a, b| a >= b), "{at}: {sizes:?}");
            }
        }
    }
    let chart = Chart::ask(&stand.store, &subject(Key), &range("30d"))
        .await
        .unwrap();
    assert_eq!(
        chart.refusals,
        [("rate_limit_requests".to_owned(), 78)].into()
    );
    let named = |measure| {
        let groups = chart.groups(measure).into_iter();
        groups
            .map(|g| g.name.unwrap_or("–".into()))
            .collect::<Vec<_>>()
    };
    let largest: Vec<_> = (4..12)
        .rev()
        .map(|n| format!("key {n}"))
        .chain(["–".into()])
        .collect();
    assert_eq!(named(Measure::Cost), largest);
    let refused: Vec<_> = (0..8)
        .map(|n| format!("key {n}"))
        .chain(["–".into()])
        .collect();
    assert_eq!(named(Measure::Refusals), refused);
    let first = &chart.groups(Measure::Cost)[0];
    assert_eq!(first.value.as_deref(), Some(keys[11].record.id.as_str()));
    assert_eq!((first.total.cost, first.spans[29].cost), (120, 12));
}

async fn a_range_is_compared_with_the_one_before(stand: &Stand) {
    fill(stand).await;
    let chart = Chart::ask(&stand.store, &subject(Dimension::Model), &range("7d"))
        .await
        .unwrap();
    // 78 a day, on seven days and on the three before them.
    let costs = |spans: &[Totals]| spans.iter().map(|s| s.cost).collect::<Vec<_>>();
    assert_eq!(costs(&chart.all), [78; 7]);
    assert_eq!(costs(&chart.before), [0, 0, 0, 0, 78, 78, 78]);
    let groups = chart.groups(Measure::Cost);
    assert_eq!((groups[0].total.cost, groups[0].before.cost), (84, 36));
    let others = groups.last().unwrap();
    assert_eq!(
        (&others.value, others.total.cost, others.before.cost),
        (&None, 70, 30)
    );
    // The last 24 hours are whole hours.
    let chart = Chart::ask(&stand.store, &subject(Dimension::Model), &range("24h"))
        .await
        .unwrap();
    assert_eq!(
        (
            chart.starts.len(),
            chart.total().cost,
            chart.total_before().cost
        ),
        (24, 78, 78)
    );
    assert_eq!(chart.starts[23], Millis(NOON.0));
}

async fn a_key_counts_for_each_of_its_tags(stand: &Stand) {
    fill(stand).await;
    let chart = Chart::ask(&stand.store, &subject(Dimension::Tag), &range("30d"))
        .await
        .unwrap();
    let groups = chart.groups(Measure::Cost);
    let told: Vec<_> = groups
        .iter()
        .map(|g| (g.value.as_deref(), g.total.cost))
        .collect();
    // Keys 0, 3, 6 and 9 have a and b; 1, 4, 7 and 10 have b; the others have none.
    assert_eq!(told, [(Some("b"), 480), (Some(""), 300), (Some("a"), 220)]);
    assert_eq!(chart.total().cost, 780);
}

async fn one_key_is_looked_at_alone(stand: &Stand) {
    let keys = fill(stand).await;
    let alone = Subject {
        key: Some(keys[3].record.id.to_string()),
        ..subject(Dimension::Model)
    };
    let chart = Chart::ask(&stand.store, &alone, &range("30d"))
        .await
        .unwrap();
    let groups = chart.groups(Measure::Cost);
    let told: Vec<_> = groups
        .iter()
        .map(|g| (g.value.as_deref(), g.total.cost))
        .collect();
    assert_eq!(told, [(Some("model-03"), 40)]);
    // A key of another team has nothing here.
    let other = Subject {
        team: "umbrella".into(),
        ..alone
    };
    let chart = Chart::ask(&stand.store, &other, &range("30d"))
        .await
        .unwrap();
    assert_eq!(
        (chart.total(), chart.groups(Measure::Cost)),
        (Totals::default(), vec![])
    );
}

async fn many_who_look_get_one_answer(stand: &Stand) {
    let keys = fill(stand).await;
    let charts = Charts::default();
    let of = subject(Dimension::Key);
    let ask = async || {
        let found = charts
            .get(&stand.store, &of, &range("30d"), NOON)
            .await
            .unwrap();
        found.expect("it takes milliseconds").chart
    };
    let all = futures::future::join_all((0..20).map(|_| ask())).await;
    assert!(all.iter().all(|chart| chart.total() == all[0].total()));
    // What comes next is seen at once, or after a moment where the machine is busy.
    let more = used(&keys[0], 50_000, 0, "model-00", 7);
    stand.store.ingest(&[more], NOON).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while ask().await.total().cost != all[0].total().cost + 7 {
        assert!(Instant::now() < deadline);
    }
    // Who goes away keeps nobody else from the answer.
    drop(tokio::time::timeout(Duration::ZERO, ask()).await);
    assert_eq!(ask().await.total().cost, 787);
}

/// Of more keys than are read one by one, those that lead are shown, and the sums are the same.
async fn very_many_keys_give_the_same_chart(stand: &Stand) {
    let store = &stand.store;
    fill(stand).await;
    let few = Chart::ask(store, &subject(Dimension::Key), &range("30d"))
        .await
        .unwrap();
    let idle = (0..200).map(|_| new_key_of("acme")).collect();
    store.create_keys(idle, None, &by(NOON)).await.unwrap();
    let many = Chart::ask(store, &subject(Dimension::Key), &range("30d"))
        .await
        .unwrap();
    for measure in Measure::ALL {
        assert_eq!(many.groups(measure), few.groups(measure), "{measure:?}");
    }
    assert_eq!(
        (&many.all, &many.before, &many.refusals),
        (&few.all, &few.before, &few.refusals)
    );
}
