//! The agent as a whole. The rules of its parts are tested with the parts.

use super::test_host::TestHost;
use super::*;
use crate::config::Policy;
use crate::decision::Decision;
use crate::ident::{KeyId, TeamId, TierName};
use crate::sync::events::{Label, decode_batch};
use crate::sync::{Frame, FrameKind};
use crate::time::SECOND;
use crate::usage::{Tokens, Usage};

const CONFIG: u32 = 1;

fn service(cluster: &str) -> ServicePolicy {
    let json = format!(r#"{{"service":{{"cluster":"{cluster}","token":"secret"}}}}"#);
    let policy = Policy::from_json(json.as_bytes()).unwrap();
    policy.service().unwrap().clone()
}

fn event(id: [u8; 16]) -> UsageEvent {
    UsageEvent {
        id,
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: None,
        endpoint: Label::clip("/v1/models"),
        decision: Decision::Allowed.into(),
        status: 200,
        duration_ms: 5,
        started_unix_ms: 1_790_000_000_000,
        usage: Usage::Exact(Tokens::default()),
        requests: 1,
        object: None,
        request_id: Label::default(),
        endpoint_group: Label::default(),
    }
}

/// Sends all calls that are due and returns their cluster, method and path without the query. Calls are numbered from `first`.
fn send(agent: &mut Agent, config: u32, first: u32, host: &TestHost, now: Nanos) -> Vec<String> {
    let mut calls = Vec::new();
    while let Some((id, call)) = agent.poll(config, host, now) {
        let number = first + u32::try_from(calls.len()).unwrap();
        agent.sent(id, Some(number), now);
        let path = call.path.split('?').next().unwrap();
        calls.push(format!("{} {} {path}", call.service.cluster, call.method));
    }
    calls
}

const POLL: &str = "auth GET /sync/v1/changes";
const POST: &str = "auth POST /sync/v1/usage";

#[test]
fn it_polls_and_posts_at_each_tick_and_after_each_answer() {
    let (mut agent, host) = (Agent::new(7), TestHost::default());
    agent.tick(&host, 0);
    assert!(
        send(&mut agent, CONFIG, 1, &host, 0).is_empty(),
        "no service"
    );
    agent.configured(CONFIG, Some(&service("auth")));
    let id = agent.new_id();
    agent.push(event(id), &service("auth"), 0);
    assert!(
        send(&mut agent, CONFIG, 1, &host, 0).is_empty(),
        "it waits for the tick"
    );
    agent.tick(&host, 0);
    assert_eq!(send(&mut agent, CONFIG, 1, &host, 0), [POLL, POST]);
    let id = agent.new_id();
    agent.push(event(id), &service("auth"), 0);
    agent.answered(2, Some(b""), &host, 1);
    assert!(
        send(&mut agent, CONFIG, 3, &host, 1).is_empty(),
        "no full batch"
    );
    assert_eq!(
        host.measured("gmtech_usage_posted"),
        0,
        "it is counted at the tick"
    );
    let snapshot = Frame {
        kind: FrameKind::Snapshot,
        more: false,
        epoch: 1,
        from: 0,
        to: 1,
        keys: vec![],
        teams: vec![],
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    };
    agent.answered(1, Some(&snapshot.encode().unwrap()), &host, 1);
    assert_eq!(send(&mut agent, CONFIG, 3, &host, 1), [POLL]);
    agent.tick(&host, TICK);
    assert_eq!(send(&mut agent, CONFIG, 4, &host, TICK), [POST]);
    agent.answered(4, None, &host, TICK);
    agent.tick(&host, SECOND);
    assert_eq!(send(&mut agent, CONFIG, 5, &host, SECOND), [POST]);
    assert_eq!(
        host.series(),
        [
            "gmtech_sync applied=1",
            "gmtech_usage_posted=1",
            "gmtech_usage_retries=1"
        ]
    );
}

#[test]
fn calls_of_a_retired_configuration_are_made_by_the_next_one() {
    let (mut agent, host) = (Agent::new(7), TestHost::default());
    agent.configured(CONFIG, Some(&service("auth")));
    let id = agent.new_id();
    agent.push(event(id), &service("auth"), 0);
    agent.tick(&host, 0);
    assert_eq!(send(&mut agent, CONFIG, 1, &host, 0), [POLL, POST]);
    agent.configured(CONFIG + 1, Some(&service("other")));
    agent.retired(CONFIG);
    agent.tick(&host, 1);
    let sent = send(&mut agent, CONFIG + 1, 3, &host, 1);
    assert_eq!(sent, ["other GET /sync/v1/changes", POST]);
    for call in [1, 2, 99] {
        agent.answered(call, None, &host, 2);
    }
    assert_eq!(host.measured("gmtech_sync failed"), 0, "nobody's answers");
}

#[test]
fn a_call_that_cannot_be_sent_waits() {
    let (mut agent, host) = (Agent::new(7), TestHost::default());
    agent.configured(CONFIG, Some(&service("auth")));
    let id = agent.new_id();
    agent.push(event(id), &service("auth"), 0);
    agent.tick(&host, 0);
    let mut refused = 0;
    while let Some((id, _)) = agent.poll(CONFIG, &host, 0) {
        agent.sent(id, None, 0);
        refused += 1;
    }
    assert_eq!(refused, 2, "each is tried once");
    agent.tick(&host, SECOND);
    let (_, poll) = agent.poll(CONFIG, &host, SECOND).unwrap();
    assert!(poll.body.is_none());
    let (_, post) = agent.poll(CONFIG, &host, SECOND).unwrap();
    let events = decode_batch(&post.body.unwrap()).unwrap();
    assert_eq!(events.into_iter().next().unwrap().unwrap().id, id);
}

#[test]
fn no_two_events_have_one_id() {
    let mut agents = [Agent::new(1), Agent::new(2)];
    let ids: std::collections::HashSet<_> = (0..100)
        .flat_map(|_| agents.each_mut().map(Agent::new_id))
        .collect();
    assert_eq!(ids.len(), 200);
}

#[test]
fn a_place_that_cannot_be_renewed_is_reported() {
    use crate::limiter::{Account, Cost, TokenBounds, reserve};
    let json =
        br#"{"tiers":{"one":{"requests_per_minute":60,"tokens_per_minute":60,"max_in_flight":1}}}"#;
    let policy = Policy::from_json(json).unwrap();
    let tier = policy.tier(&TierName::new("one").unwrap()).unwrap();
    let limits = tier.limits(&crate::limits::LimitOverrides::default());
    let account = Account::of(&KeyId::new("key_1").unwrap(), limits);
    let (mut agent, host) = (Agent::new(7), TestHost::default());
    let cost = Cost {
        requests: 1,
        tokens: TokenBounds::default(),
    };
    let reservation = reserve(&host, account, cost, 0).unwrap();
    agent.renewal.hold(1, reservation.slots());
    host.store.broken.set(true);
    agent.tick(&host, 0);
    assert_eq!(
        *host.warnings.borrow(),
        ["a place in flight could not be renewed"]
    );
    agent.release(1);
    agent.tick(&host, 60 * SECOND);
    assert_eq!(host.warnings.borrow().len(), 1);
}
