//! Delays a reply while its request is still arriving.
//!
//! Over HTTP/2 Envoy resets a stream that it answers before the request has ended. A client that handles the reset
//! first loses the answer: curl 7.88 loses most refusals, and httpx waits until it times out. So such a reply waits for
//! the rest of the request, which is dropped. Over HTTP/1 Envoy stops reading and leaves the connection open for a
//! moment, in which all tested clients read the answer. There the reply is sent at once, which also saves the upload.

/// The most bytes of a request to wait for: twice the largest body. After that the reply is sent anyway.
pub(super) const MAX_DRAINED: u64 = 64 << 20;

/// A reply that waits while the request is dropped.
#[derive(Debug)]
pub(super) struct Drain {
    left: u64,
}

impl Drain {
    /// Begins to wait for the rest of a request over `protocol`, by Envoy's name for it. `None` if the reply should be
    /// sent at once.
    #[must_use]
    pub(super) fn new(protocol: &[u8]) -> Option<Self> {
        (!protocol.starts_with(b"HTTP/1")).then_some(Self { left: MAX_DRAINED })
    }

    /// Counts dropped bytes; `ends` if they include the last. Returns whether the reply is due.
    pub(super) fn dropped(&mut self, bytes: u64, ends: bool) -> bool {
        let over = bytes > self.left;
        self.left = self.left.saturating_sub(bytes);
        ends || over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_streams_that_would_be_reset_wait() {
        for (protocol, waits) in [
            ("HTTP/1.0", false),
            ("HTTP/1.1", false),
            ("HTTP/2", true),
            ("HTTP/3", true),
        ] {
            assert_eq!(
                Drain::new(protocol.as_bytes()).is_some(),
                waits,
                "{protocol}"
            );
        }
    }

    #[test]
    fn the_reply_is_due_at_the_end_or_beyond_the_bound() {
        let mut drain = Drain::new(b"HTTP/2").unwrap();
        assert!(!drain.dropped(0, false));
        assert!(!drain.dropped(MAX_DRAINED - 1, false));
        assert!(!drain.dropped(1, false));
        assert!(drain.dropped(1, false));
        assert!(Drain::new(b"HTTP/2").unwrap().dropped(0, true));
        assert!(Drain::new(b"HTTP/2").unwrap().dropped(u64::MAX, false));
    }
}
