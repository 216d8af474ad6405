//! The questions of a stream to the key service while its request waits: the record of a key, and the makers of
//! objects.

use crate::agent::Call;
use crate::config::ServicePolicy;
use crate::directory;
use crate::exchange::OwnQuestion;
use crate::key::KeyDigest;
use crate::objects::{ObjectId, registry};
use crate::shared::CounterStore;
use crate::sync::versions::KEYS;
use crate::sync::{Frame, SyncError, objects};
use crate::telemetry::Metric;
use crate::time::{Nanos, SECOND};

/// How long a request waits for the answer about its key.
const RESOLVE_TIMEOUT: Nanos = SECOND;

/// How long the key service waits for an object that it does not know yet, since the maker's proxy may report it soon.
const OBJECTS_WAIT_MILLIS: u64 = 1_500;

/// How long a request waits for the answer about its objects.
const OBJECTS_TIMEOUT: Nanos = 5 * SECOND / 2;

/// How long a request waits for what the service knows of its key.
const OWN_TIMEOUT: Nanos = 5 * SECOND;

/// The subject of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The record of a key that the directory does not contain.
    Key,
    /// The makers of objects that the registry does not contain.
    Objects,
    /// What the service knows of the caller's own key.
    Own,
}

/// Makes the call that asks about a key.
pub(super) fn about_key(service: &ServicePolicy, digest: &KeyDigest) -> Call {
    let path = format!("/sync/v1/resolve/{}?{}", digest.to_hex(), KEYS.parameter());
    Call::get(service, path, RESOLVE_TIMEOUT)
}

/// Makes the call that asks about objects.
pub(super) fn about_objects(service: &ServicePolicy, ids: &[ObjectId]) -> Call {
    let ids: Vec<String> = ids.iter().map(ObjectId::to_hex).collect();
    let path = format!(
        "/sync/v1/objects/{}?wait={OBJECTS_WAIT_MILLIS}",
        ids.join(",")
    );
    Call::get(service, path, OBJECTS_TIMEOUT)
}

/// Makes the call that asks about the caller's own key.
pub(super) fn about_own(service: &ServicePolicy, asked: &OwnQuestion) -> Call {
    let mut path = format!("/sync/v1/own/{}/{}", asked.key, asked.about.name());
    if !asked.query.is_empty() {
        path = format!("{path}?{}", asked.query);
    }
    Call::get(service, path, OWN_TIMEOUT)
}

impl Question {
    /// The metric that counts such questions.
    pub(super) const fn metric(self) -> Metric {
        match self {
            Self::Key => Metric::Resolves,
            Self::Objects => Metric::ObjectResolves,
            Self::Own => Metric::OwnQuestions,
        }
    }

    /// Stores the key service's answer. If the store fails, the request is judged as if there were no answer.
    ///
    /// # Errors
    /// [`SyncError`]: the answer cannot be read.
    pub(super) fn learn(
        self,
        answer: &[u8],
        store: &impl CounterStore,
        now: Nanos,
    ) -> Result<(), SyncError> {
        match self {
            // It is passed on, and changes nothing here.
            Self::Own => {}
            Self::Key => {
                let _ = directory::apply(store, &Frame::decode(answer)?, now);
            }
            Self::Objects => {
                for (id, object) in objects::decode(answer)? {
                    let _ = match object {
                        Some(object) => registry::note(store, &id, &object),
                        None => registry::note_unknown(store, &id, now),
                    };
                }
            }
        }
        Ok(())
    }
}
