//! The boundary between a form's parts.

use super::fault::MultipartFault;

/// `--` and the boundary: 1 to 70 characters of RFC 2046 §5.1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boundary(Box<[u8]>);

impl Boundary {
    pub(super) fn new(text: &[u8]) -> Result<Self, MultipartFault> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
        let fits = (1..=70).contains(&text.len()) && !text.ends_with(b" ");
        if !fits || !text.iter().all(allowed) {
            return Err(MultipartFault::Boundary);
        }
        Ok(Self([b"--", text].concat().into()))
    }

    /// `--` and the boundary, as they stand before each part.
    pub(super) fn delimiter(&self) -> &[u8] {
        &self.0
    }
}
