//! Budgets: compares what a lineage has spent with what it may spend.
//!
//! All keys of a lineage are judged together, from the daily sums of all of them, and get the same marks. A mark that
//! proxies read changes under a new version; one that only people read does not.

use std::collections::BTreeMap;

use gmtech_core::ident::KeyId;
use gmtech_core::model::{ModelPattern, ModelSet};
use serde_json::json;
use sqlx::Row;

use super::{lineage, load};
use crate::clock::{Millis, month_start, week_start};
use crate::store::sql::alerts::raise::{self, Of, Used};
use crate::store::sql::sums::sum_of;
use crate::store::sql::{Store, Tx, next_version, note, rows, signed, unsigned};
use crate::store::{Amounts, Budgeted, Budgets, By, KeyInfo, Result, StoreError};

/// How many keys are judged in one transaction: others write in between.
const AT_ONCE: usize = 200;

/// What a lineage has spent in the day, week and month of an instant, and in all, in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent([i64; 4]);

impl Spent {
    /// Whether a budget is used up.
    fn reaches(&self, amounts: &Amounts) -> bool {
        let budgets = amounts.named();
        let pairs = self.0.iter().zip(budgets);
        pairs
            .into_iter()
            .any(|(spent, (_, budget))| budget.is_some_and(|b| *spent >= b))
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The sum over the models that are wanted.
fn sum(by_model: &BTreeMap<String, Spent>, wanted: &dyn Fn(&str) -> bool) -> Spent {
    let mut sum = Spent::default();
    let models = by_model.iter().filter(|(model, _)| wanted(model));
    models.for_each(|(_, spent)| sum.add(spent));
    sum
}

fn sum_of_pattern(by_model: &BTreeMap<String, Spent>, pattern: &ModelPattern) -> Spent {
    sum(by_model, &|model| {
        // Gemini's bodies write a model as `models/{m}`.
        let short = model.strip_prefix("models/");
        pattern.allows(model) || short.is_some_and(|m| pattern.allows(m))
    })
}

/// What the marks of a lineage should be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    over: bool,
    over_soft: bool,
    spent_models: Option<ModelSet>,
}

impl Marks {
    fn of(budgets: &Budgets, by_model: &BTreeMap<String, Spent>) -> Self {
        let all = sum(by_model, &|_| true);
        let spent = budgets.models.iter().filter_map(|(text, amounts)| {
            let pattern = ModelPattern::new(text).ok()?;
            let of_pattern = sum_of_pattern(by_model, &pattern);
            of_pattern.reaches(amounts).then_some(pattern)
        });
        let spent: Vec<_> = spent.collect();
        Self {
            over: all.reaches(&budgets.hard()),
            over_soft: all.reaches(&budgets.soft),
            spent_models: (!spent.is_empty()).then(|| ModelSet::new(spent)),
        }
    }

    fn are_of(&self, key: &KeyInfo) -> bool {
        (self.over, self.over_soft, &self.spent_models)
            == (
                key.over_budget,
                key.over_soft_budget,
                &key.record.spent_models,
            )
    }
}

impl Store {
    /// Judges keys' budgets anew for the day and month that `now` is in; gives how many keys changed.
    pub async fn judge_budgets(&self, which: Budgeted, now: Millis) -> Result<u64> {
        let found = sqlx::query(match which {
            Budgeted::Spent => {
                "SELECT id FROM keys WHERE over_budget = 1 OR over_soft_budget = 1 OR spent_models IS NOT NULL"
            }
            Budgeted::All => {
                "SELECT id FROM keys WHERE budgeted = 1 OR over_budget = 1 OR over_soft_budget = 1 OR spent_models IS NOT NULL"
            }
        })
        .fetch_all(&self.readers)
        .await?;
        let mut changed = 0;
        for part in found.chunks(AT_ONCE) {
            let mut tx = self.begin().await?;
            for row in part {
                let id: String = row.try_get(0)?;
                changed += u64::from(judge_budget(&mut tx, &id, now).await?);
            }
            self.commit(tx).await?;
        }
        Ok(changed)
    }
}

impl Store {
    /// The ids of the keys of an account's lineage.
    pub async fn chain(&self, account: &KeyId) -> Result<Vec<String>> {
        let found = sqlx::query("SELECT id FROM keys WHERE lineage = $1 ORDER BY created_at, id")
            .bind(account.as_str())
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What the lineage of an account has spent in the UTC day, week and month of `now`, and in all.
    pub async fn spent(&self, account: &KeyId, now: Millis) -> Result<Amounts> {
        let day = now.day();
        let starts = [day, week_start(day), month_start(day), i64::MIN];
        let sql = format!(
            "SELECT day, {} FROM usage_daily
              WHERE key_id IN (SELECT id FROM keys WHERE lineage = $1) AND day <= $2 GROUP BY day",
            sum_of("cost")
        );
        let found = sqlx::query(&sql)
            .bind(account.as_str())
            .bind(day)
            .fetch_all(&self.readers)
            .await?;
        let mut sums = Spent::default();
        for row in found {
            let (on, cost): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            sums.add(&Spent(
                starts.map(|start| if on >= start { cost } else { 0 }),
            ));
        }
        let mut spent = Amounts::default();
        for (amount, sum) in spent.each_mut().into_iter().zip(sums.0) {
            *amount = Some(sum);
        }
        Ok(spent)
    }
}

/// Sets the marks of a lineage's keys to what their budgets say; whether that changed any.
pub(super) async fn judge(tx: &mut Tx, chain: &mut [KeyInfo], now: Millis) -> Result<bool> {
    // Those that are not revoked have the same budgets.
    let Some(first) = chain.first() else {
        return Ok(false);
    };
    let marks = if first.budgets.is_empty() {
        Marks::default()
    } else {
        let spent = spent(tx, first.record.account().as_str(), now).await?;
        if let Some(last) = chain.last() {
            tell(tx, last, &spent, now).await?;
        }
        Marks::of(&first.budgets, &spent)
    };
    let warns = marks.over_soft && chain.iter().all(|key| !key.over_soft_budget);
    let mut changed = false;
    for key in chain.iter_mut().filter(|key| !marks.are_of(key)) {
        mark(tx, key, &marks).await?;
        changed = true;
    }
    if warns && let Some(last) = chain.last() {
        warn(tx, last, now).await?;
    }
    Ok(changed)
}

/// Raises the alerts of all budgets of a key.
async fn tell(
    tx: &mut Tx,
    key: &KeyInfo,
    by_model: &BTreeMap<String, Spent>,
    now: Millis,
) -> Result<()> {
    let all = sum(by_model, &|_| true);
    let mut used = vec![
        (Of::All, key.budgets.hard(), all),
        (Of::Soft, key.budgets.soft, all),
    ];
    for (text, amounts) in &key.budgets.models {
        if let Ok(pattern) = ModelPattern::new(text) {
            used.push((
                Of::Models(text),
                *amounts,
                sum_of_pattern(by_model, &pattern),
            ));
        }
    }
    for (of, budgets, Spent(spent)) in used {
        let used = Used { of, budgets, spent };
        raise::budgets(tx, key, &used, now).await?;
    }
    Ok(())
}

/// As [`judge`], for the lineage of one key.
pub(in crate::store::sql) async fn judge_budget(
    tx: &mut Tx,
    id: &str,
    now: Millis,
) -> Result<bool> {
    let key = match load(tx, id).await {
        Err(StoreError::NotFound(_)) => return Ok(false),
        other => other?,
    };
    let mut chain = lineage(tx, key.record.account()).await?;
    judge(tx, &mut chain, now).await
}

async fn mark(tx: &mut Tx, key: &mut KeyInfo, marks: &Marks) -> Result<()> {
    let told = key.over_budget != marks.over || key.record.spent_models != marks.spent_models;
    if key.over_budget != marks.over {
        tracing::info!(key = %key.record.id, team = %key.record.team, over = marks.over, "budget");
    }
    key.over_budget = marks.over;
    key.over_soft_budget = marks.over_soft;
    key.record.spent_models = marks.spent_models.clone();
    if told {
        key.version = unsigned(next_version(tx).await?)?;
    }
    sqlx::query(
        "UPDATE keys SET over_budget = $1, over_soft_budget = $2, spent_models = $3, version = $4 WHERE id = $5",
    )
    .bind(i64::from(marks.over))
    .bind(i64::from(marks.over_soft))
    .bind(rows::optional_json(marks.spent_models.as_ref())?)
    .bind(signed(key.version))
    .bind(key.record.id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn warn(tx: &mut Tx, key: &KeyInfo, now: Millis) -> Result<()> {
    let (id, team) = (key.record.id.as_str(), key.record.team.as_str());
    tracing::warn!(key = id, team, "a soft budget is spent");
    let detail = json!({"soft": key.budgets.soft});
    note(
        tx,
        &By::service(now),
        "key.soft_budget",
        id,
        Some(team),
        detail,
    )
    .await
}

/// What a lineage has spent by model, up to the day of `now`.
async fn spent(tx: &mut Tx, account: &str, now: Millis) -> Result<BTreeMap<String, Spent>> {
    let day = now.day();
    let sql = format!(
        "SELECT model, day, {} FROM usage_daily
          WHERE key_id IN (SELECT id FROM keys WHERE lineage = $1) AND day <= $2 GROUP BY model, day",
        sum_of("cost")
    );
    let found = sqlx::query(&sql)
        .bind(account)
        .bind(day)
        .fetch_all(&mut **tx)
        .await?;
    let starts = [day, week_start(day), month_start(day), i64::MIN];
    let mut by_model: BTreeMap<String, Spent> = BTreeMap::new();
    for row in found {
        let (on, cost): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let spent = starts.map(|start| if on >= start { cost } else { 0 });
        by_model
            .entry(row.try_get(0)?)
            .or_default()
            .add(&Spent(spent));
    }
    Ok(by_model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_budget_is_held_against_what_it_is_for() {
        let spent = BTreeMap::from([
            ("gpt-4o".to_owned(), Spent([10, 20, 30, 40])),
            ("models/gemini-2".to_owned(), Spent([1, 2, 3, 4])),
        ]);
        let marks = |json: &str| Marks::of(&serde_json::from_str(json).unwrap(), &spent);
        let models = |list: &str| serde_json::from_str(list).unwrap();
        for (budgets, over, over_soft, spent_models) in [
            ("{}", false, false, None),
            (r#"{"day_nano_usd":12}"#, false, false, None),
            (r#"{"day_nano_usd":11}"#, true, false, None),
            (r#"{"week_nano_usd":22}"#, true, false, None),
            (r#"{"month_nano_usd":33}"#, true, false, None),
            (r#"{"month_nano_usd":34}"#, false, false, None),
            (r#"{"total_nano_usd":44}"#, true, false, None),
            (r#"{"day_nano_usd":0}"#, true, false, None),
            (r#"{"soft":{"day_nano_usd":11}}"#, false, true, None),
            (
                r#"{"models":{"gpt-4o*":{"day_nano_usd":10}}}"#,
                false,
                false,
                models(r#"["gpt-4o*"]"#),
            ),
            (
                r#"{"models":{"gpt-4o*":{"day_nano_usd":11}}}"#,
                false,
                false,
                None,
            ),
            (
                r#"{"models":{"gemini-*":{"total_nano_usd":4}}}"#,
                false,
                false,
                models(r#"["gemini-*"]"#),
            ),
            (
                r#"{"day_nano_usd":11,"soft":{"day_nano_usd":1},"models":{"*":{"day_nano_usd":11},"o3":{"day_nano_usd":0}}}"#,
                true,
                true,
                models(r#"["*","o3"]"#),
            ),
        ] {
            let expected = Marks {
                over,
                over_soft,
                spent_models,
            };
            assert_eq!(marks(budgets), expected, "{budgets}");
        }
    }
}
