use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds {
    per_body: 32,
    per_key: 64,
    unresolved: 40,
    all: 100,
};

fn key(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

/// A body with so many bytes arrived and so many announced; zero announces none.
fn body(arrived: u64, announced: u64) -> Body {
    Body {
        arrived,
        announced: (announced > 0).then_some(announced),
    }
}

#[test]
fn each_bound_refuses_what_exceeds_it() {
    // Streams in order: key, bytes arrived, bytes announced, result.
    type Row = (Option<&'static str>, u64, u64, Result<(), Full>);
    let tables: [(&str, &[Row]); 6] = [
        (
            "one body",
            &[
                (Some("a"), 32, 0, Ok(())),
                (Some("b"), 33, 0, Err(Full::Body)),
                (Some("b"), 0, 33, Err(Full::Body)),
                (None, 0, 33, Err(Full::Body)),
            ],
        ),
        (
            "one key, by what its bodies announce",
            &[
                (Some("a"), 0, 32, Ok(())),
                (Some("a"), 1, 32, Ok(())),
                (Some("a"), 0, 1, Err(Full::Key { used: 64 })),
                (Some("a"), 0, 0, Ok(())),
                (Some("b"), 0, 32, Ok(())),
            ],
        ),
        (
            "one key, by what has arrived",
            &[
                (Some("a"), 32, 0, Ok(())),
                (Some("a"), 32, 2, Ok(())),
                (Some("a"), 1, 0, Err(Full::Key { used: 64 })),
            ],
        ),
        (
            "keys that nobody knows yet",
            &[
                (None, 30, 0, Ok(())),
                (None, 10, 0, Ok(())),
                (None, 1, 0, Err(Full::Unresolved)),
                (Some("a"), 32, 0, Ok(())),
            ],
        ),
        (
            "what is announced of an unknown key costs it nothing, and others neither",
            &[
                (None, 0, 32, Ok(())),
                (None, 0, 32, Ok(())),
                (None, 40, 0, Err(Full::Body)),
                (None, 30, 0, Ok(())),
            ],
        ),
        (
            "all together, by what has arrived",
            &[
                (Some("a"), 32, 0, Ok(())),
                (Some("b"), 32, 0, Ok(())),
                (None, 30, 0, Ok(())),
                (Some("c"), 0, 32, Ok(())),
                (Some("c"), 7, 0, Err(Full::All)),
                (Some("c"), 6, 0, Ok(())),
            ],
        ),
    ];
    for (what, rows) in tables {
        let mut holding = Holding::default();
        for (stream, (owner, arrived, announced, expected)) in (0..).zip(rows) {
            let owner = owner.map(key);
            let got = holding.hold(stream, owner.as_ref(), body(*arrived, *announced), &BOUNDS);
            assert_eq!(got, *expected, "{what}: stream {stream}");
        }
    }
}

#[test]
fn a_stream_counts_once_however_often_it_is_held() {
    let mut holding = Holding::default();
    for arrived in 0..=32 {
        assert_eq!(
            holding.hold(1, Some(&key("a")), body(arrived, 32), &BOUNDS),
            Ok(())
        );
    }
    assert_eq!((holding.all, holding.keys.get(&key("a"))), (32, Some(&32)));
}

#[test]
fn bytes_of_an_unresolved_key_count_for_the_key_once_it_is_known() {
    let mut holding = Holding::default();
    holding.hold(1, None, body(30, 0), &BOUNDS).unwrap();
    holding
        .hold(1, Some(&key("a")), body(31, 0), &BOUNDS)
        .unwrap();
    assert_eq!((holding.unresolved, holding.all), (0, 31));
    assert_eq!(holding.hold(2, None, body(32, 0), &BOUNDS), Ok(()));
}

#[test]
fn a_refused_body_is_not_counted() {
    let mut holding = Holding::default();
    holding
        .hold(1, Some(&key("a")), body(32, 0), &BOUNDS)
        .unwrap();
    assert_eq!(
        holding.hold(1, Some(&key("a")), body(33, 0), &BOUNDS),
        Err(Full::Body)
    );
    assert_eq!((holding.all, holding.keys.len()), (0, 0));
}

proptest! {
    /// For any streams that come and go: no bound is exceeded, and at the end nothing is counted.
    #[test]
    fn bounds_hold_and_nothing_leaks(
        steps in proptest::collection::vec((0u32..12, 0usize..4, 0u64..40, 0u64..40, any::<bool>()), 1..200),
    ) {
        let owners = [None, Some(key("a")), Some(key("b")), Some(key("c"))];
        let mut holding = Holding::default();
        let mut told: HashMap<u32, (usize, u64)> = HashMap::new();
        for (stream, owner, arrived, announced, ends) in steps {
            if ends {
                holding.release(stream);
                told.remove(&stream);
            } else {
                let held = holding.hold(stream, owners[owner].as_ref(), body(arrived, announced), &BOUNDS);
                told.remove(&stream);
                if held.is_ok() { told.insert(stream, (owner, arrived)); }
            }
            let sum = |of: &dyn Fn(usize) -> bool| -> u64 {
                told.values().filter(|(o, _)| of(*o)).map(|(_, n)| n).sum()
            };
            prop_assert_eq!(holding.all, sum(&|_| true));
            prop_assert!(holding.all <= BOUNDS.all);
            prop_assert!(sum(&|o| o == 0) <= BOUNDS.unresolved);
            for owner in 1..4 { prop_assert!(sum(&|o| o == owner) <= BOUNDS.per_key); }
        }
        for stream in 0..12 { holding.release(stream); }
        prop_assert_eq!((holding.all, holding.unresolved), (0, 0));
        prop_assert!(holding.keys.is_empty() && holding.streams.is_empty());
    }
}
