use proptest::prelude::*;

use super::*;

const T0: Nanos = 5_000 * SECOND;

fn limit(per_minute: u32) -> Limit {
    Limit::per_minute(NonZeroU32::new(per_minute).unwrap())
}

#[test]
fn a_free_key_gets_60_at_once_and_then_one_a_second() {
    let free = limit(60);
    let mut tat = Tat::default();
    for _ in 0..60 {
        tat = free.take(tat, 1, T0).unwrap();
    }
    assert_eq!(free.take(tat, 1, T0), Err(Exceeded::Wait(SECOND)));
    assert_eq!(
        free.standing(tat, T0),
        Standing {
            limit: 60,
            used: 60,
            remaining: 0,
            reset: 60 * SECOND
        }
    );
    let tat = free.take(tat, 1, T0 + SECOND).unwrap();
    assert_eq!(free.take(tat, 1, T0 + SECOND), Err(Exceeded::Wait(SECOND)));
}

#[test]
fn openai_promises_the_same_wait() {
    // "Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s."
    let tpm = limit(10_000);
    let tat = tpm.take(Tat::default(), 8_554, T0).unwrap();
    assert_eq!(tpm.take(tat, 3_082, T0), Err(Exceeded::Wait(9_816_000_000)));
}

#[test]
fn a_cost_larger_than_the_burst_never_fits() {
    assert_eq!(limit(60).take(Tat::default(), 61, T0), Err(Exceeded::Never));
    let bursty = limit(60).with_burst(NonZeroU32::new(5).unwrap());
    assert_eq!(bursty.take(Tat::default(), 6, T0), Err(Exceeded::Never));
    assert!(bursty.take(Tat::default(), 5, T0).is_ok());
}

#[test]
fn debt_is_carried_and_a_refund_never_overfills() {
    let tpm = limit(60_000);
    let (held, hold) = Bucket::default().hold(&tpm, 100, T0).unwrap();
    let debt = held.settle(&tpm, hold, 90_000, T0);
    assert_eq!(
        debt.take(&tpm, 1, T0),
        Err(Exceeded::Wait(30 * SECOND + tpm.cost(1)))
    );
    let refunded = held.settle(&tpm, hold, 0, T0 + 50 * SECOND);
    let standing = tpm.standing(refunded.tat, T0 + 50 * SECOND);
    assert_eq!(standing.remaining, 60_000);
}

#[test]
fn a_burst_is_clamped_to_31_years_of_refill() {
    let wide = |rate, burst| limit(rate).with_burst(NonZeroU32::new(burst).unwrap());
    for (rate, burst, held_to) in [
        (1, 16_666_666, 16_666_666),
        (1, 16_666_667, 16_666_666),
        (1, 1_000_000_000, 16_666_666),
        (60, 1_000_000_000, 1_000_000_000),
        (60, u32::MAX, 1_000_000_000),
        (1_000, u32::MAX, u32::MAX),
        (u32::MAX, u32::MAX, u32::MAX),
    ] {
        let limit = wide(rate, burst);
        assert_eq!(limit.burst(), held_to, "{burst} at {rate} a minute");
        let all = Bucket::default().take(&limit, u64::from(held_to), T0);
        let more = all.unwrap().take(&limit, 1, T0);
        assert_eq!(
            more,
            Err(Exceeded::Wait(limit.cost(1))),
            "{burst} at {rate} a minute"
        );
    }
}

#[test]
fn ten_bursts_held_in_sequence_are_not_refunded_at_once() {
    let tpm = limit(1_000);
    let mut bucket = Bucket::default();
    let mut holds = Vec::new();
    for minute in 0..10 {
        let hold;
        (bucket, hold) = bucket.hold(&tpm, 1_000, T0 + minute * MINUTE).unwrap();
        holds.push(hold);
    }
    // The bucket has refilled nine times. Every hold turns out unused, and after each refund another client takes the rest.
    let (now, mut passed) = (T0 + 9 * MINUTE, 0);
    for hold in holds {
        bucket = bucket.settle(&tpm, hold, 0, now);
        let there = u64::from(tpm.standing(bucket.tat, now).remaining);
        bucket = bucket.take(&tpm, there, now).unwrap();
        passed += there;
    }
    assert_eq!(passed, 1_000);
}

#[test]
fn a_refund_is_not_reduced_by_time_that_the_bucket_needed_to_refill() {
    // Forty answers of 34 tokens, each held at 1,000 for thirty seconds: by then the used tokens have refilled.
    let tpm = limit(40_000);
    let mut bucket = Bucket::default();
    let mut holds = Vec::new();
    for _ in 0..40 {
        let hold;
        (bucket, hold) = bucket.hold(&tpm, 1_000, T0).unwrap();
        holds.push(hold);
    }
    let used = |bucket: Bucket, now| tpm.standing(bucket.tat, now).used;
    let settle = |mut bucket: Bucket, now| {
        for hold in &holds {
            bucket = bucket.settle(&tpm, *hold, 34, now);
        }
        used(bucket, now)
    };
    // 1,360 tokens less 667 that a second refills.
    assert_eq!(settle(bucket, T0 + SECOND), 694);
    assert_eq!(settle(bucket, T0 + 30 * SECOND), 0);
}

#[test]
fn a_claim_keeps_its_worth_over_any_number_of_falls() {
    let mut worth = Worth::default();
    let first = worth;
    for _ in 0..1_000 {
        let then = worth;
        worth = worth.fall(2, 3);
        let left = worth.left_of(3_000_000, then);
        assert!((1_999_999..=2_000_000).contains(&left), "{left}");
    }
    assert_eq!(worth.left_of(u64::MAX, first), 0);
    let nothing = worth.fall(0, 7);
    assert_eq!(nothing.left_of(u64::MAX, worth), 0);
    assert_eq!(nothing.left_of(5, nothing), 5);
    assert_eq!(
        worth.left_of(5, nothing),
        0,
        "a claim of a bucket that was forgotten"
    );
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let number = || prop_oneof![1u32..2_000_000, 1u32..=u32::MAX];
    (number(), number())
        .prop_map(|(rate, burst)| limit(rate).with_burst(NonZeroU32::new(burst).unwrap()))
}

/// A bucket that has spent so much and nothing else.
fn spent(l: &Limit, units: u64, at: Nanos) -> Bucket {
    let (bucket, hold) = Bucket::default().hold(l, 0, at).unwrap();
    bucket.settle(l, hold, units, at)
}

proptest! {
    #[test]
    fn denied_before_the_promised_instant_allowed_at_it(
        l in any_limit(), used in 0u64..4_000_000, units in 1u64..2_000_000, elapsed in 0..MINUTE,
    ) {
        let used = spent(&l, used, T0).tat;
        let now = T0 + elapsed;
        match l.take(used, units, now) {
            Ok(_) => prop_assert!(units <= u64::from(l.burst())),
            Err(Exceeded::Never) => prop_assert!(units > u64::from(l.burst())),
            Err(Exceeded::Wait(wait)) => {
                prop_assert!(l.take(used, units, now + wait).is_ok());
                prop_assert_eq!(l.take(used, units, now + wait - 1), Err(Exceeded::Wait(1)));
            }
        }
    }

    #[test]
    fn exactly_the_burst_passes_at_one_instant(l in any_limit(), cuts in proptest::collection::vec(1u64..50_000, 1..40)) {
        let mut tat = Tat::default();
        let mut left = u64::from(l.burst());
        for units in cuts {
            match l.take(tat, units, T0) {
                Ok(next) => { prop_assert!(units <= left); left -= units; tat = next; }
                Err(_) => prop_assert!(units > left),
            }
            prop_assert_eq!(u64::from(l.standing(tat, T0).remaining), left);
        }
    }

    #[test]
    fn no_span_admits_more_than_burst_plus_rate(
        l in any_limit(), steps in proptest::collection::vec((0..5 * SECOND, 1u64..100_000), 1..60),
    ) {
        let (mut tat, mut now, mut admitted) = (Tat::default(), T0, 0u64);
        for (pause, units) in steps {
            now += pause;
            if let Ok(next) = l.take(tat, units, now) { tat = next; admitted += units; }
        }
        let allowed = l.tolerance() as u128 + (now - T0) as u128;
        prop_assert!(l.cost(1) as u128 * admitted as u128 <= allowed);
    }

    #[test]
    fn a_single_hold_settles_as_if_the_actual_cost_had_been_taken(
        l in any_limit(), used in 0u64..1_000_000,
        steps in proptest::collection::vec((0..40 * SECOND, 0..40 * SECOND, 0u64..1_000_000, 0u64..1_000_000), 1..20),
    ) {
        let mut bucket = spent(&l, used, T0);
        let (mut direct, mut now, mut rounded) = (bucket.tat.0, T0, 0);
        for (pause, held_for, reserved, actual) in steps {
            now += pause;
            let Ok((held, hold)) = bucket.hold(&l, reserved, now) else { continue };
            direct = direct.max(now) + l.cost(actual.min(reserved));
            now += held_for;
            bucket = held.settle(&l, hold, actual, now);
            if actual > reserved { direct = direct.max(now) + l.cost(actual - reserved); }
            // Each is rounded up by at most a nanosecond.
            rounded += 1;
            prop_assert!((direct.max(now)..=direct.max(now) + rounded).contains(&bucket.tat.0.max(now)));
            prop_assert!(bucket.lent <= rounded);
        }
    }
}

/// A step of a bucket: time passes, units are held, and one of the open holds is settled.
#[derive(Clone, Debug)]
enum Event {
    Pass(Nanos),
    Hold {
        units: u64,
    },
    Settle {
        which: prop::sample::Index,
        actual: u64,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let actual = prop_oneof![Just(0), 0u64..200, 0u64..3_000];
    let event = prop_oneof![
        2 => (0..30 * SECOND).prop_map(Event::Pass),
        1 => Just(Event::Pass(MINUTE)),
        4 => (0u64..1_000).prop_map(|units| Event::Hold { units }),
        // The whole bucket, repeatedly.
        1 => Just(Event::Hold { units: 1_000 }),
        4 => (any::<prop::sample::Index>(), actual).prop_map(|(which, actual)| Event::Settle { which, actual }),
    ];
    proptest::collection::vec(event, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// For holds and refunds in any order: the bound on usage in every window, and the bound on its cost.
    #[test]
    fn usage_in_any_window_is_at_most_the_burst_the_rate_and_the_debt(
        rate in 200u32..5_000, burst in 1u32..1_500, events in events(),
    ) {
        let l = limit(rate).with_burst(NonZeroU32::new(burst).unwrap());
        let (mut bucket, mut now) = (Bucket::default(), T0);
        let mut open: Vec<(Nanos, Hold)> = Vec::new();
        // The usage: the time of admission, and the units within the hold.
        let mut used: Vec<(Nanos, u64)> = Vec::new();
        // The bucket if all usage were charged at settlement.
        let (mut late, mut settlements) = (T0, 0);
        let mut settle = |bucket: &mut Bucket, (at, hold): (Nanos, Hold), actual: u64, now: Nanos| {
            *bucket = bucket.settle(&l, hold, actual, now);
            used.push((at, actual.min(hold.units())));
            late = late.max(now) + l.cost(actual);
            settlements += 1;
            assert!(bucket.lent <= bucket.tat.0.saturating_sub(now), "claims exceed what is lacking");
        };
        for event in events {
            match event {
                Event::Pass(span) => now += span,
                Event::Hold { units } => if let Ok((next, hold)) = bucket.hold(&l, units, now) {
                    bucket = next;
                    open.push((now, hold));
                },
                Event::Settle { which, actual } => if !open.is_empty() {
                    let held = open.swap_remove(which.index(open.len()));
                    settle(&mut bucket, held, actual, now);
                },
            }
        }
        for held in open { settle(&mut bucket, held, 0, now); }
        // Each is rounded up by at most a nanosecond.
        prop_assert!(bucket.tat.0.max(now) <= late.max(now) + settlements, "dearer than paying at the end");
        used.sort_unstable();
        for (first, (from, _)) in used.iter().enumerate() {
            let mut sum = 0;
            for (to, units) in &used[first..] {
                sum += units;
                prop_assert!(l.cost(sum) <= l.tolerance() + (to - from), "{sum} from {from} to {to}");
            }
        }
    }
}
