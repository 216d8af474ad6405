//! Objects that providers keep: who made them.

mod booking;

use gmtech_core::ident::TierName;
use gmtech_core::model::ModelId;
use gmtech_core::objects::{BatchWork, Kind, Object, ObjectId};
use sqlx::Row;
use sqlx::any::AnyRow;

pub(super) use booking::book;

use super::{Store, rows, unsigned};
use crate::clock::Millis;
use crate::store::{Result, StoreError};

impl Store {
    /// What is known of each.
    pub async fn objects(&self, ids: &[ObjectId]) -> Result<Vec<(ObjectId, Option<Object>)>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let row = sqlx::query(
                "SELECT o.*, k.limits, k.lineage FROM objects o JOIN keys k ON k.id = o.key_id WHERE o.digest = $1 AND o.made = 1",
            )
            .bind(id.as_bytes().to_vec())
            .fetch_optional(&self.readers)
            .await?;
            found.push((*id, row.as_ref().map(object).transpose()?));
        }
        Ok(found)
    }

    /// Drops responses and completions of before `before`, which providers have dropped too; gives how many.
    pub async fn forget_objects(&self, before: Millis) -> Result<u64> {
        let mut tx = self.begin().await?;
        let dropped = sqlx::query(
            "DELETE FROM objects WHERE created_at < $1 AND kind IN ('response', 'completion')",
        )
        .bind(before.0)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await?;
        Ok(dropped.rows_affected())
    }
}

fn object(row: &AnyRow) -> Result<Object> {
    let kind = Kind::named(&row.try_get::<String, _>("kind")?)
        .ok_or(StoreError::Corrupt("kind of an object"))?;
    let parent: Option<Vec<u8>> = row.try_get("parent")?;
    let parent = parent.map(|p| p.try_into().map(ObjectId::from_bytes));
    let model: String = row.try_get("model")?;
    let count = |name: &str| -> Result<Option<u64>> {
        row.try_get::<Option<i64>, _>(name)?
            .map(unsigned)
            .transpose()
    };
    let work = match count("work_requests")? {
        Some(requests) => Some(BatchWork {
            requests,
            input: count("work_input")?.unwrap_or(0),
            output: count("work_output")?.unwrap_or(0),
        }),
        None => None,
    };
    let key = rows::key_id(row.try_get("key_id")?)?;
    let lineage: String = row.try_get("lineage")?;
    let lineage = (!lineage.is_empty())
        .then(|| rows::key_id(lineage))
        .transpose()?;
    Ok(Object {
        key: key.clone(),
        team: rows::team_id(row.try_get("team_id")?)?,
        tier: TierName::try_from(row.try_get::<String, _>("tier")?)
            .map_err(|_| StoreError::Corrupt("tier"))?,
        limits: rows::limits(&row.try_get::<String, _>("limits")?)?,
        model: ModelId::new(&model).ok(),
        kind,
        of: parent
            .transpose()
            .map_err(|_| StoreError::Corrupt("digest"))?,
        work,
        charged: unsigned(row.try_get::<i64, _>("total")?.max(0))?,
        settled: row.try_get::<Option<i64>, _>("settled_at")?.is_some(),
        lineage: lineage.filter(|first| *first != key),
    })
}
