//! Rows of alerts as values.

use serde_json::value::RawValue;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock::Millis;
use crate::store::sql::rows::{key_id, team_id, word};
use crate::store::{
    Alert, AlertAddress, AlertKind, Delivery, DeliveryStatus, Due, Result, StoreError,
};

fn kind(row: &AnyRow) -> Result<AlertKind> {
    word(row.try_get("kind")?, "alert kind")
}

fn instant(row: &AnyRow, column: &str) -> Result<Option<Millis>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Millis))
}

pub(super) fn alert(row: &AnyRow) -> Result<Alert> {
    let payload = RawValue::from_string(row.try_get("payload")?);
    Ok(Alert {
        id: row.try_get("id")?,
        at: Millis(row.try_get("at")?),
        kind: kind(row)?,
        team: team_id(row.try_get("team_id")?)?,
        key: row
            .try_get::<Option<String>, _>("key_id")?
            .map(key_id)
            .transpose()?,
        message: row.try_get("message")?,
        payload: payload.map_err(|_| StoreError::Corrupt("alert"))?,
        about: row.try_get("about")?,
        seq: row.try_get("seq")?,
    })
}

pub(super) fn address(row: &AnyRow) -> Result<AlertAddress> {
    let disabled_at = instant(row, "disabled_at")?;
    Ok(AlertAddress {
        id: row.try_get("id")?,
        team: team_id(row.try_get("team_id")?)?,
        name: row.try_get("name")?,
        url: row.try_get("url")?,
        enabled: disabled_at.is_none(),
        disabled_by: row
            .try_get::<Option<String>, _>("disabled_by")?
            .map(|by| word(by, "word"))
            .transpose()?,
        disabled_at,
        previous_secret_until: instant(row, "previous_until")?,
        created_at: Millis(row.try_get("created_at")?),
        created_by: row.try_get("created_by")?,
    })
}

/// A delivery, joined with its alert's `kind` and `message`.
pub(super) fn delivery(row: &AnyRow) -> Result<Delivery> {
    let status = word(row.try_get("status")?, "delivery status")?;
    let next_at = Millis(row.try_get("next_at")?);
    let answered: Option<i64> = row.try_get("answered")?;
    Ok(Delivery {
        alert: row.try_get("alert_id")?,
        kind: kind(row)?,
        message: row.try_get("message")?,
        address: row.try_get("address_id")?,
        status,
        attempts: attempts(row)?,
        created_at: Millis(row.try_get("created_at")?),
        tried_at: instant(row, "tried_at")?,
        next_at: (status == DeliveryStatus::Waiting).then_some(next_at),
        answered: answered.and_then(|status| u16::try_from(status).ok()),
        problem: row.try_get("problem")?,
    })
}

/// A delivery, joined with its alert's `kind` and `payload` and all of its address.
pub(super) fn due(row: &AnyRow, now: Millis) -> Result<Due> {
    let previous: Option<String> = row.try_get("previous_secret")?;
    let until = instant(row, "previous_until")?;
    let previous = previous.filter(|_| until.is_some_and(|until| now < until));
    let secret: String = row.try_get("secret")?;
    Ok(Due {
        alert: row.try_get("alert_id")?,
        kind: kind(row)?,
        address: row.try_get("address_id")?,
        url: row.try_get("url")?,
        secrets: std::iter::once(secret).chain(previous).collect(),
        payload: row.try_get("payload")?,
        attempt: attempts(row)?.saturating_add(1),
    })
}

fn attempts(row: &AnyRow) -> Result<u32> {
    u32::try_from(row.try_get::<i64, _>("attempts")?).map_err(|_| StoreError::Corrupt("attempts"))
}
