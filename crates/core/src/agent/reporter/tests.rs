use super::*;
use crate::config::Policy;
use crate::ident::TierName;
use crate::limiter::{Cost, Reservation, TokenBounds, reserve};
use crate::limits::LimitOverrides;
use crate::shared::memory::MemoryStore;
use crate::sync::levels::decode;
use crate::sync::{Frame, FrameKind, Watch};

struct Stand {
    store: MemoryStore,
    reporter: Reporter,
    policy: Policy,
    calls: u32,
}

impl Stand {
    /// A worker of a proxy that has a name.
    fn new() -> Self {
        let store = MemoryStore::default();
        proxy_name::parameter(&store, 7).unwrap();
        let json = br#"{"service":{"cluster":"auth","token":"t"}}"#;
        Self {
            store,
            reporter: Reporter::default(),
            policy: Policy::from_json(json).unwrap(),
            calls: 0,
        }
    }

    /// The service's answer says that these teams are watched.
    fn watch(&self, teams: &[&str], now: Nanos) {
        let state = crate::directory::state(&self.store).unwrap();
        let frame = Frame {
            kind: if state.is_complete() {
                FrameKind::Delta
            } else {
                FrameKind::Snapshot
            },
            more: false,
            epoch: 1,
            from: state.version,
            to: state.version + 1,
            keys: vec![],
            teams: vec![],
            tiers: vec![],
            watch: Watch {
                version: now,
                teams: teams.iter().map(|t| TeamId::new(t).unwrap()).collect(),
            },
        };
        assert!(crate::directory::apply(&self.store, &frame, now).unwrap());
    }

    fn account(&self, key: &str) -> Account {
        let tier = self.policy.tier(&TierName::new("free").unwrap()).unwrap();
        let key = KeyId::new(key).unwrap();
        Account::of(&key, tier.limits(&LimitOverrides::default()))
    }

    /// A request of a key, with 30,000 tokens reserved.
    fn charge(&mut self, team: &str, key: &str, now: Nanos) -> Reservation {
        let account = self.account(key);
        let cost = Cost {
            requests: 1,
            tokens: TokenBounds::exactly(30_000),
        };
        let reservation = reserve(&self.store, account.clone(), cost, now).unwrap();
        let (team, key) = (TeamId::new(team).unwrap(), KeyId::new(key).unwrap());
        self.reporter.note(&team, &key, &account);
        reservation
    }

    /// A request of a key that has used what it reserved.
    fn spend(&mut self, team: &str, key: &str) {
        let reservation = self.charge(team, key, T0);
        reservation.settle(&self.store, 30_000, T0).unwrap();
    }

    /// Ticks, sends what is due, and returns the keys in it, by name.
    fn tick(&mut self, now: Nanos) -> Option<Vec<KeyLevels>> {
        self.reporter.tick(&self.store, now);
        let service = self.policy.service().unwrap();
        let call = self.reporter.poll(1, service, &self.store, now)?;
        assert_eq!(call.path, "/sync/v1/levels?proxy=envoy-0000000000000007");
        self.calls += 1;
        self.reporter.sent(Some(self.calls));
        let mut keys = decode(&call.body.unwrap()).unwrap();
        keys.sort_by(|a, b| a.account.cmp(&b.account));
        Some(keys)
    }

    fn answer(&mut self) {
        assert!(self.reporter.answered(self.calls));
    }
}

const T0: Nanos = 100 * SECOND;

#[test]
fn nothing_is_kept_or_sent_while_nobody_watches() {
    let mut stand = Stand::new();
    assert_eq!(stand.tick(T0), None);
    stand.spend("acme", "key_1");
    assert!(stand.reporter.keys.is_empty());
    assert_eq!(stand.tick(T0 + SECOND), None);
}

#[test]
fn levels_of_watched_teams_are_reported_once_a_second_until_they_are_restored() {
    let mut stand = Stand::new();
    stand.watch(&["acme"], T0);
    assert_eq!(stand.tick(T0), None, "nothing has changed yet");
    let reservation = stand.charge("acme", "key_1", T0);
    stand.spend("other", "key_2");
    let told = stand.tick(T0).unwrap();
    assert_eq!(told.len(), 1, "the other team is not watched");
    let tokens = told[0].cells[1];
    assert_eq!(
        (tokens.limit, tokens.used, tokens.reserved, tokens.remaining),
        (40_000, 30_000, 30_000, 10_000)
    );
    assert_eq!(stand.tick(T0 + SECOND), None, "the report is not answered");
    stand.answer();
    assert_eq!(stand.tick(T0 + SECOND / 2), None, "at most once a second");

    reservation
        .settle(&stand.store, 20_000, T0 + SECOND)
        .unwrap();
    stand.watch(&["acme"], T0 + SECOND);
    let told = stand.tick(T0 + SECOND).unwrap();
    let tokens = told[0].cells[1];
    assert_eq!(tokens.reserved, 0);
    assert!((19_000..=20_000).contains(&tokens.used), "{tokens:?}");
    stand.answer();

    // In half a minute everything is restored: that is told, and then no more.
    for second in 2..=70 {
        let now = T0 + second * SECOND;
        stand.watch(&["acme"], now);
        match stand.tick(now) {
            Some(_) => stand.answer(),
            None => {
                assert!((25..35).contains(&second), "{second}");
                assert!(stand.reporter.keys.is_empty());
                return;
            }
        }
    }
    panic!("it is reported for ever");
}

#[test]
fn the_last_answer_of_the_service_expires() {
    let mut stand = Stand::new();
    stand.watch(&["acme"], T0);
    assert_eq!(stand.tick(T0), None);
    stand.spend("acme", "key_1");
    assert!(stand.tick(T0 + SECOND).is_some());
    stand.answer();
    assert_eq!(stand.tick(T0 + 7 * SECOND), None);
    assert!(stand.reporter.keys.is_empty());
}

#[test]
fn a_report_that_is_lost_or_not_sent_does_not_stop_the_next() {
    let mut stand = Stand::new();
    stand.watch(&["acme"], T0);
    assert_eq!(stand.tick(T0), None);
    stand.spend("acme", "key_1");
    assert!(stand.tick(T0).is_some());
    stand.watch(&["acme"], T0 + 3 * SECOND);
    assert!(
        stand.tick(T0 + 3 * SECOND).is_some(),
        "its answer is overdue"
    );
    stand.reporter.sent(None);
    assert!(stand.tick(T0 + 4 * SECOND).is_some());
    stand.reporter.retired(1);
    assert!(stand.tick(T0 + 5 * SECOND).is_some());
}
