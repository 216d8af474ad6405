//! The ids of events that were counted and are gone, kept as ranges.
//!
//! A gate's ids are a random half and a count, so that those of one worker lie together: a million events are a few
//! ranges, or some thousand where refusals, which travel in sums, took numbers in between. A gap is never filled: its
//! event may come yet, from a log.

use std::collections::HashSet;
use std::sync::LazyLock;

use sqlx::Row;

use crate::store::Result;
use crate::store::sql::Tx;
use crate::store::sql::bulk::Bulk;

/// An event's id.
type Id = [u8; 16];

/// Both halves of an id as the columns have them.
type Place = (i64, i64);

/// Neighbours of one prefix, first and last included.
#[derive(Debug, PartialEq)]
struct Range {
    prefix: i64,
    first: i64,
    last: i64,
}

/// Less 2^63: a signed number in the order of the unsigned one.
fn signed(half: u64) -> i64 {
    (half ^ (1 << 63)) as i64
}

fn place(id: &Id) -> Place {
    let id = u128::from_be_bytes(*id);
    (signed((id >> 64) as u64), signed(id as u64))
}

/// The places as ranges.
fn ranges(mut places: Vec<Place>) -> Vec<Range> {
    places.sort_unstable();
    let mut ranges: Vec<Range> = Vec::new();
    for (prefix, at) in places {
        match ranges.last_mut() {
            Some(range) if range.prefix == prefix && at <= range.last.saturating_add(1) => {
                range.last = at;
            }
            _ => ranges.push(Range {
                prefix,
                first: at,
                last: at,
            }),
        }
    }
    ranges
}

/// Which of these were counted.
pub(super) async fn among(tx: &mut Tx, ids: &[Id]) -> Result<HashSet<Id>> {
    // The range that could hold a place is the last that begins at or before it: one step in the index.
    static FIND: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "WITH asked (prefix, place) AS (VALUES",
            2,
            ") SELECT asked.prefix, asked.place FROM asked WHERE asked.place <= (SELECT c.last FROM counted c
               WHERE c.prefix = asked.prefix AND c.first <= asked.place ORDER BY c.first DESC LIMIT 1)",
        )
    });
    let mut found: HashSet<Place> = HashSet::new();
    for (sql, part) in FIND.statements(tx, ids) {
        let mut query = sqlx::query(sql);
        for id in part {
            let (prefix, at) = place(id);
            query = query.bind(prefix).bind(at);
        }
        for row in query.fetch_all(&mut **tx).await? {
            found.insert((row.try_get(0)?, row.try_get(1)?));
        }
    }
    let known = ids.iter().filter(|id| found.contains(&place(id)));
    Ok(known.copied().collect())
}

/// Keeps the ids of events that are about to go.
pub(in crate::store::sql) async fn keep(tx: &mut Tx, ids: &[Id]) -> Result<()> {
    for range in ranges(ids.iter().map(place).collect()) {
        join(tx, range).await?;
    }
    Ok(())
}

/// Adds a range, as one with those that it touches.
async fn join(tx: &mut Tx, mut range: Range) -> Result<()> {
    let before = sqlx::query(
        "SELECT first, last FROM counted WHERE prefix = $1 AND first <= $2 ORDER BY first DESC LIMIT 1",
    )
    .bind(range.prefix)
    .bind(range.first)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = before {
        let (first, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if last >= range.first.saturating_sub(1) {
            (range.first, range.last) = (first, range.last.max(last));
        }
    }
    let touched = sqlx::query(
        "DELETE FROM counted WHERE prefix = $1 AND first >= $2 AND first <= $3 RETURNING last",
    )
    .bind(range.prefix)
    .bind(range.first)
    .bind(range.last.saturating_add(1))
    .fetch_all(&mut **tx)
    .await?;
    for row in touched {
        range.last = range.last.max(row.try_get(0)?);
    }
    sqlx::query("INSERT INTO counted (prefix, first, last) VALUES ($1, $2, $3)")
        .bind(range.prefix)
        .bind(range.first)
        .bind(range.last)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_the_order_of_ids_and_neighbours_become_ranges() {
        let id =
            |prefix: u64, count: u64| (u128::from(prefix) << 64 | u128::from(count)).to_be_bytes();
        let ordered = [
            id(0, 0),
            id(0, 1),
            id(0, 3),
            id(1, 1 << 63),
            id(u64::MAX, (1 << 63) - 1),
            id(u64::MAX, 1 << 63),
            id(u64::MAX, u64::MAX),
        ];
        let places: Vec<Place> = ordered.iter().map(place).collect();
        assert!(places.is_sorted());
        let backwards = places.iter().rev().copied().collect();
        let found: Vec<_> = ranges(backwards)
            .iter()
            .map(|r| (r.prefix, r.last - r.first))
            .collect();
        assert_eq!(
            found,
            [
                (i64::MIN, 1),
                (i64::MIN, 0),
                (i64::MIN + 1, 0),
                (i64::MAX, 1),
                (i64::MAX, 0)
            ]
        );
        assert_eq!(ranges(vec![(0, 5), (0, 5), (0, i64::MAX)]).len(), 2);
    }
}
