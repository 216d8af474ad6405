//! Booking new events: summed by time, charged as one ledger row a key and transaction, and judged against credit and
//! budgets. All within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use gmtech_core::decision::Decision;
use gmtech_core::record::Status;

use super::events::KeyAccount;
use super::pools::pools;
use super::{key_days, rollups};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::sql::Tx;
use crate::store::sql::alerts::raise;
use crate::store::sql::bulk::Bulk;
use crate::store::sql::keys::{self, judge_budget};
use crate::store::sql::rows;
use crate::store::sql::sums::{Slot, Sums};
use crate::store::sql::teams::judge_credit;

/// What one key's new events come to.
#[derive(Default)]
struct Charge {
    cost: i64,
    /// What the ledger gets for it.
    amount: i64,
    /// Requests that cost something.
    requests: i64,
    last_used: i64,
}

/// Books the sums of new events: by time, as one charge a key in the ledger, and in what the proxies learn.
pub(super) async fn charge(
    tx: &mut Tx,
    slots: &BTreeMap<Slot<'_>, Sums>,
    accounts: &BTreeMap<String, KeyAccount>,
    now: Millis,
) -> Result<()> {
    let mut charges: BTreeMap<(&str, &str), Charge> = BTreeMap::new();
    for (slot, sums) in slots {
        let charge = charges.entry((slot.team, slot.key)).or_default();
        charge.cost = charge.cost.saturating_add(sums.cost());
        if sums.cost() > 0 {
            charge.requests = charge.requests.saturating_add(sums.requests);
        }
        charge.last_used = charge.last_used.max(sums.last_used);
    }
    let mut charges: Vec<_> = charges.into_iter().collect();
    rollups::add(tx, slots).await?;
    key_days::add(tx, slots).await?;
    note_use(tx, &charges).await?;
    charges.retain(|(_, c)| c.cost != 0);
    let teams: BTreeSet<&str> = charges.iter().map(|((team, _), _)| *team).collect();
    let mut pools = pools(tx, &teams).await?;
    for ((team, _), charge) in &mut charges {
        if let Some(pool) = pools.get_mut(*team) {
            charge.amount = pool.move_by(charge.cost.saturating_neg());
        }
    }
    add_to_ledger(tx, &charges, now).await?;
    let mut judged = BTreeSet::new();
    for ((_, key), _) in &charges {
        if let Some(account) = accounts.get(*key).filter(|a| a.budgeted)
            && judged.insert(&*account.lineage)
        {
            judge_budget(tx, key, now).await?;
        }
    }
    for (team, pool) in &pools {
        if pool.has_turned() {
            judge_credit(tx, team).await?;
        }
        if let Some((since, balance)) = pool.used() {
            let team = rows::team_id(team.clone())?;
            raise::credit(tx, &team, since, balance, now).await?;
        }
    }
    tell_of_revoked(tx, slots, now).await
}

/// Raises alerts about revoked keys that were refused.
async fn tell_of_revoked(tx: &mut Tx, slots: &BTreeMap<Slot<'_>, Sums>, now: Millis) -> Result<()> {
    let mut refused: BTreeMap<&str, i64> = BTreeMap::new();
    let slots = slots
        .iter()
        .filter(|(slot, sums)| slot.decision == Decision::KeyRevoked.name() && sums.requests > 0);
    for (slot, sums) in slots {
        let last = refused.entry(slot.key).or_default();
        *last = sums.last_used.max(*last);
    }
    for (key, at) in refused {
        let key = keys::load(tx, key).await?;
        if key.record.status == Status::Revoked {
            raise::revoked_in_use(tx, &key, Millis(at), now).await?;
        }
    }
    Ok(())
}

async fn note_use(tx: &mut Tx, charges: &[((&str, &str), Charge)]) -> Result<()> {
    static NOTE: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "WITH used (id, at) AS (VALUES",
            2,
            ") UPDATE keys SET last_used_at = used.at FROM used
               WHERE keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)",
        )
    });
    for (sql, part) in NOTE.statements(tx, charges) {
        let mut query = sqlx::query(sql);
        for ((_, key), charge) in part {
            query = query.bind(*key).bind(charge.last_used);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn add_to_ledger(tx: &mut Tx, charges: &[((&str, &str), Charge)], now: Millis) -> Result<()> {
    static ADD: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "INSERT INTO ledger (at, team_id, kind, amount, key_id, events, actor) VALUES",
            7,
            "",
        )
    });
    let charges: Vec<_> = charges.iter().filter(|(_, c)| c.amount != 0).collect();
    for (sql, part) in ADD.statements(tx, &charges) {
        let mut query = sqlx::query(sql);
        for ((team, key), charge) in part {
            query = query
                .bind(now.0)
                .bind(*team)
                // Work that finished elsewhere can have cost less than it had been charged.
                .bind(if charge.amount < 0 {
                    "charge"
                } else {
                    "adjustment"
                })
                .bind(charge.amount)
                .bind(*key)
                .bind(charge.requests)
                .bind("usage");
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
