//! Accounts of several scopes: all or none is charged, and the binding scope is named.

use super::*;

const KEY: Limits = Limits {
    requests: None,
    tokens: None,
    max_in_flight: None,
};

fn counter(scope: Scope, id: &str, limits: Limits) -> Counter {
    Counter::new(scope, id, limits)
}

/// A key `a` and its team, by their limits of requests, tokens and places.
pub(super) fn of_team(key: [u32; 3], team: [u32; 3]) -> Account {
    let of = |[requests, tokens, in_flight]: [u32; 3]| limits(requests, tokens, in_flight);
    Account::new([
        counter(Scope::Team, "acme", of(team)),
        counter(Scope::Key, "a", of(key)),
    ])
}

/// The usage of every cell as `scope/id name used`.
pub(super) fn used(store: &MemoryStore, account: &Account, now: Nanos) -> Vec<String> {
    let (cells, _) = standings(store, account, now).unwrap();
    let shown = cells.iter().map(|CellStanding { cell, used, .. }| {
        let (scope, name) = (cell.scope.name(), cell.dimension.name());
        format!("{scope}/{} {name} {used}", cell.id)
    });
    shown.collect()
}

#[test]
fn counters_are_charged_in_one_order_and_each_once() {
    let counters = [
        (Scope::Team, "acme"),
        (Scope::Tag, "b"),
        (Scope::Key, "a"),
        (Scope::Tag, "a"),
        (Scope::KeyAndModel, "a/gpt-4o"),
        (Scope::Tag, "b"),
    ];
    let limits = limits(1, 0, 0);
    let of = |(scope, id): (Scope, &str)| counter(scope, id, limits);
    let account = Account::new(counters.map(of));
    let mut reversed = counters;
    reversed.reverse();
    assert_eq!(account, Account::new(reversed.map(of)));
    assert_eq!(
        used(&MemoryStore::default(), &account, T0),
        [
            "key/a requests_per_minute 0",
            "key_and_model/a/gpt-4o requests_per_minute 0",
            "tag/a requests_per_minute 0",
            "tag/b requests_per_minute 0",
            "team/acme requests_per_minute 0",
        ]
    );
}

#[test]
fn every_scope_has_a_value_of_its_own_and_a_key_keeps_its_name() {
    let store = MemoryStore::default();
    let scopes = [Scope::Key, Scope::KeyAndModel, Scope::Tag, Scope::Team];
    let account = Account::new(scopes.map(|scope| counter(scope, "a", limits(5, 0, 0))));
    let held = reserve(&store, account, cost(1, 0), T0).unwrap();
    assert_eq!(store.len(), 4);
    for name in ["q/a", "q/key_and_model/a", "q/tag/a", "q/team/a"] {
        assert!(store.get(name.as_bytes()).unwrap().is_some(), "{name}");
    }
    held.settle(&store, 0, T0).unwrap();
}

#[test]
fn each_ending_leaves_the_same_in_every_scope() {
    let (key, team) = ([3, 1_000, 2], [30, 5_000, 20]);
    type End = fn(Reservation, &MemoryStore);
    let settle: End = |held, s| held.settle(s, 150, T0).unwrap();
    let lost: End = |_, _| {};
    for (what, end, tokens, places) in [
        ("it was settled", settle, 150, 0),
        ("its VM died", lost, 400, 1),
    ] {
        let (store, a) = (MemoryStore::default(), of_team(key, team));
        let admitted = admit(&store, a.clone(), 1, T0).unwrap();
        let held = admitted
            .reserve(&store, TokenBounds::exactly(400), T0)
            .unwrap();
        assert_eq!(held.tokens(), 400);
        end(held, &store);
        let of = |scope: &str| {
            [
                format!("{scope} requests_per_minute 1"),
                format!("{scope} tokens_per_minute {tokens}"),
                format!("{scope} max_in_flight {places}"),
            ]
        };
        let expected = [of("key/a"), of("team/acme")].concat();
        assert_eq!(used(&store, &a, T0), expected, "{what}");
    }
    let (store, a) = (MemoryStore::default(), of_team(key, team));
    let nothing = used(&store, &a, T0);
    let withdrawn = admit(&store, a.clone(), 1, T0).unwrap();
    withdrawn.withdraw(&store, T0).unwrap();
    assert_eq!(used(&store, &a, T0), nothing);
    charge_refused(&store, &a, T0).unwrap();
    charge_debt(&store, &a, 70, T0).unwrap();
    let expected = [
        "key/a requests_per_minute 1",
        "key/a tokens_per_minute 70",
        "key/a max_in_flight 0",
        "team/acme requests_per_minute 1",
        "team/acme tokens_per_minute 70",
        "team/acme max_in_flight 0",
    ];
    assert_eq!(used(&store, &a, T0), expected);
}

#[test]
fn the_scope_that_binds_is_named_and_nothing_is_spent() {
    let small = [1, 500, 1];
    let large = [9, 5_000, 9];
    // One scope is exhausted in one dimension.
    for (dimension, exhausted) in [
        (Dimension::Requests, [1, 5_000, 9]),
        (Dimension::Tokens, [9, 500, 9]),
        (Dimension::InFlight, [9, 5_000, 1]),
    ] {
        for (scope, key, team) in [
            (Scope::Key, exhausted, large),
            (Scope::Team, large, exhausted),
        ] {
            let (store, a) = (MemoryStore::default(), of_team(key, team));
            let _held = reserve(&store, a.clone(), cost(1, 500), T0).unwrap();
            let before = used(&store, &a, T0);
            let entered = admit(&store, a.clone(), 1, T0).unwrap_err();
            let reserved = reserve(&store, a.clone(), cost(1, 1), T0).unwrap_err();
            for refused in [entered, reserved] {
                let NotReserved::Limit(refusal) = refused else {
                    panic!("{refused:?}")
                };
                let cell = refusal.standing.cell;
                assert_eq!((cell.scope, cell.dimension), (scope, dimension));
                // The headers show the remainder of the tightest scope.
                let snapshot = standings(&store, &a, T0).unwrap().1;
                assert_eq!(refusal.snapshot, snapshot);
            }
            assert_eq!(used(&store, &a, T0), before, "{scope:?} {dimension:?}");
        }
    }
    // If the team's tokens do not suffice for the body, the key's charge is given back too.
    for (key, team, scope) in [(small, large, Scope::Key), (large, small, Scope::Team)] {
        let (store, a) = (MemoryStore::default(), of_team(key, team));
        let nothing = used(&store, &a, T0);
        let admitted = admit(&store, a.clone(), 1, T0).unwrap();
        let refused = admitted
            .reserve(&store, TokenBounds::exactly(501), T0)
            .unwrap_err();
        let NotReserved::Limit(refusal) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(refusal.standing.cell.scope, scope);
        assert_eq!(refusal.exceeded, Exceeded::Never);
        assert_eq!(used(&store, &a, T0), nothing);
    }
}

#[test]
fn the_longest_wait_of_all_scopes_is_reported_and_after_it_the_request_passes() {
    let spend = |store: &MemoryStore, account: Account| {
        let _held = reserve(store, account, cost(1, 0), T0).unwrap();
    };
    for (key, team, scope, seconds) in [(60, 6, Scope::Team, 10), (6, 60, Scope::Key, 10)] {
        let one = |rate: u32| {
            let mut limits = limits(rate, 0, 0);
            let burst = |limit: Limit| limit.with_burst(NonZeroU32::MIN);
            limits.requests = limits.requests.map(burst);
            limits
        };
        let a = Account::new([
            counter(Scope::Key, "a", one(key)),
            counter(Scope::Team, "acme", one(team)),
        ]);
        let store = MemoryStore::default();
        spend(&store, a.clone());
        let refused = admit(&store, a.clone(), 0, T0).unwrap_err();
        let NotReserved::Limit(refusal) = refused else {
            panic!("{refused:?}")
        };
        let wait = seconds * SECOND;
        assert_eq!(refusal.standing.cell.scope, scope);
        assert_eq!(refusal.exceeded, Exceeded::Wait(wait));
        assert!(admit(&store, a.clone(), 0, T0 + wait - 1).is_err());
        assert!(admit(&store, a, 0, T0 + wait).is_ok());
    }
}

#[test]
fn tokens_are_held_up_to_the_remainder_of_the_tightest_scope() {
    let store = MemoryStore::default();
    let a = of_team([9, 1_000, 0], [9, 300, 0]);
    assert_eq!(a.tokens_at_once(), 300);
    let bounds = TokenBounds {
        least: 100,
        most: 600,
    };
    let admitted = admit(&store, a.clone(), 1, T0).unwrap();
    let held = admitted.reserve(&store, bounds, T0).unwrap();
    assert_eq!(held.tokens(), 300);
    held.settle(&store, 200, T0).unwrap();
    let left = snapshot(&store, &a, T0).unwrap().tokens.unwrap().remaining;
    assert_eq!(left, 100);
    let unlimited = Account::new([counter(Scope::Key, "free", KEY)]);
    assert_eq!(unlimited.tokens_at_once(), u64::MAX);
    let held = reserve(&store, unlimited.clone(), cost(1, 5), T0).unwrap();
    assert_eq!((held.tokens(), held.slots()), (0, None));
    held.settle(&store, 5, T0).unwrap();
    assert_eq!(used(&store, &unlimited, T0), [""; 0]);
}

#[test]
fn a_place_is_renewed_in_every_scope() {
    let store = MemoryStore::default();
    let a = of_team([9, 0, 2], [9, 0, 2]);
    let held = reserve(&store, a.clone(), cost(1, 0), T0).unwrap();
    let other = of_team([9, 0, 2], [9, 0, 2]);
    let _dies = reserve(&store, other, cost(1, 0), T0).unwrap();
    renew(&store, held.slots().unwrap(), T0 + SLOT_LIFETIME / 2).unwrap();
    let places = |now| {
        let cells = standings(&store, &a, now).unwrap().0;
        let places = cells
            .iter()
            .filter(|s| s.cell.dimension == Dimension::InFlight);
        places.map(|s| s.used).collect::<Vec<_>>()
    };
    assert_eq!(places(T0), [2, 2]);
    assert_eq!(places(T0 + SLOT_LIFETIME), [1, 1]);
    held.settle(&store, 0, T0 + SLOT_LIFETIME).unwrap();
    assert_eq!(places(T0 + SLOT_LIFETIME), [0, 0]);
}

#[test]
fn a_key_without_a_team_needs_one_swap_for_each_operation() {
    let swaps = |act: &dyn Fn(&MemoryStore)| {
        let store = MemoryStore::default();
        act(&store);
        store.swaps.get()
    };
    let a = || account_of("a", limits(9, 1_000, 9));
    let enter = |s: &MemoryStore| admit(s, a(), 1, T0).unwrap();
    let hold = |s: &MemoryStore, tokens| enter(s).reserve(s, TokenBounds::exactly(tokens), T0);
    let free = |s: &MemoryStore| reserve(s, account("a", 9, 9), cost(1, 0), T0).unwrap();
    assert_eq!(swaps(&|s| drop(reserve(s, a(), cost(1, 5), T0))), 1);
    assert_eq!(swaps(&|s| drop(enter(s))), 1);
    assert_eq!(swaps(&|s| drop(hold(s, 5))), 2);
    assert_eq!(
        swaps(&|s| drop(hold(s, 1_001))),
        2,
        "refused and given back"
    );
    assert_eq!(swaps(&|s| hold(s, 5).unwrap().settle(s, 9, T0).unwrap()), 3);
    assert_eq!(swaps(&|s| enter(s).withdraw(s, T0).unwrap()), 2);
    assert_eq!(
        swaps(&|s| free(s).settle(s, 0, T0).unwrap()),
        1,
        "nothing to settle"
    );
    assert_eq!(swaps(&|s| drop(reserve(s, a(), cost(1, 1_001), T0))), 0);
}

proptest! {
    /// With reservations that stay open for any time and give back any part: the admitted usage stays within every limit
    /// that applies.
    #[test]
    fn admitted_usage_stays_within_the_limits_of_every_scope(
        steps in proptest::collection::vec((0..20 * SECOND, any::<bool>(), 0u8..3, 1u64..500, 0u64..500), 1..100),
    ) {
        let (own, team) = (limits(1_000, 600, 0), limits(1_000, 900, 0));
        let of = |key| Account::new([
            counter(Scope::Key, key, own),
            counter(Scope::Team, "acme", team),
        ]);
        let store = MemoryStore::default();
        let (mut now, mut open, mut used) = (T0, Vec::new(), [0u64; 2]);
        for (pause, first, step, tokens, actual) in steps {
            now += pause;
            let who = usize::from(first);
            let account = of(if first { "a" } else { "b" });
            match step {
                0 => open.extend(reserve(&store, account, cost(1, tokens), now).map(|held| (who, held))),
                1 => {
                    let bounds = TokenBounds { least: tokens / 2, most: tokens };
                    let admitted = admit(&store, account, 1, now);
                    open.extend(admitted.and_then(|a| a.reserve(&store, bounds, now)).map(|held| (who, held)));
                }
                _ => if let Some((who, held)) = open.pop() {
                    let actual = actual.min(held.tokens());
                    used[who] += actual;
                    held.settle(&store, actual, now).unwrap();
                }
            }
            let held = |who| open.iter().filter(|(of, _)| *of == who).map(|(_, held)| held.tokens()).sum::<u64>();
            let charged = [used[0] + held(0), used[1] + held(1)];
            let refilled = |rate: u64| (rate * (now - T0)).div_ceil(60 * SECOND);
            prop_assert!(charged.iter().all(|of_one| *of_one <= 600 + refilled(600)), "{:?}", charged);
            prop_assert!(charged.iter().sum::<u64>() <= 900 + refilled(900), "{:?}", charged);
        }
    }
}
