//! Lists of few keys: where a filter has an index and few keys pass it, all of them are read and put in order.
//!
//! So a list by a filter that few of very many keys pass is whole at once, in each order, and not found bit by bit.

use sqlx::Row;

use super::{Bound, Cursor, Drive, Plan, Statement, ask, bind, descends, order_by, walk};
use crate::store::sql::Store;
use crate::store::{KeyFilter, KeySort, Result, Standing};

/// So many keys are few. Putting them in order costs about as much as a page of keys.
const FEW: u32 = 500;

/// The most that are read: some may have come since they were counted.
const MOST: u32 = 2 * FEW;

/// A list of few keys.
pub(super) struct Few<'f> {
    filter: &'f KeyFilter,
    drive: Drive,
}

/// The index of the narrowest filter, besides the team's and the tier's, which many keys pass.
fn narrowest(filter: &KeyFilter) -> Option<Drive> {
    if filter.tag.is_some() {
        return Some(Drive::Tag);
    }
    if filter.owner.is_some() {
        return Some(Drive::Owner);
    }
    match filter.standing?.0 {
        Standing::OverBudget => Some(Drive::OverBudget),
        Standing::Revoked | Standing::Suspended => Some(Drive::Status),
        Standing::Expired => Some(Drive::Expired),
        Standing::Active => None,
    }
}

impl Store {
    /// The list as one of few keys, if it is one.
    pub(super) async fn few<'f>(&self, filter: &'f KeyFilter) -> Result<Option<Few<'f>>> {
        let Some(few) = Few::of(filter) else {
            return Ok(None);
        };
        let (sql, bound) = few.count();
        let row = bind(&sql, &bound).fetch_one(&self.readers).await?;
        let count: i64 = row.try_get(0)?;
        Ok((count <= i64::from(FEW)).then_some(few))
    }
}

impl<'f> Few<'f> {
    pub(super) fn of(filter: &'f KeyFilter) -> Option<Self> {
        let drive = narrowest(filter)?;
        Some(Self { filter, drive })
    }

    /// The filter without its order: all else is asked of each key.
    fn unordered(&self) -> KeyFilter {
        KeyFilter {
            sort: KeySort::Created,
            ..self.filter.clone()
        }
    }

    /// Counts the keys that pass the narrowest filter, up to one more than few.
    pub(super) fn count(&self) -> (String, Vec<Bound>) {
        let mut walked = Statement::default();
        walk(&self.unordered(), self.drive, &mut walked);
        let from = match self.drive {
            Drive::Tag => "key_tags",
            _ => "keys",
        };
        let clause = walked.clause();
        let sql = format!(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT 1 AS one FROM {from} {clause} LIMIT {}) AS some_keys",
            FEW + 1
        );
        (sql, walked.bound)
    }

    /// The page after `after`.
    pub(super) fn plan(&self, after: Option<&Cursor>, limit: u32) -> Plan {
        let unordered = self.unordered();
        let mut walked = Statement::default();
        walk(&unordered, self.drive, &mut walked);
        let from = match self.drive {
            Drive::Tag => "key_tags JOIN keys ON keys.id = key_tags.key_id",
            _ => "keys",
        };
        let all = format!(
            "(SELECT keys.* FROM {from} {} LIMIT {MOST}) AS keys",
            walked.clause()
        );
        let mut asked = Statement {
            conditions: Vec::new(),
            bound: walked.bound,
        };
        ask(&unordered, self.drive, &mut asked);
        let at = order_by(self.filter.sort);
        let (before, direction) = match descends(self.filter) {
            true => ("<", "DESC"),
            false => (">", "ASC"),
        };
        if let Some(Cursor { at: value, id }) = after {
            let place = [value.clone(), Bound::Text(id.clone())];
            asked.and(&format!("({at}, id) {before} (?, ?)"), place);
        }
        Plan {
            select: format!(
                "SELECT keys.* FROM {all} {} ORDER BY {at} {direction}, id {direction} LIMIT {}",
                asked.clause(),
                limit.saturating_add(1)
            ),
            last: None,
            bound: asked.bound,
            bound_of_last: Vec::new(),
        }
    }
}
