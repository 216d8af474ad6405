//! The audit log.

use gmtech_core::ident::TeamId;
use serde::Serialize;

use crate::clock::Millis;

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
    /// Only by this token or person.
    pub actor: Option<String>,
    /// Only this action, as `key.revoke`.
    pub action: Option<String>,
    /// Only from this instant on.
    pub from: Option<Millis>,
    /// Only before this instant.
    pub to: Option<Millis>,
}
