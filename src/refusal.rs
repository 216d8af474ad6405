//! A reply on its way to a client that may still be sending: at once, or when the rest of the request has arrived.

use gmtech_core::denial::Reply;
use gmtech_core::drain::Drain;

use crate::host::body::{self, Buffer};
use crate::host::{Status, reply, stream};

/// A reply that waits while the rest of its request is dropped.
pub(crate) struct Refusal {
    reply: Reply,
    drain: Drain,
}

impl Refusal {
    /// Answers the request. `ended` says whether all of it is here; `held` bytes of its body are held, and dropped where the
    /// reply has to wait.
    pub(crate) fn begin(reply: Reply, ended: bool, held: usize) -> Result<Option<Self>, Status> {
        let drain = || Drain::new(&stream::protocol().ok()?);
        match (!ended).then(drain).flatten() {
            None => reply::send(&reply).map(|()| None),
            Some(drain) => {
                let mut refusal = Some(Self { reply, drain });
                Self::drop_body(&mut refusal, held, false)?;
                Ok(refusal)
            }
        }
    }

    /// Drops `size` bytes that are here, and answers where they were the last or too many.
    pub(crate) fn drop_body(
        waiting: &mut Option<Self>,
        size: usize,
        ends: bool,
    ) -> Result<(), Status> {
        let Some(mut refusal) = waiting.take() else {
            return Ok(());
        };
        // What cannot be dropped must not pile up.
        let dropped = size == 0 || body::replace(Buffer::Request, size, &[]).is_ok();
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        if refusal.drain.dropped(bytes, ends) || !dropped {
            return reply::send(&refusal.reply);
        }
        *waiting = Some(refusal);
        Ok(())
    }
}
