//! Rows as values. A value that does not read back as what it must be is [`StoreError::Corrupt`].

use std::num::NonZeroU32;

use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::KeyDigest;
use gmtech_core::limits::LimitOverrides;
use gmtech_core::record::{KeyRecord, Status};
use gmtech_core::sync::{KeyEntry, KeyState, TeamEntry, TierEntry};
use gmtech_core::tier::Tier;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::unsigned;
use crate::clock::Millis;
use crate::store::{
    Account, AuditEntry, Head, Invitation, KeyInfo, LedgerRow, Member, MemberRole, Person, Proxy,
    ProxyTold, RequestRecord, Result, ServiceToken, StoreError, Team, TierInfo, TokenCounts,
};

/// A word of the database as one of an enum's, by the enum's own serde names.
pub(super) fn word<T: DeserializeOwned>(text: String, what: &'static str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(|_| StoreError::Corrupt(what))
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt("value"))
}

pub(super) fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(to_json).transpose()
}

/// A column of JSON that may be null.
fn maybe<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| json(&text, column)).transpose()
}

fn json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(what))
}

fn record(row: &AnyRow) -> Result<KeyRecord> {
    let id = key_id(row.try_get("id")?)?;
    let lineage = key_id(row.try_get("lineage")?)?;
    let expires_at: Option<i64> = row.try_get("expires_at")?;
    Ok(KeyRecord {
        lineage: (lineage != id).then_some(lineage),
        id,
        team: team_id(row.try_get("team_id")?)?,
        tier: tier_name(row.try_get("tier")?)?,
        status: Status::named(&row.try_get::<String, _>("status")?)
            .ok_or(StoreError::Corrupt("status"))?,
        models: maybe(row, "models")?,
        limits: limits(&row.try_get::<String, _>("limits")?)?,
        expires_at: expires_at.map(unsigned).transpose()?,
        addresses: maybe(row, "addresses")?,
        endpoints: maybe(row, "endpoints")?,
        spent_models: maybe(row, "spent_models")?,
    })
}

pub(super) fn limits(text: &str) -> Result<LimitOverrides> {
    json(text, "limits")
}

pub(super) fn key_id(text: String) -> Result<KeyId> {
    KeyId::try_from(text).map_err(|_| StoreError::Corrupt("key id"))
}

pub(super) fn team_id(text: String) -> Result<TeamId> {
    TeamId::try_from(text).map_err(|_| StoreError::Corrupt("team id"))
}

pub(super) fn key(row: &AnyRow) -> Result<KeyInfo> {
    Ok(KeyInfo {
        record: record(row)?,
        redacted: row.try_get("redacted")?,
        name: row.try_get("name")?,
        owner: row.try_get("owner")?,
        metadata: json(&row.try_get::<String, _>("metadata")?, "metadata")?,
        tags: json(&row.try_get::<String, _>("tags")?, "tags")?,
        budgets: json(&row.try_get::<String, _>("budgets")?, "budgets")?,
        over_budget: row.try_get::<i64, _>("over_budget")? != 0,
        over_soft_budget: row.try_get::<i64, _>("over_soft_budget")? != 0,
        suspended_by: row
            .try_get::<Option<String>, _>("suspended_by")?
            .map(|role| word(role, "role"))
            .transpose()?,
        created_at: Millis(row.try_get("created_at")?),
        created_by: row.try_get("created_by")?,
        last_used_at: row.try_get::<Option<i64>, _>("last_used_at")?.map(Millis),
        rotated_from: row
            .try_get::<Option<String>, _>("rotated_from")?
            .map(key_id)
            .transpose()?,
        rotated_to: row
            .try_get::<Option<String>, _>("rotated_to")?
            .map(key_id)
            .transpose()?,
        version: unsigned(row.try_get("version")?)?,
    })
}

pub(super) fn key_entry(row: &AnyRow) -> Result<KeyEntry> {
    let digest: Vec<u8> = row.try_get("digest")?;
    let digest = digest
        .try_into()
        .map_err(|_| StoreError::Corrupt("digest"))?;
    Ok(KeyEntry {
        digest: KeyDigest::from_bytes(digest),
        version: unsigned(row.try_get("version")?)?,
        state: Some(KeyState {
            record: record(row)?.into(),
            over_budget: row.try_get::<i64, _>("over_budget")? != 0,
        }),
    })
}

pub(super) fn team(row: &AnyRow) -> Result<Team> {
    Ok(Team {
        id: team_id(row.try_get("id")?)?,
        name: row.try_get("name")?,
        created_at: Millis(row.try_get("created_at")?),
        prepaid: row.try_get::<i64, _>("prepaid")? != 0,
        balance_nano_usd: row.try_get("balance")?,
        exhausted: row.try_get::<i64, _>("exhausted")? != 0,
        policy: maybe(row, "policy")?,
        closed_at: row.try_get::<Option<i64>, _>("closed_at")?.map(Millis),
        version: unsigned(row.try_get("version")?)?,
    })
}

pub(super) fn team_entry(row: &AnyRow) -> Result<TeamEntry> {
    Ok(TeamEntry {
        team: team_id(row.try_get("id")?)?,
        version: unsigned(row.try_get("version")?)?,
        exhausted: row.try_get::<i64, _>("exhausted")? != 0,
    })
}

pub(super) fn tier(row: &AnyRow) -> Result<TierInfo> {
    Ok(TierInfo {
        name: tier_name(row.try_get("name")?)?,
        tier: tier_of(row)?,
        created_at: Millis(row.try_get("created_at")?),
        version: unsigned(row.try_get("version")?)?,
    })
}

pub(super) fn tier_entry(row: &AnyRow) -> Result<TierEntry> {
    let is_gone = row.try_get::<Option<i64>, _>("removed_at")?.is_some();
    Ok(TierEntry {
        name: tier_name(row.try_get("name")?)?,
        version: unsigned(row.try_get("version")?)?,
        tier: if is_gone { None } else { Some(tier_of(row)?) },
    })
}

fn tier_name(text: String) -> Result<TierName> {
    TierName::try_from(text).map_err(|_| StoreError::Corrupt("tier"))
}

fn tier_of(row: &AnyRow) -> Result<Tier> {
    let optional = |column: &'static str| -> Result<Option<NonZeroU32>> {
        let number: Option<i64> = row.try_get(column)?;
        let limit = |n| u32::try_from(n).ok().and_then(NonZeroU32::new);
        number
            .map(|n| limit(n).ok_or(StoreError::Corrupt("tier")))
            .transpose()
    };
    let needed = |column| optional(column)?.ok_or(StoreError::Corrupt("tier"));
    Ok(Tier {
        requests_per_minute: needed("requests_per_minute")?,
        requests_burst: optional("requests_burst")?,
        tokens_per_minute: needed("tokens_per_minute")?,
        tokens_burst: optional("tokens_burst")?,
        max_in_flight: optional("max_in_flight")?,
        models: json(&row.try_get::<String, _>("models")?, "models")?,
    })
}

pub(super) fn member(row: &AnyRow) -> Result<Member> {
    Ok(Member {
        email: row.try_get("email")?,
        role: role_named(row.try_get("role")?)?,
        added_at: Millis(row.try_get("added_at")?),
    })
}

pub(super) fn member_role(row: &AnyRow) -> Result<MemberRole> {
    role_named(row.try_get("member_role")?)
}

pub(super) fn role_named(name: String) -> Result<MemberRole> {
    word(name, "member role")
}

pub(super) fn person(row: &AnyRow) -> Result<Person> {
    Ok(account(row)?.person)
}

pub(super) fn account(row: &AnyRow) -> Result<Account> {
    let password: Option<String> = row.try_get("password")?;
    let person = Person {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        admin: row.try_get::<i64, _>("admin")? != 0,
        has_password: password.is_some(),
        created_at: Millis(row.try_get("created_at")?),
        last_sign_in_at: row
            .try_get::<Option<i64>, _>("last_sign_in_at")?
            .map(Millis),
        generation: row.try_get("generation")?,
    };
    Ok(Account { person, password })
}

pub(super) fn invitation(row: &AnyRow) -> Result<Invitation> {
    Ok(Invitation {
        id: row.try_get("id")?,
        team: team_id(row.try_get("team_id")?)?,
        email: row.try_get("email")?,
        role: role_named(row.try_get("role")?)?,
        created_at: Millis(row.try_get("created_at")?),
        created_by: row.try_get("created_by")?,
        expires_at: Millis(row.try_get("expires_at")?),
        accepted_at: row.try_get::<Option<i64>, _>("accepted_at")?.map(Millis),
        revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(Millis),
    })
}

pub(super) fn token(row: &AnyRow) -> Result<ServiceToken> {
    Ok(ServiceToken {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        role: word(row.try_get("role")?, "role")?,
        team: row
            .try_get::<Option<String>, _>("team_id")?
            .map(team_id)
            .transpose()?,
        created_at: Millis(row.try_get("created_at")?),
        revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(Millis),
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Millis),
        last_used_at: row.try_get::<Option<i64>, _>("last_used_at")?.map(Millis),
        configured: row.try_get::<i64, _>("configured")? != 0,
    })
}

/// The place in history that a row holds.
pub(super) fn head(row: &AnyRow) -> Result<Head> {
    Ok(Head {
        epoch: unsigned(row.try_get("epoch")?)?,
        version: unsigned(row.try_get("version")?)?,
    })
}

pub(super) fn proxy(row: &AnyRow) -> Result<Proxy> {
    let held: Option<i64> = row.try_get("held")?;
    Ok(Proxy {
        id: row.try_get("id")?,
        applied: head(row)?,
        told: ProxyTold {
            filter: row.try_get("filter")?,
            held: held.map(unsigned).transpose()?,
            tiers: maybe(row, "tiers")?,
        },
        seen_at: Millis(row.try_get("seen_at")?),
    })
}

pub(super) fn audit(row: &AnyRow) -> Result<AuditEntry> {
    Ok(AuditEntry {
        seq: row.try_get("seq")?,
        at: Millis(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        team: row.try_get("team_id")?,
        detail: json(&row.try_get::<String, _>("detail")?, "audit detail")?,
    })
}

pub(super) fn ledger(row: &AnyRow) -> Result<LedgerRow> {
    Ok(LedgerRow {
        seq: row.try_get("seq")?,
        at: Millis(row.try_get("at")?),
        kind: row.try_get("kind")?,
        amount_nano_usd: row.try_get("amount")?,
        key: row.try_get("key_id")?,
        events: row.try_get("events")?,
        actor: row.try_get("actor")?,
        note: row.try_get("note")?,
    })
}

/// The tokens of a row of events or of sums.
pub(super) fn token_counts(row: &AnyRow) -> Result<TokenCounts> {
    Ok(TokenCounts::read(|column| row.try_get(column))?)
}

pub(super) fn request(row: &AnyRow) -> Result<RequestRecord> {
    let id: Vec<u8> = row.try_get("id")?;
    let model: String = row.try_get("model")?;
    Ok(RequestRecord {
        event_id: hex::encode(id),
        request_id: row.try_get("request_id")?,
        started_at: Millis(row.try_get("started_at")?),
        received_at: Millis(row.try_get("received_at")?),
        team: row.try_get("team_id")?,
        key: row.try_get("key_id")?,
        key_name: row.try_get("key_name")?,
        redacted_key: row.try_get("key_redacted")?,
        tier: row.try_get("tier")?,
        model: Some(model).filter(|m| !m.is_empty()),
        path: row.try_get("endpoint")?,
        endpoint: row.try_get("endpoint_group")?,
        decision: row.try_get("decision")?,
        status: row.try_get("status")?,
        duration_ms: row.try_get("duration_ms")?,
        usage_source: row.try_get("source")?,
        tokens: token_counts(row)?,
        cost_nano_usd: row.try_get("cost")?,
        priced_by: row.try_get("priced_by")?,
    })
}
