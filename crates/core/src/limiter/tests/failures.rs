//! Stores that fail: nothing passes unmetered, and charges stay.

use super::scopes::{of_team, used};
use super::*;
use crate::shared::memory::FailsToWrite;

#[test]
fn a_lost_swap_is_tried_again_and_a_broken_store_refuses() {
    let store = MemoryStore::default();
    store.lose_next.set(999);
    let held = reserve(&store, account("a", 2, 10), cost(1, 1), T0).unwrap();
    store.lose_next.set(1_000);
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
fn a_store_that_fails_keeps_the_charge() {
    let (store, a) = (MemoryStore::default(), account_of("a", limits(3, 1_000, 2)));
    let three =
        [(); 3].map(|()| admit(&store, account_of("a", limits(9, 1_000, 0)), 1, T0).unwrap());
    let placed = admit(&store, a.clone(), 1, T0);
    store.broken.set(true);
    assert_eq!(admit(&store, a, 1, T0), Err(NotReserved::Store));
    let [one, two, three] = three;
    assert_eq!(
        one.reserve(&store, TokenBounds::exactly(1), T0),
        Err(NotReserved::Store)
    );
    assert_eq!(two.withdraw(&store, T0), Err(StoreError));
    assert_eq!(three.leave(&store, T0), Err(StoreError));
    assert_eq!(placed.unwrap().leave(&store, T0), Err(StoreError));
}

#[test]
fn a_store_that_fails_for_one_scope_refuses_and_leaves_the_others_correct() {
    let of = || of_team([9, 900, 9], [9, 900, 9]);
    let bounds = TokenBounds::exactly(300);
    let key = |store: &MemoryStore| used(store, &of(), T0)[..3].to_vec();
    let key_used = |requests, tokens, places| {
        vec![
            format!("key/a requests_per_minute {requests}"),
            format!("key/a tokens_per_minute {tokens}"),
            format!("key/a max_in_flight {places}"),
        ]
    };
    let (store, of_the_team) = (MemoryStore::default(), b"q/team/acme");
    let failing = FailsToWrite(&store, of_the_team);
    let refused = reserve(&failing, of(), cost(1, 300), T0).unwrap_err();
    assert_eq!(
        (refused, key(&store)),
        (NotReserved::Store, key_used(0, 0, 0))
    );

    let admitted = admit(&store, of(), 1, T0).unwrap();
    let refused = admitted.reserve(&failing, bounds, T0).unwrap_err();
    // As without a team, it counts as a request, and its tokens are given back.
    assert_eq!(
        (refused, key(&store)),
        (NotReserved::Store, key_used(1, 0, 0))
    );

    let admitted = admit(&store, of(), 1, T0).unwrap();
    let held = admitted.reserve(&store, bounds, T0).unwrap();
    assert_eq!(held.settle(&failing, 100, T0), Err(StoreError));
    assert_eq!(key(&store), key_used(2, 100, 0));
    assert_eq!(
        used(&store, &of(), T0)[3..],
        [
            "team/acme requests_per_minute 2",
            "team/acme tokens_per_minute 300",
            "team/acme max_in_flight 2",
        ]
    );
}
