//! One story for each rule of the poller.

use super::super::test_host::TestHost;
use super::*;
use crate::config::Policy;
use crate::sync::FrameKind;

const CONFIG: u32 = 1;

fn service() -> ServicePolicy {
    let json = br#"{"service":{"cluster":"auth","token":"secret"}}"#;
    Policy::from_json(json).unwrap().service().unwrap().clone()
}

fn frame(kind: FrameKind, (from, to): (u64, u64), more: bool) -> Vec<u8> {
    let frame = Frame {
        kind,
        more,
        epoch: 9,
        from,
        to,
        keys: vec![],
        teams: vec![],
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    };
    frame.encode().unwrap()
}

/// A poller, its host, and the number of its latest call.
struct Stand {
    poller: Poller,
    host: TestHost,
    calls: u32,
}

impl Stand {
    fn new() -> Self {
        Self {
            poller: Poller::new(7),
            host: TestHost::default(),
            calls: 0,
        }
    }

    /// Sends the poll that is due, and returns its path.
    fn send(&mut self, now: Nanos) -> Option<String> {
        let call = self.poller.poll(CONFIG, &service(), &self.host, now)?;
        assert_eq!((call.method, call.body), ("GET", None));
        assert_eq!(call.timeout, 5 * SECOND);
        self.calls += 1;
        self.poller.sent(Some(self.calls), now);
        Some(call.path)
    }

    fn tick(&mut self, now: Nanos) -> Option<String> {
        self.poller.tick(&self.host, now);
        self.send(now)
    }

    /// Answers the latest call, and returns the path of the next poll, if one is sent.
    fn answer(&mut self, answer: Option<&[u8]>, now: Nanos) -> Option<String> {
        assert!(self.poller.answered(self.calls, answer, &self.host, now));
        self.send(now)
    }
}

#[test]
fn each_poll_asks_for_changes_after_the_applied_ones() {
    let mut stand = Stand::new();
    let told = concat!(
        "&proxy=envoy-0000000000000007&filter=",
        env!("CARGO_PKG_VERSION")
    );
    let receipt = |held: u32| {
        format!(
            "{told}&held={held}&tiers=free:685af8dd09ad,pro:014613982b67,team:ccadd97c2252&watch=0"
        )
    };
    let first = format!(
        "/sync/v1/changes?epoch=0&since=0&seen=0&wait=3000&keys=3{}",
        receipt(0)
    );
    assert_eq!(stand.tick(0), Some(first));
    assert_eq!(stand.tick(SECOND), None, "one at a time");
    // A snapshot in two pages. The first is not complete, so nothing is acknowledged.
    let page = frame(FrameKind::Snapshot, (0, 4), true);
    let path = stand.answer(Some(&page), SECOND).unwrap();
    assert_eq!(
        path,
        "/sync/v1/changes?epoch=9&since=4&seen=4&wait=3000&keys=3"
    );
    let page = frame(FrameKind::Delta, (4, 5), false);
    let path = stand.answer(Some(&page), SECOND).unwrap();
    assert_eq!(
        path,
        format!(
            "/sync/v1/changes?epoch=9&since=5&seen=5&wait=3000&keys=3{}",
            receipt(0)
        )
    );
    // The answer about a single key has a newer version.
    let resolved = Frame::decode(&frame(FrameKind::Resolved, (8, 8), false)).unwrap();
    directory::apply(&stand.host, &resolved, SECOND).unwrap();
    let path = stand.answer(Some(&frame(FrameKind::Delta, (5, 6), false)), SECOND);
    assert_eq!(
        path.unwrap(),
        format!(
            "/sync/v1/changes?epoch=9&since=6&seen=8&wait=3000&keys=3{}",
            receipt(0)
        )
    );
    assert_eq!(stand.host.series(), ["gmtech_sync applied=3"]);
}

#[test]
fn polls_without_news_pause_twice_as_long_each_time() {
    let ahead = frame(FrameKind::Delta, (90, 91), false);
    for (answer, warnings) in [
        (None, 0),
        (Some(b"rubbish".as_slice()), 5),
        (Some(&ahead), 0),
    ] {
        let (mut stand, mut now) = (Stand::new(), 0);
        assert!(stand.tick(now).is_some());
        for pause in [200, 400, 800, 1_600, 2_000] {
            assert_eq!(stand.answer(answer, now), None);
            assert_eq!(stand.tick(now + pause * MILLI - 1), None, "{pause}");
            now += pause * MILLI;
            let path = stand.tick(now).expect("the pause is over");
            assert!(
                path.contains("&wait=0"),
                "the first answer is wanted at once"
            );
        }
        assert_eq!(stand.host.series(), ["gmtech_sync failed=5"]);
        assert_eq!(stand.host.warnings.borrow().len(), warnings);
        // An applied answer ends the pauses.
        let page = frame(FrameKind::Snapshot, (0, 1), false);
        assert!(
            stand
                .answer(Some(&page), now)
                .unwrap()
                .contains("&wait=3000")
        );
        assert_eq!(stand.answer(None, now), None);
        assert!(stand.tick(now + 200 * MILLI).is_some());
    }
}

#[test]
fn a_poll_that_is_not_sent_or_not_answered_counts_as_failed() {
    let mut stand = Stand::new();
    stand.poller.tick(&stand.host, 0);
    assert!(
        stand
            .poller
            .poll(CONFIG, &service(), &stand.host, 0)
            .is_some()
    );
    stand.poller.sent(None, 0);
    assert_eq!(stand.tick(200 * MILLI - 1), None);
    let sent_at = 200 * MILLI;
    assert!(stand.tick(sent_at).is_some());
    assert_eq!(stand.tick(sent_at + LOST_AFTER - 1), None);
    let lost_at = sent_at + LOST_AFTER;
    assert_eq!(stand.tick(lost_at), None, "it pauses first");
    assert!(
        !stand.poller.answered(1, None, &stand.host, lost_at),
        "too late"
    );
    assert!(stand.tick(lost_at + 400 * MILLI).is_some());
}

#[test]
fn one_worker_polls_and_another_takes_over_when_it_is_gone() {
    let (mut one, mut other) = (Stand::new(), Poller::new(8));
    assert!(one.tick(0).is_some());
    let mut polls = |now| {
        other.tick(&one.host, now);
        other.poll(CONFIG, &service(), &one.host, now).is_some()
    };
    assert!(!polls(1));
    assert!(!polls(LEASE - 1));
    assert!(polls(LEASE), "the lease was not renewed");
    let page = frame(FrameKind::Snapshot, (0, 1), false);
    assert!(
        one.answer(Some(&page), LEASE).is_some(),
        "what was under way goes on"
    );
    assert_eq!(one.tick(LEASE + 1), None);
}

#[test]
fn a_poll_ends_with_its_configuration_and_another_one_polls_at_once() {
    let mut stand = Stand::new();
    assert!(stand.tick(0).is_some());
    stand.poller.retired(CONFIG + 1);
    assert_eq!(stand.tick(1), None, "it was not the one that asked");
    stand.poller.retired(CONFIG);
    assert!(!stand.poller.answered(1, None, &stand.host, 1));
    let path = stand.tick(2).unwrap();
    assert!(path.contains("&wait=3000"), "nothing has failed");
}

#[test]
fn nothing_is_polled_while_the_store_fails() {
    let mut stand = Stand::new();
    stand.host.store.broken.set(true);
    assert_eq!(stand.tick(0), None, "no lease");
    stand.host.store.broken.set(false);
    stand.poller.tick(&stand.host, 1);
    stand.host.store.broken.set(true);
    assert_eq!(stand.send(1), None, "no state");
    stand.host.store.broken.set(false);
    assert!(stand.tick(2).is_some(), "and no pause");
    // An answer that cannot be stored counts as a failure.
    stand.host.store.broken.set(true);
    let page = frame(FrameKind::Snapshot, (0, 1), false);
    assert_eq!(stand.answer(Some(&page), 3), None);
    assert_eq!(stand.host.series(), ["gmtech_sync failed=1"]);
}

#[test]
fn a_holder_is_never_zero() {
    assert_eq!(Poller::new(0).holder, 1);
}

/// What can happen to a poller between two ticks.
#[derive(Clone, Copy, Debug)]
enum Event {
    Applied,
    Failed,
    Retired,
    Lost,
    Refused,
}

proptest::proptest! {
    #[test]
    fn at_most_one_poll_is_under_way_and_the_next_is_sent_in_time(
        events in proptest::collection::vec((0..5_usize, 0..20_u64), 0..60),
    ) {
        const EVENTS: [Event; 5] =
            [Event::Applied, Event::Failed, Event::Retired, Event::Lost, Event::Refused];
        let (mut stand, mut now) = (Stand::new(), 0);
        // The longest time between two polls: an answer was lost, and the longest pause follows.
        let in_time = LOST_AFTER + LONGEST_PAUSE + 2 * 100 * MILLI;
        let (mut sent_at, mut waits) = (0, false);
        for (event, ticks) in events {
            for _ in 0..=ticks {
                now += 100 * MILLI;
                stand.poller.tick(&stand.host, now);
                if let (Event::Refused, true) = (EVENTS[event], stand.poller.due) {
                    stand.poller.poll(CONFIG, &service(), &stand.host, now);
                    stand.poller.sent(None, now);
                    (sent_at, waits) = (now, false);
                } else if stand.send(now).is_some() {
                    let lost = now >= sent_at + LOST_AFTER;
                    proptest::prop_assert!(!waits || lost, "two at once");
                    (sent_at, waits) = (now, true);
                }
                proptest::prop_assert!(now - sent_at <= in_time, "it has stopped");
            }
            let snapshot = frame(FrameKind::Snapshot, (0, 1), false);
            let answer = match EVENTS[event] {
                Event::Applied => Some(Some(snapshot.as_slice())),
                Event::Failed => Some(None),
                Event::Retired => {
                    stand.poller.retired(CONFIG);
                    waits = false;
                    None
                }
                Event::Lost | Event::Refused => None,
            };
            if let Some(answer) = answer {
                let ours = stand.poller.answered(stand.calls, answer, &stand.host, now);
                waits &= !ours;
                if stand.send(now).is_some() {
                    (sent_at, waits) = (now, true);
                }
            }
        }
    }
}
