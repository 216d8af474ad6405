//! Bounds the bytes of request bodies that Envoy holds while they are read: of one body, of one key, of keys that are
//! being resolved, and of all together.
//!
//! What it is: a count in each worker. It ends with the worker, like the streams that it counts, and so cannot leak.
//! What it is not: a limit on requests ([`crate::limiter`]), or on what Envoy buffers after a request was forwarded.
//!
//! For a key, a body counts with its announced length, so that a body that will not fit is refused before it is sent.
//! For all keys together, only bytes that have arrived count, since an announcement costs a client nothing.

use std::collections::HashMap;

use crate::ident::KeyId;

/// The bounds of one worker, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For one body. At most [`Self::per_key`].
    pub per_body: u64,
    /// For all bodies of one key. At most [`Self::all`].
    pub per_key: u64,
    /// For all requests whose keys are being resolved.
    pub unresolved: u64,
    /// For all requests.
    pub all: u64,
}

/// The size of a body that is arriving, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bytes that have arrived and are held.
    pub arrived: u64,
    /// The `content-length`, if there is one.
    pub announced: Option<u64>,
}

/// The bound that a body exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The bound for one body. The body never fits.
    Body,
    /// The bound for one key.
    Key {
        /// Bytes that count for the key's other bodies.
        used: u64,
    },
    /// The bound for requests whose keys are being resolved.
    Unresolved,
    /// The bound for all requests.
    All,
}

/// The counted bytes of one stream.
#[derive(Debug)]
struct Held {
    owner: Option<KeyId>,
    arrived: u64,
    claimed: u64,
}

/// The count of held bodies in one worker.
#[derive(Debug, Default)]
pub struct Holding {
    streams: HashMap<u32, Held>,
    keys: HashMap<KeyId, u64>,
    unresolved: u64,
    all: u64,
}

impl Holding {
    /// Sets the count for the body of `stream`. `owner` is the account of its key; `None` while the key is being
    /// resolved.
    ///
    /// # Errors
    /// [`Full`]: the body does not fit. The stream is no longer counted, and the caller must drop its body.
    pub fn hold(
        &mut self,
        stream: u32,
        owner: Option<&KeyId>,
        body: Body,
        bounds: &Bounds,
    ) -> Result<(), Full> {
        self.release(stream);
        let Body { arrived, announced } = body;
        let claimed = arrived.max(announced.unwrap_or(0));
        if claimed > bounds.per_body {
            return Err(Full::Body);
        }
        let unresolved = self.unresolved.saturating_add(arrived);
        let used = owner.and_then(|key| self.keys.get(key)).copied();
        let used = used.unwrap_or(0);
        let of_key = used.saturating_add(claimed);
        let all = self.all.saturating_add(arrived);
        match owner {
            Some(_) if of_key > bounds.per_key => return Err(Full::Key { used }),
            None if unresolved > bounds.unresolved => return Err(Full::Unresolved),
            _ if all > bounds.all => return Err(Full::All),
            Some(key) => {
                self.keys.insert(key.clone(), of_key);
            }
            None => self.unresolved = unresolved,
        }
        self.all = all;
        let owner = owner.cloned();
        let held = Held {
            owner,
            arrived,
            claimed,
        };
        self.streams.insert(stream, held);
        Ok(())
    }

    /// Removes the count of a stream.
    pub fn release(&mut self, stream: u32) {
        let Some(held) = self.streams.remove(&stream) else {
            return;
        };
        self.all = self.all.saturating_sub(held.arrived);
        let Some(owner) = held.owner else {
            self.unresolved = self.unresolved.saturating_sub(held.arrived);
            return;
        };
        let left = self.keys.get(&owner).copied().unwrap_or(0);
        match left.saturating_sub(held.claimed) {
            // Keys without held bodies are removed, so that the table does not grow with the number of keys.
            0 => {
                self.keys.remove(&owner);
            }
            left => {
                self.keys.insert(owner, left);
            }
        }
    }
}

#[cfg(test)]
mod tests;
