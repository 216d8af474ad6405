//! A request's body while Envoy holds it: each range is read once, and the front stays within reach.
//!
//! The host can replace a whole buffer or add in front of it, nothing else, and a body can be far larger than
//! what a filter may hold. So the first bytes of a body that comes in several pieces, up to its opening brace,
//! are taken off and put back at the end, with the option for the usage behind them where it is wanted.

use gmtech_core::request::{UsageEdit, apply};

use crate::host::Status;
use crate::host::body::{self, Buffer};
use crate::host::headers::{self, Map};

/// The longest body of several pieces that is edited elsewhere than at its front, in bytes.
const REWRITE_MAX: usize = 512 << 10;

/// The longest beginning of a body whose front is taken off, in bytes. Envoy hands over what its connection's buffer
/// holds, 1 MiB by default, so that the opening brace has come by then.
const BEGINNING_MAX: usize = 2 << 20;

/// A body held by the host.
#[derive(Default)]
pub(crate) struct HeldBody {
    has_length: bool,
    /// Bytes read so far, of the original body.
    seen: usize,
    /// The front that was taken off.
    front: Vec<u8>,
    front_settled: bool,
    done: bool,
    /// What has arrived while nobody could read it, and whether that was all.
    waiting: usize,
    ended: bool,
}

impl HeldBody {
    /// For a request that has, or has not, a `content-length`.
    pub(crate) fn new(has_length: bool) -> Self {
        Self {
            has_length,
            ..Self::default()
        }
    }

    /// Whether it has gone on or been given up.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Notes what arrives before it may be read.
    pub(crate) fn wait(&mut self, size: usize, ends: bool) {
        self.waiting = self.waiting.max(size);
        self.ended |= ends;
    }

    /// What had arrived, and whether that was all.
    pub(crate) fn waited(&self) -> (usize, bool) {
        (self.waiting, self.ended)
    }

    /// The size that a callback would give now.
    pub(crate) fn size(&self) -> usize {
        self.seen.saturating_sub(self.front.len())
    }

    /// What has come since the last call; `size` is that of the buffer.
    pub(crate) fn read_new(&mut self, size: usize) -> Result<Vec<u8>, Status> {
        let start = self.size();
        let chunk = body::read(Buffer::Request, start, size.saturating_sub(start))?;
        self.seen = self.seen.saturating_add(chunk.len());
        Ok(chunk)
    }

    /// Takes the front off, once it is known where it ends and while little has come; `chunk` is what has just
    /// been read.
    pub(crate) fn keep_front_reachable(
        &mut self,
        size: usize,
        chunk: Vec<u8>,
        end: Option<usize>,
    ) -> Result<(), Status> {
        let Some(end) = end else {
            return Ok(());
        };
        if std::mem::replace(&mut self.front_settled, true) || size > BEGINNING_MAX {
            return Ok(());
        }
        // A body can be as large as its beginning: it is not read into memory twice.
        let whole = if chunk.len() == size {
            chunk
        } else {
            drop(chunk);
            body::read(Buffer::Request, 0, size)?
        };
        if let Some((front, rest)) = whole.split_at_checked(end) {
            body::replace(Buffer::Request, size, rest)?;
            self.front = front.to_vec();
        }
        Ok(())
    }

    /// Makes the edit and puts the front back; the length follows.
    pub(crate) fn release(&mut self, edit: UsageEdit) -> Result<(), Status> {
        self.done = true;
        let held = self.size();
        let front = std::mem::take(&mut self.front);
        let put_back = |front: &[u8]| {
            if !front.is_empty() {
                body::prepend(Buffer::Request, front)?;
            }
            Ok(held.saturating_add(front.len()))
        };
        let at_front = matches!(edit, UsageEdit::InsertAtOpen { at } if usize::try_from(at) == Ok(front.len()));
        let length = if edit == UsageEdit::None || (front.is_empty() && self.seen > REWRITE_MAX) {
            put_back(&front)?
        } else if at_front {
            put_back(&apply(&front, edit))?
        } else if self.seen <= REWRITE_MAX {
            let original = [front, body::read(Buffer::Request, 0, held)?].concat();
            let edited = apply(&original, edit);
            body::replace(Buffer::Request, held, &edited)?;
            edited.len()
        } else {
            // An option in the middle of a body too large to rewrite: the stream is settled by what it streams.
            log::debug!(
                "gmtech: a body of {} bytes is too large to ask for its usage",
                self.seen
            );
            put_back(&front)?
        };
        if self.has_length && length != self.seen {
            headers::set(Map::Request, "content-length", &length.to_string())?;
        }
        Ok(())
    }

    /// Nothing goes on.
    pub(crate) fn give_up(&mut self) {
        self.done = true;
    }
}
