//! The objects that this process knows, in the shared store.
//!
//! The store cannot delete, and anybody can ask about objects that do not exist: so there is a fixed number of
//! places, by the first bytes of the digest, and a later object takes the place of an earlier. What is forgotten
//! so is asked of the key service again, which also knows whether it was settled meanwhile. Without a key service
//! it is lost.

use super::{Object, ObjectId};
use crate::shared::{self, Change, CounterStore, Retry, StoreError, names};
use crate::time::Nanos;

/// The version of the places' form.
const VERSION: u8 = 1;

const UNKNOWN: u8 = 0;
const OWNED: u8 = 1;

/// What the registry says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Who made it, and more.
    Object(Box<Object>),
    /// The key service said that it does not know it.
    Unknown {
        /// When it said so, monotonic.
        asked_at: Nanos,
    },
}

/// Reads a place that holds this object.
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

/// What is known of an object here; `None` where nothing is.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn find(store: &impl CounterStore, id: &ObjectId) -> Result<Option<Found>, StoreError> {
    let found = store.get(&names::object(id.as_bytes()))?;
    Ok(found.and_then(|(bytes, _)| read(&bytes, id)))
}

/// Writes what `change` makes of what is known; whether it made something of it.
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

/// Notes an object, or what is newly known of it. It keeps its first maker, and stays settled: an id belongs to who
/// made it.
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

/// Notes at `now` that the key service does not know it. An object that is known here stays.
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

/// Marks an object as settled; whether this call did, so that of several workers one charges the difference.
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
