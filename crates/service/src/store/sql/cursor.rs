//! Pages and their cursors.
//!
//! A cursor that no page gave is a mistake, and is said to be one: taken for none it would show
//! everything again, taken for the end it would show nothing.

use gmtech_core::ident::TeamId;

use crate::store::{Page, Result, StoreError};

/// Of a list by descending sequence number; the first page starts above all of them.
pub(super) fn seq(after: Option<&str>) -> Result<i64> {
    match after {
        None => Ok(i64::MAX),
        Some(text) => match text.parse() {
            // As it was written: no sign, no zeros in front.
            Ok(seq) if seq > 0 && i64::to_string(&seq) == text => Ok(seq),
            _ => Err(StoreError::BadCursor),
        },
    }
}

/// Of a list by team.
pub(super) fn team(after: Option<&str>) -> Result<&str> {
    match after {
        None => Ok(""),
        Some(text) => match TeamId::new(text) {
            Ok(_) => Ok(text),
            Err(_) => Err(StoreError::BadCursor),
        },
    }
}

/// A page of at most `limit` out of one item more than that, if there was one.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}
