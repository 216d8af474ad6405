//! Fixed words of the store's values: a version byte, then little-endian u64s.

const VERSION: u8 = 1;

/// Reads what [`words`] wrote.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// `None` for bytes of another version.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[VERSION]).map(Self)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

pub(super) fn words<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
    out
}
