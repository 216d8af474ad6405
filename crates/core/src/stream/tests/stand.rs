//! A host with one stream: it holds the body and carries out the stream's actions.

use super::super::*;
use crate::agent::Call;
use crate::agent::test_host::TestHost;
use crate::denial::Reply;
use crate::key::ApiKey;
use crate::time::SECOND;

pub(super) const NOW: Now = Now {
    monotonic: 1_000 * SECOND,
    wall_millis: 1_800_000_000_000,
};

impl Host for TestHost {
    type Error = &'static str;

    fn client_address(&self) -> Result<Option<IpAddr>, Self::Error> {
        self.address
            .expect("the address is asked for where a key is bound to addresses only")
    }

    fn protocol(&self) -> Option<Vec<u8>> {
        self.protocol.map(|name| name.as_bytes().to_vec())
    }
}

pub(super) fn key(n: u8) -> ApiKey {
    ApiKey::generate(&[n; 32])
}

/// Key 1; key 5, which may use one model; key 6, which is bound to addresses; and more members of the configuration.
pub(super) fn policy(more: &str) -> Arc<Policy> {
    let entry = |n: u8, fields: &str| {
        let digest = key(n).digest().to_hex();
        format!(r#""{digest}":{{"id":"key_{n}","team":"acme","tier":"free"{fields}}}"#)
    };
    let keys = [
        entry(1, ""),
        entry(5, r#","models":["gpt-4o-mini"]"#),
        entry(6, r#","addresses":["10.0.0.0/8"]"#),
    ];
    let json = format!(r#"{{"keys":{{{}}}{more}}}"#, keys.join(","));
    Arc::new(Policy::from_json(json.as_bytes()).unwrap())
}

pub(super) const SERVICE: &str = r#","service":{"cluster":"auth","token":"t"}"#;
pub(super) const CHAT: &str =
    r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// The state of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is held.
    Held,
    /// It was forwarded, with these headers set and this body.
    Forwarded(Vec<(&'static str, String)>, Vec<u8>),
    /// The gate has replied.
    Replied(Reply),
    /// The key service is asked.
    Asked(Call),
}

impl Outcome {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Replied(reply) => reply.status,
            other => panic!("{other:?}"),
        }
    }
}

/// A host with one stream.
pub(super) struct Stand {
    pub(super) agent: Agent,
    pub(super) host: TestHost,
    pub(super) stream: Stream,
    pub(super) reach: Reach,
    pub(super) head: Vec<(String, String)>,
    /// The held part of the body.
    pub(super) held: Vec<u8>,
    /// Whether the held part can be dropped.
    pub(super) drops: bool,
}

impl Stand {
    /// Sends the head `METHOD path` with key `n`, and without a body if `None`.
    pub(super) fn send(
        policy: &Arc<Policy>,
        n: u8,
        request: &str,
        body: Option<&str>,
    ) -> (Self, Outcome) {
        Self::send_to(TestHost::default(), Reach::Front, policy, n, request, body)
    }

    pub(super) fn send_to(
        host: TestHost,
        reach: Reach,
        policy: &Arc<Policy>,
        n: u8,
        request: &str,
        body: Option<&str>,
    ) -> (Self, Outcome) {
        let (method, path) = request.split_once(' ').unwrap();
        let mut head = vec![
            (":method".to_owned(), method.to_owned()),
            (":path".to_owned(), path.to_owned()),
            (
                "authorization".to_owned(),
                format!("Bearer {}", key(n).reveal()),
            ),
        ];
        head.extend(body.map(|body| ("content-length".to_owned(), body.len().to_string())));
        let mut agent = Agent::new(7);
        let (stream, action) = with(&head, |head| {
            let head = (head, body.is_none());
            Stream::start(3, head, policy, reach, &mut agent, &host, NOW)
        });
        let mut stand = Self {
            agent,
            host,
            stream,
            reach,
            head,
            held: Vec::new(),
            drops: true,
        };
        let outcome = stand.carry_out(action.unwrap());
        (stand, outcome)
    }

    /// More of the body arrives.
    pub(super) fn push(&mut self, piece: &[u8], ends: bool) -> Outcome {
        self.held.extend_from_slice(piece);
        let size = self.held.len();
        let Self {
            stream,
            agent,
            host,
            ..
        } = self;
        let action = stream.body_arrived(size, ends, agent, host, NOW);
        self.carry_out(action)
    }

    /// All of the body arrives, in pieces of `size` bytes.
    pub(super) fn push_all(&mut self, body: &str, size: usize) -> Outcome {
        let count = body.len().div_ceil(size);
        let mut outcome = Outcome::Held;
        for (n, piece) in body.as_bytes().chunks(size).enumerate() {
            assert!(matches!(outcome, Outcome::Held), "{outcome:?}");
            outcome = self.push(piece, n + 1 == count);
        }
        outcome
    }

    pub(super) fn answered(&mut self, answer: Option<&[u8]>) -> Outcome {
        let Self {
            stream,
            agent,
            host,
            ..
        } = self;
        let action = with(&self.head, |head| {
            stream.answered(answer, head, agent, host, NOW)
        });
        self.carry_out(action.unwrap())
    }

    pub(super) fn end(&mut self) {
        self.stream.end(&mut self.agent, &self.host, Some(NOW));
    }

    pub(super) fn make(&mut self, edits: &BodyEdits) {
        assert_eq!(
            edits.held,
            self.held.len(),
            "the host is told what it holds"
        );
        for splice in &edits.splices {
            if self.reach == Reach::Front {
                assert!(splice.at == 0 || self.held.len() <= REWRITE_MAX);
            }
            self.held = splice.apply(&self.held).unwrap();
        }
    }

    pub(super) fn carry_out(&mut self, mut action: RequestAction) -> Outcome {
        loop {
            let (stream, agent, host) = (&mut self.stream, &mut self.agent, &self.host);
            action = match action {
                RequestAction::Continue => {
                    return Outcome::Forwarded(vec![], std::mem::take(&mut self.held));
                }
                RequestAction::Hold => return Outcome::Held,
                RequestAction::Read { from, len } => {
                    let chunk = self.held.get(from..from + len).unwrap().to_vec();
                    stream.body_read(&chunk, agent, host, NOW)
                }
                RequestAction::Cut(edits) => {
                    self.make(&edits);
                    return Outcome::Held;
                }
                RequestAction::Ask(call) => {
                    stream.asked(host);
                    return Outcome::Asked(*call);
                }
                RequestAction::Forward(head, edits) => {
                    self.make(&edits);
                    return Outcome::Forwarded(head.set, std::mem::take(&mut self.held));
                }
                RequestAction::Drop(len) => {
                    assert_eq!(len, self.held.len());
                    if self.drops {
                        self.held.clear();
                    }
                    stream.dropped(len, self.drops)
                }
                RequestAction::Reply(reply) => return Outcome::Replied(reply),
            };
        }
    }
}

pub(super) fn with<T>(head: &[(String, String)], then: impl FnOnce(&Head<'_>) -> T) -> T {
    let pairs = head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    then(&Head::new(pairs.collect()))
}
