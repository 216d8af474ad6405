//! One story for each rule. The property that no event is lost is in `tests/nothing_vanishes.rs`.

use super::tallies::MAX_TALLIES;
use super::*;
use crate::config::Policy;
use crate::decision::Decision;
use crate::ident::{KeyId, TeamId, TierName};
use crate::model::ModelId;
use crate::sync::events::{Label, MAX_BATCH_EVENTS, decode_batch};
use crate::usage::{Tokens, Usage};

mod nothing_vanishes;

const MILLI: Nanos = 1_000_000;
const CONFIG: u32 = 1;

fn service(cluster: &str, token: &str, mib: u16) -> ServicePolicy {
    let json = format!(
        r#"{{"service":{{"cluster":"{cluster}","token":"{token}","usage_memory_mib":{mib}}}}}"#
    );
    let policy = Policy::from_json(json.as_bytes()).unwrap();
    policy.service().unwrap().clone()
}

fn event(n: u64, key: &str, decision: &str) -> UsageEvent {
    UsageEvent {
        id: u128::from(n).to_be_bytes(),
        key: KeyId::new(key).unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: ModelId::new("gpt-4o").ok(),
        endpoint: Label::clip("/v1/chat/completions"),
        decision: Label::clip(decision).into(),
        status: 200,
        duration_ms: 5,
        started_unix_ms: 1_790_000_000_000 + n,
        usage: Usage::Exact(Tokens::default()),
        requests: 1,
        object: None,
        request_id: Label::default(),
        endpoint_group: Label::default(),
    }
}

fn admitted(n: u64) -> UsageEvent {
    event(n, "key_1", Decision::Allowed.name())
}

fn refusal(n: u64) -> UsageEvent {
    event(n, "key_1", "key_revoked")
}

/// An outbox, one service, and the configuration that posts.
struct Stand {
    outbox: Outbox,
    services: Services,
    service: ServicePolicy,
    calls: u32,
}

impl Stand {
    fn new() -> Self {
        Self::holding(16)
    }

    fn holding(mib: u16) -> Self {
        let service = service("auth", "secret", mib);
        let mut services = Services::default();
        services.configured(CONFIG, Some(&service));
        Self {
            outbox: Outbox::default(),
            services,
            service,
            calls: 0,
        }
    }

    fn push(&mut self, event: UsageEvent, now: Nanos) {
        self.outbox.push(event, &self.service, &self.services, now);
    }

    /// Sends every batch that may be sent, and returns the calls with their events.
    fn post(&mut self, flush: bool, now: Nanos) -> Vec<(u32, Vec<UsageEvent>)> {
        let mut posts = Vec::new();
        if flush {
            self.outbox.tick(&self.services, now);
        }
        while let Some(post) = self.outbox.poll(CONFIG, &self.services, flush, now) {
            self.calls += 1;
            self.outbox.sent(post.id, self.calls);
            posts.push((self.calls, read(&post)));
        }
        posts
    }
}

fn read(post: &Post) -> Vec<UsageEvent> {
    let events = decode_batch(&post.body).unwrap();
    events.into_iter().map(Result::unwrap).collect()
}

fn ids(events: &[UsageEvent]) -> Vec<u64> {
    let id = |e: &UsageEvent| u64::try_from(u128::from_be_bytes(e.id)).unwrap();
    events.iter().map(id).collect()
}

#[test]
fn a_batch_is_removed_by_its_own_answer() {
    let mut stand = Stand::new();
    stand.push(admitted(1), 0);
    let [(first, _)] = &stand.post(true, 0)[..] else {
        panic!()
    };
    stand.push(admitted(2), 0);
    let [(second, events)] = &stand.post(true, 0)[..] else {
        panic!()
    };
    assert_eq!(ids(events), [2], "what is under way is not sent twice");
    assert!(!stand.outbox.answered(99, true, 0), "nobody's call");
    assert!(stand.outbox.answered(*second, true, 0));
    assert!(
        !stand.outbox.answered(*second, true, 0),
        "an answer counts once"
    );
    // The first batch is still held: it is sent again, unchanged.
    assert!(stand.outbox.answered(*first, false, 0));
    let again = stand.post(true, SECOND);
    assert_eq!(ids(&again[0].1), [1]);
    let counts = stand.outbox.take_counts();
    assert_eq!((counts.posted, counts.retried, counts.dropped), (1, 1, 0));
    assert_eq!(stand.outbox.take_counts(), Counts::default());
}

#[test]
fn a_batch_is_sent_when_it_is_full_or_due() {
    let mut stand = Stand::new();
    stand.push(admitted(0), 0);
    assert!(
        stand.post(false, 0).is_empty(),
        "an answer is no reason to send one event"
    );
    for n in 1..=MAX_BATCH_EVENTS as u64 {
        stand.push(admitted(n), 0);
    }
    let full = stand.post(false, 0);
    assert_eq!(full.len(), 1);
    assert_eq!(full[0].1.len(), MAX_BATCH_EVENTS);
    let rest = stand.post(true, 0);
    assert_eq!(ids(&rest[0].1), [MAX_BATCH_EVENTS as u64]);
}

#[test]
fn a_batch_of_the_largest_events_is_within_the_services_limit() {
    let mut stand = Stand::new();
    for n in 0..2_000 {
        let mut large = event(n, &"k".repeat(64), Decision::Allowed.name());
        large.model = ModelId::new(&"m".repeat(256)).ok();
        stand.push(large, 0);
    }
    let posts = stand.post(true, 0);
    let sent: usize = posts.iter().map(|(_, events)| events.len()).sum();
    assert_eq!(sent, 2_000);
    for (_, events) in posts {
        let bytes = crate::sync::events::encode_batch(&events).unwrap().len();
        assert!(bytes < 1 << 20, "{bytes}");
    }
}

#[test]
fn several_batches_are_under_way_and_the_next_is_sent_after_an_answer() {
    let mut stand = Stand::new();
    for n in 0..(PARALLEL as u64 + 3) * MAX_BATCH_EVENTS as u64 {
        stand.push(admitted(n), 0);
    }
    let first = stand.post(true, 0);
    assert_eq!(first.len(), PARALLEL);
    assert!(stand.post(true, 0).is_empty());
    assert!(stand.outbox.answered(first[3].0, true, 0));
    assert_eq!(stand.post(false, 0).len(), 1);
}

#[test]
fn failures_pause_twice_as_long_each_time_and_then_one_batch_tries() {
    let mut stand = Stand::new();
    for n in 0..3 * MAX_BATCH_EVENTS as u64 {
        stand.push(admitted(n), 0);
    }
    let mut now = 0;
    let mut calls: Vec<u32> = stand
        .post(true, now)
        .into_iter()
        .map(|(call, _)| call)
        .collect();
    for pause in [200, 400, 800, 1_600, 2_000, 2_000] {
        // All batches under way fail at once, which counts as one failure.
        for call in calls {
            assert!(stand.outbox.answered(call, false, now));
        }
        assert!(stand.post(true, now + (pause - 1) * MILLI).is_empty());
        now += pause * MILLI;
        calls = stand
            .post(true, now)
            .into_iter()
            .map(|(call, _)| call)
            .collect();
        assert_eq!(
            calls.len(),
            1,
            "after a pause of {pause} ms one batch tries"
        );
    }
    assert!(stand.outbox.answered(calls[0], true, now));
    assert_eq!(stand.post(false, now).len(), 2, "then all go");
}

#[test]
fn a_batch_that_is_always_refused_delays_no_other() {
    let mut stand = Stand::new();
    let mut now = 0;
    stand.push(admitted(1), now);
    let poison = stand.post(true, now);
    stand.push(admitted(2), now);
    assert!(stand.outbox.answered(poison[0].0, false, now));
    now += SECOND;
    // The open batch waits behind it, and is sent after it has failed once more.
    for _ in 0..4 {
        for (call, events) in stand.post(true, now) {
            let taken = ids(&events) != [1];
            stand.outbox.answered(call, taken, now);
        }
        now += 2 * SECOND;
    }
    assert_eq!(stand.outbox.take_counts().posted, 1);
}

#[test]
fn a_batch_without_an_answer_is_sent_again() {
    let mut stand = Stand::new();
    stand.push(admitted(1), 0);
    let lost = stand.post(true, 0);
    assert!(stand.post(true, LOST_AFTER - 1).is_empty());
    assert!(stand.post(true, LOST_AFTER).is_empty(), "a failure pauses");
    let now = LOST_AFTER + SECOND;
    let again = stand.post(true, now);
    assert_eq!(again[0].1, lost[0].1);
    assert!(!stand.outbox.answered(lost[0].0, true, now), "too late");
    assert!(stand.outbox.answered(again[0].0, true, now));

    // A post without an answer, and one that could not be sent.
    stand.push(admitted(2), now);
    let post = stand
        .outbox
        .poll(CONFIG, &stand.services, true, now)
        .unwrap();
    stand.outbox.failed(post.id, now);
    let post = stand
        .outbox
        .poll(CONFIG, &stand.services, true, now + SECOND)
        .unwrap();
    assert_eq!(ids(&read(&post)), [2]);
    let again = stand.post(true, now + SECOND + LOST_AFTER + SECOND);
    assert!(again.is_empty());
    assert_eq!(stand.post(true, now + 4 * SECOND + LOST_AFTER).len(), 1);
}

#[test]
fn batches_of_a_retired_configuration_are_sent_from_another_at_once() {
    let mut stand = Stand::new();
    stand.push(admitted(1), 0);
    stand.post(true, 0);
    stand.outbox.retired(7);
    assert!(
        stand.post(true, 0).is_empty(),
        "another one's end changes nothing"
    );
    stand.outbox.retired(CONFIG);
    let again = stand.outbox.poll(2, &stand.services, true, 0).unwrap();
    assert_eq!(ids(&read(&again)), [1]);
}

#[test]
fn an_event_goes_to_the_service_of_its_configuration_with_the_current_token() {
    let mut stand = Stand::new();
    let (old, other) = (stand.service.clone(), service("elsewhere", "other", 16));
    stand.push(admitted(1), 0);
    stand.outbox.push(admitted(2), &other, &stand.services, 0);
    // The token is replaced: a second configuration is in force beside the first.
    let new = service("auth", "rotated", 16);
    stand.services.configured(2, Some(&new));
    stand.push(admitted(3), 0);
    let mut seen = Vec::new();
    while let Some(post) = stand.outbox.poll(2, &stand.services, true, 0) {
        seen.push((
            post.service.cluster.clone(),
            post.service.token.reveal().to_owned(),
            ids(&read(&post)),
        ));
    }
    let said =
        |cluster: &str, token: &str, ids: &[u64]| (cluster.into(), token.into(), ids.to_vec());
    assert_eq!(
        seen,
        [
            said("auth", "rotated", &[1, 3]),
            said("elsewhere", "other", &[2])
        ]
    );

    // Keys are resolved at the service of the newest live configuration.
    assert_eq!(stand.services.current(), Some(&new));
    stand.services.configured(3, None);
    assert_eq!(
        stand.services.current(),
        Some(&new),
        "a listener without a service changes nothing"
    );
    stand.services.retired(2);
    assert_eq!(stand.services.current(), Some(&old));
    assert_eq!(stand.services.of("elsewhere"), None);
    stand.services.retired(CONFIG);
    assert_eq!(stand.services.current(), None);
}

#[test]
fn refusals_are_summed_by_key_decision_group_and_minute() {
    let mut stand = Stand::new();
    let next_minute = |n| UsageEvent {
        started_unix_ms: 1_790_000_000_000 + 60_000,
        ..refusal(n)
    };
    let elsewhere = |n| UsageEvent {
        endpoint_group: Label::clip("embeddings"),
        ..refusal(n)
    };
    for n in 0..1_000 {
        let mut one = refusal(n);
        // Values that a client chooses freely do not make more sums.
        one.model = ModelId::new(&format!("model-{n}")).ok();
        one.endpoint = Label::clip(&format!("/v1/{n}"));
        one.request_id = Label::clip(&format!("request-{n}"));
        stand.push(one, 0);
    }
    stand.push(event(2_000, "key_1", "rate_limit_requests"), 0);
    stand.push(event(2_001, "key_2", "key_revoked"), 0);
    stand.push(next_minute(2_002), 0);
    stand.push(elsewhere(2_003), 0);
    assert!(
        stand.post(true, 5 * SECOND - 1).is_empty(),
        "they are summed for a while"
    );
    let posts = stand.post(true, 5 * SECOND);
    let [(call, events)] = &posts[..] else {
        panic!("{posts:?}")
    };
    let mut sums: Vec<_> = events
        .iter()
        .map(|e| (e.key.as_str(), e.decision.as_str(), e.requests))
        .collect();
    sums.sort_unstable();
    assert_eq!(
        sums,
        [
            ("key_1", "key_revoked", 1),
            ("key_1", "key_revoked", 1),
            ("key_1", "key_revoked", 1_000),
            ("key_1", "rate_limit_requests", 1),
            ("key_2", "key_revoked", 1),
        ]
    );
    let sum = events.iter().find(|e| e.requests == 1_000).unwrap();
    assert_eq!(
        (ids(std::slice::from_ref(sum))[0], sum.started_unix_ms),
        (0, 1_790_000_000_999)
    );
    assert_eq!((sum.model.as_ref(), sum.endpoint.as_str()), (None, ""));
    assert_eq!(sum.request_id.as_str(), "");

    // A sum under way does not change: later refusals go into another sum with another id.
    stand.push(refusal(3_000), 5 * SECOND);
    assert!(
        stand.post(true, 10 * SECOND).is_empty(),
        "one batch of refusals at a time"
    );
    assert!(stand.outbox.answered(*call, true, 10 * SECOND));
    let next = stand.post(true, 10 * SECOND);
    assert_eq!(ids(&next[0].1), [3_000]);
}

#[test]
fn many_sums_are_sent_at_once_and_their_number_is_bounded() {
    let mut stand = Stand::new();
    for n in 0..MAX_TALLIES as u64 + 10 {
        stand.push(event(n, &format!("key_{n}"), "key_revoked"), 0);
    }
    assert_eq!(stand.outbox.take_counts().refusals_dropped, 10);
    let posts = stand.post(true, 0);
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].1.len(), MAX_BATCH_EVENTS);
    // An open sum accepts more refusals even if everything else is full.
    stand.push(
        event(9_000, &format!("key_{}", MAX_TALLIES - 1), "key_revoked"),
        0,
    );
    assert_eq!(stand.outbox.take_counts().refusals_dropped, 0);
}

#[test]
fn a_full_outbox_drops_refusals_then_events_of_unconfigured_services_then_the_newest() {
    let mut stand = Stand::holding(1);
    // Refusals that were sent and failed, open refusals, and events of a service without a configuration.
    stand.push(refusal(1), 0);
    stand.push(refusal(2), 0);
    let sent = stand.post(true, 5 * SECOND);
    assert!(stand.outbox.answered(sent[0].0, false, 5 * SECOND));
    stand.push(refusal(3), 5 * SECOND);
    let gone = service("gone", "x", 1);
    for n in 10..110 {
        stand.outbox.push(admitted(n), &gone, &stand.services, 0);
    }
    let mut seen = Vec::new();
    for n in 1_000..10_000 {
        stand.push(admitted(n), 6 * SECOND);
        let counts = stand.outbox.take_counts();
        let now = (counts.refusals_dropped, counts.dropped);
        if now != (0, 0) && seen.last() != Some(&now) {
            seen.push(now);
        }
        assert!(stand.outbox.held <= 1 << 20, "{}", stand.outbox.held);
    }
    assert_eq!(seen, [(2, 0), (1, 0), (0, 100), (0, 1)]);
    // A refusal that does not fit is counted as dropped. No held event is dropped for it.
    stand.push(refusal(4), 6 * SECOND);
    assert_eq!(
        stand.outbox.take_counts(),
        Counts {
            refusals_dropped: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_refusal_that_used_tokens_is_never_summed() {
    let mut used = refusal(1);
    used.usage = Usage::Estimated(Tokens::of(0, 1));
    assert!(used.is_admitted() && admitted(1).is_admitted() && !refusal(1).is_admitted());
}
