//! Revokes all keys of a team with few statements, however many there are.

use super::super::{Tx, signed};
use crate::store::{By, Result};

/// Revokes every key of a team, each under a version and with an audit entry of its own; gives how many.
pub(super) async fn revoke_keys(tx: &mut Tx, team: &str, by: &By) -> Result<u64> {
    sqlx::query(
        "INSERT INTO audit (at, actor, action, subject, team_id, detail)
         SELECT $1, $2, 'key.revoke', id, team_id, '{\"was\":\"' || status || '\",\"with\":\"team.close\"}'
           FROM keys WHERE team_id = $3 AND status <> 'revoked' ORDER BY id",
    )
    .bind(by.now.0)
    .bind(&*by.actor)
    .bind(team)
    .execute(&mut **tx)
    .await?;
    let done = sqlx::query(
        "UPDATE keys SET status = 'revoked', suspended_by = NULL, version = (SELECT version FROM meta) + numbered.place
           FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM keys WHERE team_id = $1 AND status <> 'revoked') AS numbered
          WHERE keys.id = numbered.id",
    )
    .bind(team)
    .execute(&mut **tx)
    .await?;
    let count = done.rows_affected();
    sqlx::query("UPDATE meta SET version = version + $1")
        .bind(signed(count))
        .execute(&mut **tx)
        .await?;
    Ok(count)
}
