//! The registry: the objects that this process knows, in the shared store.
//!
//! The store cannot delete, and clients can name any number of objects that do not exist. So there is a fixed number of
//! places, chosen by the first bytes of the digest, and a later object replaces an earlier one. The key service is
//! asked again about an object that was replaced; it also knows whether the object was settled meanwhile. Without a key
//! service the record is lost.

use super::{Object, ObjectId};
use crate::shared::{self, Change, CounterStore, Retry, StoreError, names};
use crate::time::Nanos;

/// The version of the stored form.
const VERSION: u8 = 1;

const UNKNOWN: u8 = 0;
const OWNED: u8 = 1;

/// The registry's entry for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its record.
    Object(Box<Object>),
    /// The key service does not know it.
    Unknown {
        /// When it said so, on the monotonic clock.
        asked_at: Nanos,
    },
}

/// Reads a place; `None` if it holds another object.
fn read(bytes: &[u8], id: &ObjectId) -> Option<Found> {
    let body = bytes.strip_prefix(&[VERSION])?;
    let (digest, body) = body.split_first_chunk::<16>()?;
    if digest != id.as_bytes() {
        return None;
    }
    match body.split_first()? {
        (&OWNED, object) => Object::from_wire(object)
            .ok()
            .map(|o| Found::Object(Box::new(o))),
        (&UNKNOWN, at) => Some(Found::Unknown {
            asked_at: u64::from_le_bytes(at.try_into().ok()?),
        }),
        _ => None,
    }
}

fn written(id: &ObjectId, what: u8, body: &[u8]) -> Vec<u8> {
    [&[VERSION], id.as_bytes().as_slice(), &[what], body].concat()
}

/// Looks up an object; `None` if nothing is known about it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn find(store: &impl CounterStore, id: &ObjectId) -> Result<Option<Found>, StoreError> {
    let found = store.get(&names::object(id.as_bytes()))?;
    Ok(found.and_then(|(bytes, _)| read(&bytes, id)))
}

/// Changes an entry. `change` gets the stored entry and returns the new one, or `None` to keep it. Returns whether it
/// was changed.
fn update(
    store: &impl CounterStore,
    id: &ObjectId,
    mut change: impl FnMut(Option<Found>) -> Option<Vec<u8>>,
) -> Result<bool, StoreError> {
    let place = names::object(id.as_bytes());
    let changed = shared::update(store, &place, Retry::UntilWritten, |bytes| {
        match change(bytes.and_then(|bytes| read(bytes, id))) {
            Some(next) => Change::Write(next, true),
            None => Change::Keep(false),
        }
    });
    Ok(changed?)
}

/// Stores an object, or what is newly known about it. Its first maker stays, and a settled object stays settled.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn note(store: &impl CounterStore, id: &ObjectId, object: &Object) -> Result<(), StoreError> {
    update(store, id, |known| {
        let known = match known {
            Some(Found::Object(known)) => Some(known),
            _ => None,
        };
        let next = match known {
            Some(known) if known.key != object.key => *known,
            Some(known) => Object {
                settled: known.settled || object.settled,
                ..object.clone()
            },
            None => object.clone(),
        };
        Some(written(id, OWNED, &next.to_wire().ok()?))
    })
    .map(|_| ())
}

/// Stores that the key service answered at `now` that it does not know the object. An object that is known here stays.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn note_unknown(
    store: &impl CounterStore,
    id: &ObjectId,
    now: Nanos,
) -> Result<(), StoreError> {
    update(store, id, |known| match known {
        Some(Found::Object(_)) => None,
        _ => Some(written(id, UNKNOWN, &now.to_le_bytes())),
    })
    .map(|_| ())
}

/// Marks an object as settled. Returns whether this call did, so that only one worker charges the difference.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn settle(store: &impl CounterStore, id: &ObjectId) -> Result<bool, StoreError> {
    update(store, id, |known| match known {
        Some(Found::Object(object)) if !object.settled => {
            let settled = Object {
                settled: true,
                ..*object
            };
            Some(written(id, OWNED, &settled.to_wire().ok()?))
        }
        _ => None,
    })
}
