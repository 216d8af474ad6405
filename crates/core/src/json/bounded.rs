//! A short buffer of fixed size, for the few values that must be held whole.

/// Up to `N` bytes; what does not fit is dropped and remembered as missing.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<const N: usize> {
    bytes: [u8; N],
    len: usize,
    overflowed: bool,
}

impl<const N: usize> Bounded<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
            overflowed: false,
        }
    }

    /// Appends what fits and returns the rest.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = N.saturating_sub(self.len);
        let (fits, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        let end = self.len.saturating_add(fits.len());
        if let Some(free) = self.bytes.get_mut(self.len..end) {
            free.copy_from_slice(fits);
            self.len = end;
        }
        self.overflowed |= !rest.is_empty();
        rest
    }

    /// All bytes pushed since the last [`Self::clear`], or nothing where some were dropped.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        (!self.overflowed).then(|| self.held())
    }

    /// The bytes that fitted.
    pub(crate) fn held(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.overflowed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_returned_and_remembered() {
        let mut b = Bounded::<4>::new();
        assert_eq!(b.push(b"abc"), b"");
        assert_eq!(b.whole(), Some(&b"abc"[..]));
        assert_eq!(b.push(b"def"), b"ef");
        assert_eq!(b.push(b"g"), b"g");
        assert_eq!((b.whole(), b.held()), (None, &b"abcd"[..]));
        b.clear();
        assert_eq!(b.whole(), Some(&b""[..]));
    }
}
