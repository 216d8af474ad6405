//! Reads and writes the parts of the wire forms: big-endian integers and blocks with a length.

use super::SyncError;

/// A cursor over received bytes. Every read is checked, and nothing is copied.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], SyncError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(SyncError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], SyncError> {
        self.take(N)?.try_into().map_err(|_| SyncError::Malformed)
    }

    pub(super) fn u8(&mut self) -> Result<u8, SyncError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, SyncError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, SyncError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, SyncError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a block with its length before it.
    pub(super) fn block(&mut self) -> Result<&'a [u8], SyncError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, SyncError> {
        std::str::from_utf8(self.block()?).map_err(|_| SyncError::Malformed)
    }

    /// Reads a field that older writers do not send; `None` if the bytes end before it.
    pub(super) fn appended<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyncError>,
    ) -> Result<Option<T>, SyncError> {
        if self.0.is_empty() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    /// Refuses trailing bytes, so that each message has one form.
    pub(super) fn end(self) -> Result<(), SyncError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SyncError::Malformed)
        }
    }
}

/// Appends a block with its length.
pub(super) fn put_block(out: &mut Vec<u8>, block: &[u8]) -> Result<(), SyncError> {
    let len = u16::try_from(block.len()).map_err(|_| SyncError::TooLarge)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(block);
    Ok(())
}

/// Appends a count of entries, which must not exceed `max`.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize, max: usize) -> Result<(), SyncError> {
    if count > max {
        return Err(SyncError::TooLarge);
    }
    let count = u16::try_from(count).map_err(|_| SyncError::TooLarge)?;
    out.extend_from_slice(&count.to_be_bytes());
    Ok(())
}
