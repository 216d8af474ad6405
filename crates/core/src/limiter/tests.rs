use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::ident::KeyId;
use crate::limiter::gcra::{Exceeded, Limit};
use crate::shared::memory::MemoryStore;
use crate::time::SECOND;

mod admission;
mod failures;
mod interleavings;
mod scopes;

const T0: Nanos = 1_000 * SECOND;

/// Limits of requests and tokens per minute, and of concurrent requests; zero is no limit.
fn limits(requests: u32, tokens: u32, in_flight: u32) -> Limits {
    let limit = |n| NonZeroU32::new(n).map(Limit::per_minute);
    Limits {
        requests: limit(requests),
        tokens: limit(tokens),
        max_in_flight: NonZeroU32::new(in_flight),
    }
}

fn account_of(name: &str, limits: Limits) -> Account {
    Account::of(&KeyId::new(name).unwrap(), limits)
}

fn account(name: &str, requests: u32, tokens: u32) -> Account {
    account_of(name, limits(requests, tokens, 0))
}

fn snapshot(
    store: &MemoryStore,
    account: &Account,
    now: Nanos,
) -> Result<LimitSnapshot, StoreError> {
    standings(store, account, now).map(|(_, snapshot)| snapshot)
}

/// The dimension that refused, the wait, and the requested cost.
fn refusal(refused: NotReserved) -> (Dimension, Exceeded, u64) {
    let NotReserved::Limit(refusal) = refused else {
        panic!("{refused:?}")
    };
    let dimension = refusal.standing.cell.dimension;
    (dimension, refusal.exceeded, refusal.requested)
}

fn cost(requests: u64, tokens: u64) -> Cost {
    Cost {
        requests,
        tokens: TokenBounds::exactly(tokens),
    }
}

#[test]
fn all_limits_are_charged_or_none() {
    let store = MemoryStore::default();
    let a = account("a", 2, 1_000);
    let first = reserve(&store, a.clone(), cost(1, 900), T0).unwrap();
    assert_eq!(first.snapshot().requests.unwrap().remaining, 1);
    assert_eq!(first.snapshot().tokens.unwrap().remaining, 100);

    let refused = reserve(&store, a.clone(), cost(1, 200), T0).unwrap_err();
    let six_seconds = Exceeded::Wait(6 * SECOND);
    assert_eq!(refusal(refused), (Dimension::Tokens, six_seconds, 200));
    assert_eq!(
        snapshot(&store, &a, T0)
            .unwrap()
            .requests
            .unwrap()
            .remaining,
        1
    );

    let second = reserve(&store, a.clone(), cost(1, 100), T0).unwrap();
    let refused = reserve(&store, a.clone(), cost(1, 1), T0).unwrap_err();
    assert_eq!(refusal(refused).0, Dimension::Requests);
    first.settle(&store, 0, T0).unwrap();
    second.settle(&store, 100, T0).unwrap();
    assert_eq!(
        snapshot(&store, &a, T0).unwrap().tokens.unwrap().remaining,
        900
    );
    assert_eq!(
        snapshot(&store, &a, T0)
            .unwrap()
            .requests
            .unwrap()
            .remaining,
        0
    );
}

#[test]
fn a_cost_that_never_fits_is_reported_before_a_wait() {
    let store = MemoryStore::default();
    let a = account("a", 1, 1_000);
    let held = reserve(&store, a.clone(), cost(1, 0), T0).unwrap();
    let refused = reserve(&store, a, cost(1, 1_001), T0).unwrap_err();
    assert_eq!(
        refusal(refused),
        (Dimension::Tokens, Exceeded::Never, 1_001)
    );
    held.settle(&store, 0, T0).unwrap();
}

#[test]
fn keys_do_not_affect_each_other() {
    let store = MemoryStore::default();
    let _a = reserve(&store, account("a", 1, 10), cost(1, 10), T0).unwrap();
    assert!(reserve(&store, account("b", 1, 10), cost(1, 10), T0).is_ok());
}

#[test]
fn a_generous_cap_reserves_only_the_remaining_tokens() {
    let at_once = account("a", 100, 1_000).tokens_at_once();
    let max = u64::MAX;
    for (prompt, expected, most, bounds) in [
        (100, 200, 200, (300, 300)),
        (100, 200, 5_000, (300, 1_000)),
        (100, 200, 50, (150, 150)),
        (100, 2_000, 5_000, (1_000, 1_000)),
        (1_000, 1, 1, (1_000, 1_000)),
        (1_001, 1, 1, (1_001, 1_001)),
        (0, 0, 0, (0, 0)),
        (max, max, max, (max, max)),
    ] {
        let TokenBounds { least, most } = TokenBounds::new(prompt, expected, most, at_once);
        assert_eq!((least, most), bounds, "{prompt} {expected} {most}");
    }
    let store = MemoryStore::default();
    let ask = |least, most| {
        let cost = Cost {
            requests: 1,
            tokens: TokenBounds { least, most },
        };
        reserve(&store, account("a", 100, 1_000), cost, T0)
    };
    let first = ask(100, 600).unwrap();
    assert_eq!(first.tokens(), 600);
    let second = ask(100, 600).unwrap();
    assert_eq!(second.tokens(), 400);
    let refused = ask(100, 600).unwrap_err();
    let (dimension, _, requested) = refusal(refused);
    assert_eq!((dimension, requested), (Dimension::Tokens, 100));
}

fn capped(in_flight: u32) -> Account {
    account_of("a", limits(100, 1_000, in_flight))
}

#[test]
fn places_in_flight_are_freed_by_settling_and_by_expiry() {
    let store = MemoryStore::default();
    let enter = |now| reserve(&store, capped(2), cost(1, 0), now);
    let used = |now| {
        snapshot(&store, &capped(2), now)
            .unwrap()
            .in_flight
            .unwrap()
            .used
    };
    let first = enter(T0).unwrap();
    let second = enter(T0).unwrap();
    assert_ne!(first.slots(), second.slots());
    let refused = enter(T0).unwrap_err();
    assert_eq!(refusal(refused).0, Dimension::InFlight);
    first.settle(&store, 0, T0).unwrap();
    assert_eq!(used(T0), 1);
    let _third = enter(T0).unwrap();

    // The third request's VM dies; the second's keeps renewing.
    renew(&store, second.slots().unwrap(), T0 + SLOT_LIFETIME / 2).unwrap();
    assert_eq!(used(T0 + SLOT_LIFETIME), 1);
    assert!(enter(T0 + SLOT_LIFETIME).is_ok());
    second.settle(&store, 0, T0 + SLOT_LIFETIME).unwrap();
    assert_eq!(used(T0 + SLOT_LIFETIME), 1);
}

#[test]
fn a_refused_request_costs_a_request() {
    let store = MemoryStore::default();
    let a = account("a", 2, 1_000);
    for left in [1, 0, 0] {
        charge_refused(&store, &a, T0).unwrap();
        assert_eq!(
            snapshot(&store, &a, T0)
                .unwrap()
                .requests
                .unwrap()
                .remaining,
            left
        );
    }
}

proptest! {
    #[test]
    fn open_charges_exceed_the_limit_only_by_carried_debt(
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
            let left = snapshot(&store, &a, T0).unwrap().tokens.unwrap().remaining;
            prop_assert_eq!(u64::from(left), 1_000u64.saturating_sub(charged));
        }
    }
}

#[test]
fn a_worker_with_an_older_clock_reading_respects_later_decisions() {
    let store = MemoryStore::default();
    let mut limits = limits(60, 60_000, 0);
    let three = |limit: Limit| limit.with_burst(NonZeroU32::new(3).unwrap());
    limits.requests = limits.requests.map(three);
    let burst = account_of("a", limits);
    for _ in 0..3 {
        let _ = reserve(&store, burst.clone(), cost(1, 0), T0).unwrap();
    }
    // The other worker read its clock earlier and swaps later.
    for behind in [0, 1, SECOND / 1_000, SECOND] {
        let refused = reserve(&store, burst.clone(), cost(1, 0), T0 - behind).unwrap_err();
        let NotReserved::Limit(refusal) = refused else {
            panic!("{refused:?}")
        };
        let Refusal {
            exceeded, snapshot, ..
        } = *refusal;
        assert_eq!(exceeded, Exceeded::Wait(SECOND), "{behind}");
        assert_eq!(snapshot.requests.unwrap().reset, 3 * SECOND, "{behind}");
        assert_eq!(snapshot.requests.unwrap().used, 3, "{behind}");
    }
}

#[test]
fn a_long_hold_is_not_refunded_beyond_the_refill() {
    let store = MemoryStore::default();
    let a = account("a", 1_000, 1_000);
    let mut held = Vec::new();
    for minute in 0..10 {
        let now = T0 + minute * 60 * SECOND;
        held.push(reserve(&store, a.clone(), cost(1, 1_000), now).unwrap());
    }
    let (now, mut passed) = (T0 + 540 * SECOND, 0);
    for reservation in held {
        reservation.settle(&store, 0, now).unwrap();
        let ask = Cost {
            requests: 0,
            tokens: TokenBounds {
                least: 0,
                most: 1_000,
            },
        };
        let taken = reserve(&store, a.clone(), ask, now).unwrap();
        let tokens = taken.tokens();
        passed += tokens;
        taken.settle(&store, tokens, now).unwrap();
    }
    assert_eq!(passed, 1_000, "a burst, and not ten");
}
