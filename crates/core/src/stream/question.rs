//! What a stream asks the key service while its request waits: whose a key is, and whose objects are.

use crate::agent::Call;
use crate::config::ServicePolicy;
use crate::directory;
use crate::key::KeyDigest;
use crate::objects::{ObjectId, registry};
use crate::shared::CounterStore;
use crate::sync::versions::KEYS;
use crate::sync::{Frame, SyncError, objects};
use crate::telemetry::Metric;
use crate::time::{Nanos, SECOND};

/// How long a request waits for the key service to know its key.
const RESOLVE_TIMEOUT: Nanos = SECOND;

/// How long the key service waits for an object that it does not know yet: its maker's proxy may be about to tell.
const OBJECTS_WAIT_MILLIS: u64 = 1_500;

/// How long a request waits for the key service to say whose its objects are.
const OBJECTS_TIMEOUT: Nanos = 5 * SECOND / 2;

/// What the key service is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whose a key is that the directory does not know.
    Key,
    /// Who made objects that the registry does not know.
    Objects,
}

/// Asks about a key.
pub(super) fn about_key(service: &ServicePolicy, digest: &KeyDigest) -> Call {
    let path = format!("/sync/v1/resolve/{}?{}", digest.to_hex(), KEYS.parameter());
    Call::get(service, path, RESOLVE_TIMEOUT)
}

/// Asks about objects.
pub(super) fn about_objects(service: &ServicePolicy, ids: &[ObjectId]) -> Call {
    let ids: Vec<String> = ids.iter().map(ObjectId::to_hex).collect();
    let path = format!(
        "/sync/v1/objects/{}?wait={OBJECTS_WAIT_MILLIS}",
        ids.join(",")
    );
    Call::get(service, path, OBJECTS_TIMEOUT)
}

impl Question {
    /// The metric that counts it.
    pub(super) const fn metric(self) -> Metric {
        match self {
            Self::Key => Metric::Resolves,
            Self::Objects => Metric::ObjectResolves,
        }
    }

    /// Keeps what the key service has answered. A store that fails learns nothing: the request is then judged as if there
    /// had been no answer.
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
