//! What goes into a store and what comes out.

use std::collections::BTreeMap;

use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::KeyDigest;
use gmtech_core::model::ModelSet;
use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::{KeyRecord, Status};
use gmtech_core::sync::events::UsageEvent;
use gmtech_core::sync::{KeyEntry, TeamEntry};
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::secret::TokenDigest;

/// Who does something, and when.
#[derive(Clone, Debug)]
pub struct By {
    /// The token's id, or what of the service itself acts.
    pub actor: String,
    /// The present.
    pub now: Millis,
}

/// A request that must happen once: the client's token for it, and a digest of what it asked.
#[derive(Clone, Debug)]
pub struct Once {
    /// The `Idempotency-Key` header.
    pub token: String,
    /// SHA-256 of the request: the same token with another request is a mistake.
    pub request: [u8; 32],
}

/// What stands for a new key's text.
#[derive(Clone, Debug)]
pub struct KeySecret {
    /// The key's id.
    pub id: KeyId,
    /// Its digest.
    pub digest: KeyDigest,
    /// What may be shown of it.
    pub redacted: String,
}

/// What a key may spend, in nano-dollars; `None` is no budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// A UTC day.
    #[serde(default)]
    pub day_nano_usd: Option<i64>,
    /// A UTC calendar month.
    #[serde(default)]
    pub month_nano_usd: Option<i64>,
}

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What stands for its text.
    pub secret: KeySecret,
    /// What its owner calls it.
    pub name: String,
    /// Its team, which must exist.
    pub team: TeamId,
    /// Its tier.
    pub tier: TierName,
    /// The models that it may use; `None` leaves it to the tier.
    pub models: Option<ModelSet>,
    /// What replaces the tier's limits.
    pub limits: LimitOverrides,
    /// Seconds since the Unix epoch; `None` is never.
    pub expires_at: Option<u64>,
    /// What it may spend.
    pub budgets: Budgets,
}

/// A key as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyInfo {
    /// What the proxies learn of it.
    pub record: KeyRecord,
    /// What may be shown of its text.
    pub redacted: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may spend.
    pub budgets: Budgets,
    /// Whether it has spent a budget.
    pub over_budget: bool,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it.
    pub created_by: String,
    /// The start of its last request that reached the ledger.
    pub last_used_at: Option<Millis>,
    /// The key that replaces it.
    pub rotated_to: Option<KeyId>,
    /// The version of its last change.
    pub version: u64,
}

/// What creating a key gave.
#[derive(Clone, Debug)]
pub struct Created {
    /// The key.
    pub key: KeyInfo,
    /// Whether an earlier call made it, so that the text in hand is not its text.
    pub replayed: bool,
}

/// What rotating gave.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that ends.
    pub old: KeyInfo,
    /// The key that follows it.
    pub new: KeyInfo,
}

/// What of a key to change; `None` keeps, `Some(None)` removes.
#[derive(Clone, Debug, Default)]
pub struct KeyPatch {
    /// The name.
    pub name: Option<String>,
    /// The tier.
    pub tier: Option<TierName>,
    /// The models.
    pub models: Option<Option<ModelSet>>,
    /// All limits at once.
    pub limits: Option<LimitOverrides>,
    /// Seconds since the Unix epoch.
    pub expires_at: Option<Option<u64>>,
    /// Both budgets at once.
    pub budgets: Option<Budgets>,
}

/// Which keys to list.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only with this status.
    pub status: Option<Status>,
}

/// Where a page starts and how long it is.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// What the page before gave as `next`.
    pub after: Option<String>,
    /// At most this many.
    pub limit: u32,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one starts; `None` on the last.
    pub next: Option<String>,
}

/// One change.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Its place in the log.
    pub seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// What was done, as `key.revoke`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Of which team.
    pub team: Option<String>,
    /// What changed.
    pub detail: serde_json::Value,
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only of this key, team or token.
    pub subject: Option<String>,
}

/// A team to be stored.
#[derive(Clone, Debug)]
pub struct NewTeam {
    /// Its id.
    pub id: TeamId,
    /// What people call it.
    pub name: String,
    /// Whether it may only spend what it has topped up.
    pub prepaid: bool,
}

/// A billing account.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Team {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// Whether it may only spend what it has topped up; the first top-up makes it so.
    pub prepaid: bool,
    /// Top-ups less the costs of its keys, in nano-dollars (10⁻⁹ USD).
    pub balance_nano_usd: i64,
    /// Prepaid and nothing left: its keys are answered 429 `insufficient_quota`.
    pub exhausted: bool,
    /// The version of its last change.
    pub version: u64,
}

/// What of a team to change.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPatch {
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it may only spend what it has topped up.
    #[serde(default)]
    pub prepaid: Option<bool>,
}

/// A member to be added.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// The address that names the person.
    pub email: String,
    /// What the person is to the team: `owner` or `member`.
    pub role: MemberRole,
}

/// What a person is to a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Answers for the team.
    Owner,
    /// Uses its keys.
    Member,
}

/// A person of a team.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Member {
    /// The address that names the person.
    pub email: String,
    /// What the person is to the team.
    pub role: MemberRole,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Millis,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything of one team but its credit.
    TeamAdmin,
    /// Reading: everything, or one team if it has one.
    Reader,
}

/// A token to be stored.
#[derive(Clone, Debug)]
pub struct NewAdminToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Its digest.
    pub digest: TokenDigest,
    /// What it allows.
    pub role: Role,
    /// Of which team.
    pub team: Option<TeamId>,
}

/// An administrator's token, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AdminToken {
    /// Its id, which the audit log shows.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// Of which team.
    #[schema(value_type = Option<String>)]
    pub team: Option<TeamId>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// When it was ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Millis>,
}

/// A place in a history of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which history.
    pub epoch: u64,
    /// How far.
    pub version: u64,
}

/// A page of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The epoch, and the version up to which this page is complete.
    pub to: Head,
    /// Whether there is more after it.
    pub more: bool,
    /// Keys that changed.
    pub keys: Vec<KeyEntry>,
    /// Teams whose credit state changed.
    pub teams: Vec<TeamEntry>,
}

/// What a proxy last reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// The name that it gave itself.
    pub id: String,
    /// What it has applied.
    pub applied: Head,
    /// When it said so.
    pub seen_at: Millis,
}

/// An event with its price.
#[derive(Clone, Debug)]
pub struct Priced {
    /// What was used.
    pub event: UsageEvent,
    /// In nano-dollars, never negative.
    pub cost: i64,
    /// Where the price is from.
    pub priced_by: &'static str,
}

/// What became of a batch of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Ingested {
    /// Counted now.
    pub accepted: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Of a day that is closed: neither counted nor charged.
    pub too_old: u64,
    /// Of a key that this service does not have, or not in that team.
    pub unknown_key: u64,
    /// Not an event.
    pub malformed: u64,
}

/// What moves a balance other than usage.
#[derive(Clone, Debug)]
pub struct NewCredit {
    /// In nano-dollars; above zero is a top-up, below zero a correction.
    pub amount: i64,
    /// What for.
    pub note: String,
    /// Makes it happen once.
    pub once: Option<Once>,
}

/// One row of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LedgerRow {
    /// Its place.
    pub seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Millis,
    /// `top_up`, `charge` or `adjustment`.
    pub kind: String,
    /// In nano-dollars, signed.
    pub amount_nano_usd: i64,
    /// Whose usage a charge is for.
    pub key: Option<String>,
    /// How many events a charge sums up.
    pub events: i64,
    /// Who.
    pub actor: String,
    /// What for.
    pub note: String,
}

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Each key.
    #[default]
    Key,
    /// Each team.
    Team,
    /// Each model.
    Model,
    /// Each UTC day.
    Day,
}

/// Which usage.
#[derive(Clone, Debug, Default)]
pub struct UsageQuery {
    /// Grouped by what.
    pub by: GroupBy,
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only of this key.
    pub key: Option<KeyId>,
    /// From this day on.
    pub from_day: Option<i64>,
    /// Up to and with this day.
    pub to_day: Option<i64>,
}

/// One group's usage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// The key, team, model or day.
    pub group: String,
    /// All requests, refused ones too.
    pub requests: i64,
    /// Refused requests by reason.
    pub refusals: BTreeMap<String, i64>,
    /// Prompt tokens, cached ones too.
    pub input_tokens: i64,
    /// Of these, read from a cache.
    pub cached_input_tokens: i64,
    /// Of these, written to a cache.
    pub cache_write_tokens: i64,
    /// Of the prompt's, audio.
    pub audio_input_tokens: i64,
    /// Answer tokens, reasoning too.
    pub output_tokens: i64,
    /// Of these, reasoning.
    pub reasoning_tokens: i64,
    /// Of the answer's, audio.
    pub audio_output_tokens: i64,
    /// What is billed: the total as the provider gave it where that is above the sum.
    pub total_tokens: i64,
    /// Requests whose tokens were estimated or cut off.
    pub not_exact: i64,
    /// In nano-dollars.
    pub cost_nano_usd: i64,
    /// The start of the last request.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
}
