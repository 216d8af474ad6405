//! Levels of limits, which proxies report to the key service while somebody watches them.
//!
//! ```text
//! report = version:1 count:2 (length:2 key)*
//! key    = length:2 account length:2 team cells:1 cell*
//! cell   = scope:1 dimension:1 limit:4 used:8 reserved:8 remaining:4 reset_ms:8
//! ```
//!
//! `reset_ms` is [`u64::MAX`] where time alone does not restore a limit. A report is a picture of one moment on the proxy's own
//! clock, so it holds no instants. A lost report is not repeated: the next one has newer levels.

use super::SyncError;
use super::bytes::{Reader, put_block, put_count};
use super::versions::LEVELS;
use crate::ident::{KeyId, TeamId};
use crate::limiter::{Dimension, Level, Scope};

/// The most keys in one report.
pub const MAX_KEYS: usize = 500;

/// The levels of a key's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLevels {
    /// The first key of the rotation chain.
    pub account: KeyId,
    /// Its team.
    pub team: TeamId,
    /// The levels.
    pub cells: Vec<Level>,
}

/// Writes a report.
///
/// # Errors
/// [`SyncError::TooLarge`] with more than [`MAX_KEYS`] keys, or 255 cells of one.
pub fn encode(keys: &[KeyLevels]) -> Result<Vec<u8>, SyncError> {
    let mut out = vec![LEVELS.newest];
    put_count(&mut out, keys.len(), MAX_KEYS)?;
    for key in keys {
        let mut entry = Vec::new();
        put_block(&mut entry, key.account.as_str().as_bytes())?;
        put_block(&mut entry, key.team.as_str().as_bytes())?;
        entry.push(u8::try_from(key.cells.len()).map_err(|_| SyncError::TooLarge)?);
        for cell in &key.cells {
            entry.push(scope_byte(cell.scope));
            entry.push(dimension_byte(cell.dimension));
            entry.extend_from_slice(&cell.limit.to_be_bytes());
            entry.extend_from_slice(&cell.used.to_be_bytes());
            entry.extend_from_slice(&cell.reserved.to_be_bytes());
            entry.extend_from_slice(&cell.remaining.to_be_bytes());
            entry.extend_from_slice(&cell.reset_ms.unwrap_or(u64::MAX).to_be_bytes());
        }
        put_block(&mut out, &entry)?;
    }
    Ok(out)
}

/// Reads a report. Cells of scopes and dimensions that are not known here are left out.
///
/// # Errors
/// [`SyncError`] if the version is unknown, or the bytes are no report.
pub fn decode(bytes: &[u8]) -> Result<Vec<KeyLevels>, SyncError> {
    let mut reader = Reader::new(bytes);
    LEVELS.read(reader.u8()?)?;
    let count = usize::from(reader.u16()?);
    if count > MAX_KEYS {
        return Err(SyncError::TooLarge);
    }
    let keys = (0..count)
        .map(|_| key(&mut Reader::new(reader.block()?)))
        .collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(keys)
}

fn key(reader: &mut Reader<'_>) -> Result<KeyLevels, SyncError> {
    let account = KeyId::new(reader.text()?).map_err(|_| SyncError::Malformed)?;
    let team = TeamId::new(reader.text()?).map_err(|_| SyncError::Malformed)?;
    let count = reader.u8()?;
    let mut cells = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (scope, dimension) = (reader.u8()?, reader.u8()?);
        let (limit, used, reserved) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let (remaining, reset) = (reader.u32()?, reader.u64()?);
        if let (Some(scope), Some(dimension)) = (scope_of(scope), dimension_of(dimension)) {
            cells.push(Level {
                scope,
                dimension,
                limit,
                used,
                reserved,
                remaining,
                reset_ms: (reset != u64::MAX).then_some(reset),
            });
        }
    }
    Ok(KeyLevels {
        account,
        team,
        cells,
    })
}

const SCOPES: [Scope; 4] = [Scope::Key, Scope::KeyAndModel, Scope::Tag, Scope::Team];

/// The scope's place on the wire. Questions about the key itself are not reported.
fn scope_byte(scope: Scope) -> u8 {
    place(&SCOPES, &scope)
}

fn scope_of(byte: u8) -> Option<Scope> {
    SCOPES.get(usize::from(byte)).copied()
}

fn dimension_byte(dimension: Dimension) -> u8 {
    place(&Dimension::ALL, &dimension)
}

fn dimension_of(byte: u8) -> Option<Dimension> {
    Dimension::ALL.get(usize::from(byte)).copied()
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one);
    place.and_then(|p| u8::try_from(p).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Vec<KeyLevels> {
        let cell = |dimension, reset_ms| Level {
            scope: Scope::Key,
            dimension,
            limit: 60,
            used: 7,
            reserved: 3,
            remaining: 53,
            reset_ms,
        };
        let key = |n: u8| KeyLevels {
            account: KeyId::new(&format!("key_{n}")).unwrap(),
            team: TeamId::new("acme").unwrap(),
            cells: vec![
                cell(Dimension::Requests, Some(9)),
                cell(Dimension::InFlight, None),
            ],
        };
        vec![key(1), key(2)]
    }

    #[test]
    fn a_report_reads_back_as_written() {
        for keys in [vec![], levels()] {
            assert_eq!(decode(&encode(&keys).unwrap()), Ok(keys));
        }
    }

    #[test]
    fn what_is_no_report_is_refused_and_what_is_not_known_is_left_out() {
        let wire = encode(&levels()).unwrap();
        for cut in 0..wire.len() {
            assert!(decode(&wire[..cut]).is_err(), "cut at {cut}");
        }
        let mut newer = wire.clone();
        newer[0] = LEVELS.newest + 1;
        assert!(matches!(decode(&newer), Err(SyncError::Version(..))));
        let mut strange = wire;
        // The scope of the first cell: version, count, length, `key_1`, `acme`, number of cells.
        strange[1 + 2 + 2 + 7 + 6 + 1] = 200;
        assert_eq!(decode(&strange).unwrap()[0].cells.len(), 1);
        let many = vec![levels().remove(0); MAX_KEYS + 1];
        assert_eq!(encode(&many), Err(SyncError::TooLarge));
    }
}
