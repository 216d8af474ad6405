use std::num::NonZeroU32;

use proptest::prelude::*;

use super::memory::MemoryStore;
use super::*;
use crate::quota::SECOND;

const T0: Nanos = 1_000 * SECOND;

fn account(name: &str, requests: u32, tokens: u32) -> Account {
    let limit = |n| Limit::per_minute(NonZeroU32::new(n).unwrap());
    Account::of(
        &KeyId::new(name).unwrap(),
        Limits {
            requests: limit(requests),
            tokens: limit(tokens),
        },
    )
}

fn cost(requests: u64, tokens: u64) -> Cost {
    Cost { requests, tokens }
}

#[test]
fn all_limits_are_charged_or_none() {
    let store = MemoryStore::default();
    let a = account("a", 2, 1_000);
    let first = reserve(&store, a.clone(), cost(1, 900), T0).unwrap();
    assert_eq!(first.standings().requests.remaining, 1);
    assert_eq!(first.standings().tokens.remaining, 100);

    let refused = reserve(&store, a.clone(), cost(1, 200), T0).unwrap_err();
    assert!(matches!(
        refused,
        NotReserved::Limit { dimension: Dimension::Tokens, exceeded: Exceeded::Wait(w), requested: 200, .. } if w == 6 * SECOND
    ));
    assert_eq!(standings(&store, &a, T0).unwrap().requests.remaining, 1);

    let second = reserve(&store, a.clone(), cost(1, 100), T0).unwrap();
    let refused = reserve(&store, a.clone(), cost(1, 1), T0).unwrap_err();
    assert!(matches!(
        refused,
        NotReserved::Limit {
            dimension: Dimension::Requests,
            ..
        }
    ));
    first.settle(&store, 0, T0).unwrap();
    second.settle(&store, 100, T0).unwrap();
    assert_eq!(standings(&store, &a, T0).unwrap().tokens.remaining, 900);
    assert_eq!(standings(&store, &a, T0).unwrap().requests.remaining, 0);
}

#[test]
fn what_never_fits_is_reported_before_what_waiting_cures() {
    let store = MemoryStore::default();
    let a = account("a", 1, 1_000);
    let held = reserve(&store, a.clone(), cost(1, 0), T0).unwrap();
    let refused = reserve(&store, a, cost(1, 1_001), T0).unwrap_err();
    assert!(matches!(
        refused,
        NotReserved::Limit {
            dimension: Dimension::Tokens,
            exceeded: Exceeded::Never,
            ..
        }
    ));
    held.settle(&store, 0, T0).unwrap();
}

#[test]
fn keys_do_not_touch_each_other() {
    let store = MemoryStore::default();
    let _a = reserve(&store, account("a", 1, 10), cost(1, 10), T0).unwrap();
    assert!(reserve(&store, account("b", 1, 10), cost(1, 10), T0).is_ok());
}

#[test]
fn a_lost_swap_is_tried_again_and_a_broken_store_refuses() {
    let store = MemoryStore::default();
    store.lose_next.set(MAX_SWAPS - 1);
    let held = reserve(&store, account("a", 2, 10), cost(1, 1), T0).unwrap();
    store.lose_next.set(MAX_SWAPS);
    assert_eq!(
        reserve(&store, account("a", 2, 10), cost(1, 1), T0),
        Err(NotReserved::Store)
    );
    store.broken.set(true);
    assert_eq!(held.settle(&store, 5, T0), Err(StoreError));
    assert_eq!(
        reserve(&store, account("a", 2, 10), cost(1, 1), T0),
        Err(NotReserved::Store)
    );
}

#[test]
fn foreign_bytes_in_the_store_count_as_nothing_spent() {
    for bytes in [&b""[..], b"\x01", b"\x02aaaaaaaabbbbbbbb", &[1; 18]] {
        assert_eq!(Spent::from_bytes(bytes), Spent::default(), "{bytes:?}");
    }
    let spent = Spent {
        requests: Tat(7),
        tokens: Tat(u64::MAX),
    };
    assert_eq!(Spent::from_bytes(&spent.to_bytes()), spent);
}

proptest! {
    #[test]
    fn charges_in_force_never_exceed_the_limit_but_for_carried_debt(
        steps in proptest::collection::vec((any::<bool>(), 1u64..600, 0u64..900), 1..80),
    ) {
        let store = MemoryStore::default();
        let a = account("a", 1_000_000, 1_000);
        let mut open: Vec<Reservation> = vec![];
        let (mut settled, mut debt) = (0u64, 0u64);
        for (admit, reserved, actual) in steps {
            if admit {
                if let Ok(r) = reserve(&store, a.clone(), cost(1, reserved), T0) { open.push(r); }
            } else if let Some(r) = open.pop() {
                settled += actual;
                debt += actual.saturating_sub(r.tokens());
                r.settle(&store, actual, T0).unwrap();
            }
            let charged = settled + open.iter().map(Reservation::tokens).sum::<u64>();
            prop_assert!(charged <= 1_000 + debt);
            let left = standings(&store, &a, T0).unwrap().tokens.remaining;
            prop_assert_eq!(u64::from(left), 1_000u64.saturating_sub(charged));
        }
    }
}
