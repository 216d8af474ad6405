//! A request's body while Envoy holds it: each range is read once, and the front stays within reach.
//!
//! The host can replace a whole buffer or add in front of it, nothing else, and a body can be far larger than
//! what a filter may hold. So the first bytes of a body that comes in several pieces, up to its opening brace,
//! are taken off and put back at the end, with the option for the usage behind them where it is wanted.

use gmtech_core::holding::Body;
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
    announced: Option<u64>,
    /// Bytes read so far, of the original body.
    seen: usize,
    /// The front that was taken off.
    front: Vec<u8>,
    front_settled: bool,
    done: bool,
    /// What Envoy holds, as its last callback said.
    held: usize,
    /// The last byte has arrived.
    ended: bool,
}

impl HeldBody {
    /// For a request of that `content-length`, if it has one.
    pub(crate) fn new(length: Option<&[u8]>) -> Self {
        let digits = length.and_then(|l| std::str::from_utf8(l).ok());
        Self {
            has_length: length.is_some(),
            announced: digits.and_then(|l| l.parse().ok()),
            ..Self::default()
        }
    }

    /// Whether it has gone on or been given up.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Notes what a callback says: `size` bytes are held, `ends` with the last of them.
    pub(crate) fn arrived(&mut self, size: usize, ends: bool) {
        self.held = size;
        self.ended |= ends;
    }

    /// How many bytes are held, and whether they are the last.
    pub(crate) fn state(&self) -> (usize, bool) {
        (self.held, self.ended)
    }

    /// What counts as held.
    pub(crate) fn body(&self) -> Body {
        let arrived = self.held.saturating_add(self.front.len());
        Body {
            arrived: u64::try_from(arrived).unwrap_or(u64::MAX),
            announced: self.announced,
        }
    }

    /// The size of what was read and is held.
    fn size(&self) -> usize {
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
            self.held = rest.len();
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
