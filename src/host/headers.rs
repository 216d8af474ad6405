//! Header maps, each read with one call, as bytes.

use gmtech_core::head::{Head, HeadEdits};

use super::{Status, abi};

/// A header map.
#[derive(Clone, Copy)]
pub(crate) enum Map {
    /// The request's headers.
    Request = 0,
    /// The response's headers.
    Response = 2,
    /// The headers of a callout's answer.
    CallResponse = 6,
}

/// A header map in the ABI's form.
pub(crate) struct Pairs(Vec<u8>);

/// Reads a whole map.
pub(crate) fn read(map: Map) -> Result<Pairs, Status> {
    abi::get_header_pairs(map as u32).map(Pairs)
}

impl Pairs {
    /// The header pairs. A malformed part ends the list.
    pub(crate) fn head(&self) -> Head<'_> {
        Head::new(parse(&self.0).unwrap_or_default())
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The ABI's form: a count, then the lengths of each name and value, all little-endian u32, then the
/// names and values themselves, each followed by a NUL.
fn parse(bytes: &[u8]) -> Option<Vec<Pair<'_>>> {
    let number = |at: usize| {
        let four = bytes.get(at..at.checked_add(4)?)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*four)).ok()
    };
    let count = number(0)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut text = |len: usize| {
        let slice = bytes.get(at..at.checked_add(len)?)?;
        at = at.checked_add(len)?.checked_add(1)?;
        Some(slice)
    };
    let mut pairs = Vec::with_capacity(count.min(bytes.len()));
    for i in 0..count {
        let lengths = i.checked_mul(8)?.checked_add(4)?;
        let (name_len, value_len) = (number(lengths)?, number(lengths.checked_add(4)?)?);
        pairs.push((text(name_len)?, text(value_len)?));
    }
    Some(pairs)
}

/// Makes the edits. It stops at the first call that fails.
pub(crate) fn apply(map: Map, edits: &HeadEdits) -> Result<(), Status> {
    for name in &edits.remove {
        abi::remove_header(map as u32, name)?;
    }
    for (name, value) in &edits.set {
        set(map, name, value)?;
    }
    Ok(())
}

/// Sets a header, and removes all others of its name.
pub(crate) fn set(map: Map, name: &str, value: &str) -> Result<(), Status> {
    abi::replace_header(map as u32, name.as_bytes(), value.as_bytes())
}

/// Writes a map in the ABI's form.
pub(super) fn serialise(pairs: &[(&str, String)]) -> Vec<u8> {
    let len = |text: &str| u32::try_from(text.len()).unwrap_or(0).to_le_bytes();
    let mut out = u32::try_from(pairs.len())
        .unwrap_or(0)
        .to_le_bytes()
        .to_vec();
    for (name, value) in pairs {
        out.extend(len(name));
        out.extend(len(value));
    }
    for (name, value) in pairs {
        for text in [name, value.as_str()] {
            out.extend(text.as_bytes());
            out.push(0);
        }
    }
    out
}
