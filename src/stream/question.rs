//! What a stream asks the key service, while its request waits: whose a key is, and whose objects are.

use std::time::Duration;

use gmtech_core::directory;
use gmtech_core::exchange::Step;
use gmtech_core::key::KeyDigest;
use gmtech_core::objects::{ObjectId, registry};
use gmtech_core::sync::{Frame, objects};
use gmtech_core::time::Nanos;
use proxy_wasm::types::Action;

use super::Stream;
use crate::host::callout::{self, Call};
use crate::host::headers::{self, Map};
use crate::host::shared_data::SharedCounters;
use crate::host::{Status, metrics, system};

/// How long a request waits for the key service to know its key.
const RESOLVE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// How long the key service waits for an object that it does not know yet: its maker's proxy may be about to tell.
const OBJECTS_WAIT: Duration = Duration::from_millis(1_500);

/// How long a request waits for the key service to say whose its objects are.
const OBJECTS_TIMEOUT: Duration = Duration::from_millis(2_500);

/// What the key service is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Key,
    Objects,
}

impl Stream {
    /// Asks the key service about a key that the directory does not know.
    pub(super) fn ask_key(&mut self, digest: &KeyDigest) -> Result<Action, Status> {
        let path = format!("/sync/v1/resolve/{}", digest.to_hex());
        self.ask(Question::Key, &path, RESOLVE_TIMEOUT)
    }

    /// Asks the key service who made objects that the registry does not know.
    pub(super) fn ask_objects(&mut self, ids: &[ObjectId]) -> Result<Action, Status> {
        let ids: Vec<String> = ids.iter().map(ObjectId::to_hex).collect();
        let wait = OBJECTS_WAIT.as_millis();
        let path = format!("/sync/v1/objects/{}?wait={wait}", ids.join(","));
        self.ask(Question::Objects, &path, OBJECTS_TIMEOUT)
    }

    /// Asks the key service, and holds the request meanwhile.
    fn ask(&mut self, question: Question, path: &str, timeout: Duration) -> Result<Action, Status> {
        let Some(policy) = self.policy.clone() else {
            return Ok(self.refuse());
        };
        self.asked = Some(question);
        let call = Call {
            method: "GET",
            path,
            body: None,
            timeout,
        };
        let sent = policy
            .service()
            .and_then(|service| callout::send(self, service, &call));
        if sent.is_some() {
            metrics::count(
                match question {
                    Question::Key => "gmtech_resolves",
                    Question::Objects => "gmtech_object_resolves",
                },
                1,
            );
            return Ok(Action::Pause);
        }
        self.resolved(None)
    }

    /// The key service has answered, or failed to: the request is judged again from its head.
    pub(super) fn resolved(&mut self, answer: Option<Vec<u8>>) -> Result<Action, Status> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(self.refuse());
        };
        let question = self.asked.take();
        let now = system::now()?;
        if let Some((bytes, question)) = answer.zip(question) {
            learn(question, &bytes, now.monotonic);
        }
        let pairs = headers::read(Map::Request)?;
        let head = pairs.head();
        let step = exchange.resume(&head, self.ends, &SharedCounters, now);
        let step = self.located(step, &head)?;
        let step = self.within_bounds(step)?;
        let reads = matches!(step, Step::ReadBody);
        let action = self.carry_out(step)?;
        let (size, ended) = self.request.state();
        if reads && (size > 0 || ended) {
            self.request_body(size, ended)
        } else {
            Ok(action)
        }
    }
}

/// Notes what the key service has answered.
fn learn(question: Question, answer: &[u8], now: Nanos) {
    let read = match question {
        Question::Key => Frame::decode(answer).map(|frame| {
            let _ = directory::apply(&SharedCounters, &frame, now);
        }),
        Question::Objects => objects::decode(answer).map(|answers| {
            for (id, object) in answers {
                let _ = match object {
                    Some(object) => registry::note(&SharedCounters, &id, &object),
                    None => registry::note_unknown(&SharedCounters, &id, now),
                };
            }
        }),
    };
    if let Err(error) = read {
        log::warn!("gmtech: the key service's answer cannot be read: {error}");
    }
}
