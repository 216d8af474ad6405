//! Cursors of lists of keys, written and read back.

use gmtech_core::ident::KeyId;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Bound;
use crate::store::sql::signed;
use crate::store::{KeyFilter, KeyInfo, KeySort, Result};

/// Where a page starts: after this value of what the list is ordered by, and this key.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) at: Bound,
    pub(super) id: String,
}

/// The sign of each order, so that a cursor of one is no cursor of another.
fn sign(filter: &KeyFilter) -> &'static str {
    match (filter.sort, filter.reversed) {
        (KeySort::Created, false) => "c",
        (KeySort::Created, true) => "C",
        (KeySort::Name, false) => "n",
        (KeySort::Name, true) => "N",
        (KeySort::LastUsed, false) => "u",
        (KeySort::LastUsed, true) => "U",
        (KeySort::Expires, false) => "e",
        (KeySort::Expires, true) => "E",
    }
}

impl Cursor {
    pub(super) fn read(text: &str, filter: &KeyFilter) -> Option<Self> {
        let rest = text.strip_prefix(sign(filter))?.strip_prefix('.')?;
        let (at, id) = rest.split_once('.')?;
        let at = match filter.sort {
            KeySort::Name => Bound::Text(String::from_utf8(hex::decode(at).ok()?).ok()?),
            _ => Bound::Number(at.parse().ok()?),
        };
        let id = KeyId::new(id).ok()?.as_str().to_owned();
        let cursor = Self { at, id };
        // As it was written, letter by letter, and nothing that a database cannot hold.
        let is_plain = !matches!(&cursor.at, Bound::Text(name) if name.contains('\0'));
        (is_plain && cursor.write(filter) == text).then_some(cursor)
    }

    pub(super) fn write(&self, filter: &KeyFilter) -> String {
        let at = match &self.at {
            Bound::Text(name) => hex::encode(name),
            Bound::Number(number) => number.to_string(),
        };
        format!("{}.{at}.{}", sign(filter), self.id)
    }

    pub(super) fn of(key: &KeyInfo, filter: &KeyFilter) -> Self {
        let at = match filter.sort {
            KeySort::Created => Bound::Number(key.created_at.0),
            KeySort::Name => Bound::Text(key.name.to_lowercase()),
            KeySort::LastUsed => Bound::Number(key.last_used_at.map_or(0, |at| at.0)),
            KeySort::Expires => Bound::Number(key.record.expires_at.map_or(i64::MAX, signed)),
        };
        Self {
            at,
            id: key.record.id.as_str().to_owned(),
        }
    }

    pub(super) fn of_row(row: &AnyRow, filter: &KeyFilter) -> Result<Self> {
        let at = match filter.sort {
            KeySort::Name => Bound::Text(row.try_get(0)?),
            _ => Bound::Number(row.try_get(0)?),
        };
        Ok(Self {
            at,
            id: row.try_get(1)?,
        })
    }
}
