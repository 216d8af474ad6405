//! The form of most values: a version byte, little-endian u64s, then further bytes.
//!
//! Bytes of another version count as absent.

/// Reads values that [`words`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins to read; `None` for bytes of another version.
    pub(crate) fn new(version: u8, bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[version]).map(Self)
    }

    /// The next word; `None` at the end.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// The bytes that were not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Writes a version byte and `numbers`, little-endian.
pub(crate) fn words(version: u8, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let numbers = numbers.into_iter();
    let bytes = numbers.size_hint().0.saturating_mul(8).saturating_add(1);
    let mut out = Vec::with_capacity(bytes);
    out.push(version);
    out.extend(numbers.flat_map(u64::to_le_bytes));
    out
}
