//! Requests between the head and the end of the body.

use super::*;

/// Requests left, tokens left, places taken.
fn state(store: &MemoryStore, a: &Account, now: Nanos) -> (u32, u32, u32) {
    let s = snapshot(store, a, now).unwrap();
    let in_flight = s.in_flight.map_or(0, |f| f.used);
    (
        s.requests.unwrap().remaining,
        s.tokens.unwrap().remaining,
        in_flight,
    )
}

fn key(requests: u32, tokens: u32, in_flight: u32) -> Account {
    account_of("a", limits(requests, tokens, in_flight))
}

#[test]
fn each_ending_leaves_the_right_charges() {
    type End = fn(Admission, &MemoryStore);
    let reserve: End = |a, s| {
        let held = a.reserve(s, TokenBounds::exactly(400), T0).unwrap();
        assert_eq!(
            (held.tokens(), held.snapshot().tokens.unwrap().remaining),
            (400, 600)
        );
        assert!(held.slots().is_some());
    };
    let refused: End = |a, s| {
        let refused = a.reserve(s, TokenBounds::exactly(1_001), T0).unwrap_err();
        assert_eq!(
            refusal(refused.clone()),
            (Dimension::Tokens, Exceeded::Never, 1_001)
        );
        let NotReserved::Limit(refusal) = refused else {
            panic!("{refused:?}")
        };
        let snapshot = refusal.snapshot;
        // The client is shown its standing after the refund.
        assert_eq!(snapshot.requests.unwrap().remaining, 3);
        assert_eq!(snapshot.in_flight.unwrap().used, 0);
    };
    let leave: End = |a, s| a.leave(s, T0).unwrap();
    let withdraw: End = |a, s| a.withdraw(s, T0).unwrap();
    let lost: End = |_, _| {};
    for (what, end, after) in [
        ("its tokens are there", reserve, (2, 600, 1)),
        ("its tokens are not there", refused, (3, 1_000, 0)),
        (
            "it was refused for its content, or the client left",
            leave,
            (2, 1_000, 0),
        ),
        (
            "a limit of another kind refused it",
            withdraw,
            (3, 1_000, 0),
        ),
        ("its VM died", lost, (2, 1_000, 1)),
    ] {
        let (store, a) = (MemoryStore::default(), key(3, 1_000, 2));
        let admission = admit(&store, a.clone(), 1, T0).unwrap();
        assert_eq!(state(&store, &a, T0), (2, 1_000, 1), "{what}");
        end(admission, &store);
        assert_eq!(state(&store, &a, T0), after, "{what}");
    }
}

#[test]
fn an_exhausted_limit_refuses_before_the_body_and_spends_nothing() {
    for (what, a, dimension) in [
        ("requests", key(1, 1_000, 9), Dimension::Requests),
        ("places", key(9, 1_000, 1), Dimension::InFlight),
        ("tokens", key(9, 500, 9), Dimension::Tokens),
    ] {
        let store = MemoryStore::default();
        let first = admit(&store, a.clone(), 1, T0).unwrap();
        let _held = first
            .reserve(&store, TokenBounds::exactly(500), T0)
            .unwrap();
        let before = state(&store, &a, T0);
        let refused = admit(&store, a.clone(), 1, T0).unwrap_err();
        assert_eq!(refusal(refused).0, dimension, "{what}");
        assert_eq!(state(&store, &a, T0), before, "{what}");
    }
}

#[test]
fn a_free_endpoint_needs_no_tokens() {
    let (store, a) = (MemoryStore::default(), key(9, 500, 9));
    let first = admit(&store, a.clone(), 0, T0).unwrap();
    let _held = first
        .reserve(&store, TokenBounds::exactly(500), T0)
        .unwrap();
    let free = admit(&store, a, 0, T0).unwrap();
    assert_eq!(
        free.reserve(&store, TokenBounds::default(), T0)
            .unwrap()
            .tokens(),
        0
    );
}

#[test]
fn a_place_is_held_by_renewing_while_the_body_is_read() {
    let (store, a) = (MemoryStore::default(), key(9, 1_000, 1));
    let slow = admit(&store, a.clone(), 1, T0).unwrap();
    renew(&store, slow.slots().unwrap(), T0 + SLOT_LIFETIME / 2).unwrap();
    assert!(admit(&store, a.clone(), 1, T0 + SLOT_LIFETIME).is_err());
    let held = slow
        .reserve(&store, TokenBounds::exactly(10), T0 + SLOT_LIFETIME)
        .unwrap();
    assert_eq!(state(&store, &a, T0 + SLOT_LIFETIME).2, 1);
    held.settle(&store, 10, T0 + SLOT_LIFETIME).unwrap();
    assert_eq!(state(&store, &a, T0 + SLOT_LIFETIME).2, 0);
}

proptest! {
    /// However long bodies take and however many are refused in the end: the admitted requests stay within the limit.
    #[test]
    fn requests_given_back_late_do_not_come_back_as_a_burst(
        steps in proptest::collection::vec((0..40 * SECOND, 0u8..4), 1..120),
    ) {
        let (store, a) = (MemoryStore::default(), key(4, 1_000, 0));
        let (mut now, mut open, mut kept) = (T0, Vec::new(), 0u64);
        for (pause, step) in steps {
            now += pause;
            if step < 2 {
                open.extend(admit(&store, a.clone(), 0, now));
            } else if let Some(admission) = open.pop() {
                let _: Admission = admission;
                if step == 2 {
                    admission.withdraw(&store, now).unwrap();
                } else {
                    kept += 1;
                    admission.leave(&store, now).unwrap();
                }
            }
            let all = kept + open.len() as u64;
            // Each open request was admitted, and its charge may still be given back.
            let allowed = 4 + (now - T0).div_ceil(15 * SECOND);
            prop_assert!(all <= allowed, "{} of {}", all, allowed);
        }
    }
}
