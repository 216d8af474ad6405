//! Objects stored at providers: booked once, in whatever order events arrive.

use gmtech_core::objects::{BatchWork, Kind, ObjectEvent, ObjectId, ObjectNote};
use gmtech_core::sync::events::Label;
use gmtech_core::usage::{TokenKind, Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis};
use gmtech_service::store::*;

use crate::common::*;
use crate::money::books;

store_tests!(
    an_object_is_booked_at_its_final_usage_in_any_order,
    final_usage_adds_to_its_own_day_and_refunds_the_first_day,
    an_object_belongs_to_its_first_maker,
    unused_usage_of_an_object_restores_a_spent_credit,
    a_noted_object_can_be_looked_up,
    old_answers_are_removed_and_files_are_kept,
);

fn id() -> ObjectId {
    ObjectId::of(b"resp_1")
}

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens::of(input, output)
}

/// The request that makes the object: an estimate of 100 + 900 tokens for a cost of 1,000.
fn made(key: &KeyInfo, settled: bool) -> Priced {
    let mut made = event(key, 1, 1_000);
    made.event.usage = Usage::Estimated(tokens(100, 900));
    if settled {
        made.event.usage = Usage::Exact(tokens(100, 900));
    }
    made.event.object = Some(ObjectNote::Made {
        id: id(),
        kind: Kind::Response,
        work: None,
        settled,
    });
    made
}

/// The object's final usage.
fn settled(key: &KeyInfo, output: u64, cost: i64, at: Millis) -> Priced {
    let mut settled = event(key, 2, cost);
    settled.event.id = id().event(ObjectEvent::Settled);
    settled.event.decision = Label::clip("settled").into();
    settled.event.started_unix_ms = at.0 as u64;
    settled.event.usage = Usage::Exact(tokens(100, output));
    settled.event.object = Some(ObjectNote::Settled { id: id() });
    settled
}

async fn usage(store: &Store, by: &[Dimension], every: Option<Every>) -> Vec<UsageRow> {
    let query = UsageQuery {
        by: by.to_vec(),
        every,
        ..UsageQuery::default()
    };
    store.usage(&query).await.unwrap().items
}

async fn an_object_is_booked_at_its_final_usage_in_any_order(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let made = [made(&key, false)];
    let end = [settled(&key, 50, 150, NOON)];
    // The final usage arrives first, from another proxy, and each event arrives twice.
    for batch in [&end, &made, &end, &made] {
        store.ingest(batch, NOON).await.unwrap();
    }
    let rows = usage(store.as_ref(), &[Dimension::Key], None).await;
    assert_eq!(
        (
            rows[0].requests,
            rows[0].tokens.get(TokenKind::Input),
            rows[0].tokens.get(TokenKind::Output)
        ),
        (1, 100, 50)
    );
    assert_eq!((rows[0].cost_nano_usd, rows[0].not_exact), (150, 0));
    assert!(rows[0].refusals.is_empty());
    assert_eq!(books(store.as_ref(), "acme").await, (-150, -150, -150));
}

async fn final_usage_adds_to_its_own_day_and_refunds_the_first_day(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store.ingest(&[made(&key, false)], NOON).await.unwrap();
    let tomorrow = Millis(NOON.0 + DAY_MS);
    let mut end = settled(&key, 5_000, 700, tomorrow);
    end.event.usage = Usage::Exact(tokens(60, 5_000));
    store.ingest(&[end], tomorrow).await.unwrap();
    let days = usage(store.as_ref(), &[], Some(Every::Day)).await;
    let day = |i: usize| {
        let row = &days[i];
        (
            row.requests,
            row.tokens.get(TokenKind::Input),
            row.tokens.get(TokenKind::Output),
            row.cost_nano_usd,
        )
    };
    // More output, counted when it became known; less prompt and a lower cost, subtracted from the day before.
    assert_eq!((day(0), day(1)), ((1, 60, 900, 700), (0, 0, 4_100, 0)));
    let (balance, ledger, costs) = books(store.as_ref(), "acme").await;
    assert_eq!((balance, ledger, costs), (-700, -700, -700));
}

async fn an_object_belongs_to_its_first_maker(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store.ingest(&[made(&key, true)], NOON).await.unwrap();
    let other = store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap();
    let mut again = made(&other.key, false);
    again.event.id = [9; 16];
    store.ingest(&[again], NOON).await.unwrap();
    // It was settled when it was made, so nothing more is booked.
    store
        .ingest(&[settled(&key, 5, 5, NOON)], NOON)
        .await
        .unwrap();
    let (_, object) = store.objects(&[id()]).await.unwrap().remove(0);
    let object = object.unwrap();
    assert_eq!((object.key, object.settled), (key.record.id, true));
    assert_eq!(
        books(store.as_ref(), "acme").await,
        (-2_000, -2_000, -2_000)
    );
}

async fn unused_usage_of_an_object_restores_a_spent_credit(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let credit = NewCredit {
        amount: 500,
        note: String::new(),
        once: None,
    };
    store
        .credit(&team("acme"), credit, &by(NOON))
        .await
        .unwrap();
    store.ingest(&[made(&key, false)], NOON).await.unwrap();
    assert!(store.team(&team("acme")).await.unwrap().exhausted);
    store
        .ingest(&[settled(&key, 1, 101, NOON)], NOON)
        .await
        .unwrap();
    let acme = store.team(&team("acme")).await.unwrap();
    assert_eq!((acme.exhausted, acme.balance_nano_usd), (false, 399));
}

async fn a_noted_object_can_be_looked_up(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let work = BatchWork {
        requests: 3,
        input: 30,
        output: 300,
    };
    let (file, output) = (ObjectId::of(b"file-1"), ObjectId::of(b"file-out"));
    let mut upload = event(&key, 1, 0);
    upload.event.usage = Usage::Exact(Tokens::default());
    upload.event.object = Some(ObjectNote::Made {
        id: file,
        kind: Kind::File,
        work: Some(work),
        settled: false,
    });
    let mut found = event(&key, 2, 0);
    found.event.usage = Usage::Exact(Tokens::default());
    found.event.object = Some(ObjectNote::Found {
        id: output,
        of: Some(id()),
    });
    store
        .ingest(&[upload, found, settled(&key, 5, 5, NOON)], NOON)
        .await
        .unwrap();
    let asked = [file, output, id(), ObjectId::of(b"nothing")];
    let told = store.objects(&asked).await.unwrap();
    assert!(told.iter().map(|(id, _)| *id).eq(asked));
    let [Some(file), Some(output), None, None] =
        &told.iter().map(|(_, o)| o.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((file.kind, file.work), (Kind::File, Some(work)));
    assert_eq!((output.of, &output.team), (Some(id()), &team("acme")));
}

async fn old_answers_are_removed_and_files_are_kept(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let mut upload = event(&key, 5, 0);
    let file = ObjectId::of(b"file-1");
    upload.event.object = Some(ObjectNote::Made {
        id: file,
        kind: Kind::File,
        work: None,
        settled: false,
    });
    store
        .ingest(&[made(&key, true), upload], NOON)
        .await
        .unwrap();
    assert_eq!(store.forget_objects(NOON).await.unwrap(), 0);
    assert_eq!(store.forget_objects(later(1)).await.unwrap(), 1);
    let told = store.objects(&[id(), file]).await.unwrap();
    assert_eq!(
        told.iter().map(|(_, o)| o.is_some()).collect::<Vec<_>>(),
        [false, true]
    );
}
