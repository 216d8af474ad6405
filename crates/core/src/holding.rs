//! How much of requests' bodies Envoy holds while they are read: what one key, what keys that nobody knows yet, and what all
//! together may make it hold.
//!
//! What it is: a count for each worker. It dies with the worker, as the streams that it counts do, and so cannot leak.
//! What it is not: a limit of requests ([`crate::limiter`]), nor of what Envoy holds once a request has gone on.
//!
//! A key's bodies count at the length that they announce, so that those that will not fit are refused before they are
//! sent; for all together only what has arrived counts, since an announcement costs a client nothing.

use std::collections::HashMap;

use crate::ident::KeyId;

/// The most bytes of bodies that one worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of one body. At most [`Self::per_key`].
    pub per_body: u64,
    /// Of one key's bodies. At most [`Self::all`].
    pub per_key: u64,
    /// Of all requests together whose key is being asked about.
    pub unresolved: u64,
    /// Of all requests together.
    pub all: u64,
}

/// A body on its way, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// What has arrived and is held.
    pub arrived: u64,
    /// What its head announced.
    pub announced: Option<u64>,
}

/// The bound that a body would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That of one body: it never fits.
    Body,
    /// That of its key, of whose other bodies so much is held already.
    Key {
        /// Bytes.
        used: u64,
    },
    /// That of requests whose key is being asked about.
    Unresolved,
    /// That of all.
    All,
}

/// What one stream has a part in.
#[derive(Debug)]
struct Held {
    owner: Option<KeyId>,
    arrived: u64,
    claimed: u64,
}

/// The bodies that are held.
#[derive(Debug, Default)]
pub struct Holding {
    streams: HashMap<u32, Held>,
    keys: HashMap<KeyId, u64>,
    unresolved: u64,
    all: u64,
}

impl Holding {
    /// Counts what is held of `stream`'s body now, in place of what was. `owner` is its key's account, once that is known.
    ///
    /// # Errors
    /// [`Full`]: it does not fit. Nothing is counted for the stream any more, so the caller has to drop its body.
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

    /// Nothing of the stream's body is held any more.
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
            // Nothing is remembered of a key that nothing is held of: the table does not grow with the keys.
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
