//! What a restored database lacks, and places in its history.

use serde::{Deserialize, Serialize};

use super::AuditEntry;
use crate::clock::Millis;
use crate::money::format_usd;

/// A lost change that was not acknowledged yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The change.
    pub change: Change,
    /// When it was found to be lost.
    pub found_at: Millis,
}

/// A place in the history of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The history of versions.
    pub epoch: u64,
    /// The version.
    pub version: u64,
    /// The last entry of the audit log; 0 before the first.
    pub seq: i64,
}

/// A change that a restored database may lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What was done, as `key.revoke`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Of which team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Of a credit: how much, in nano-dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
}

impl Change {
    /// The change of an entry of the audit log; `None` if it concerns no key, team, token or usage.
    #[must_use]
    pub fn of(entry: &AuditEntry) -> Option<Self> {
        let (kind, _) = entry.action.split_once('.')?;
        if matches!(kind, "sync" | "restored") {
            return None;
        }
        Some(Self {
            at: entry.at.0,
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            team: entry.team.clone(),
            amount: entry
                .detail
                .get("amount_nano_usd")
                .and_then(serde_json::Value::as_i64),
        })
    }

    /// What it means that a database lacks the change, and the command that puts it right.
    #[must_use]
    pub fn advice(&self) -> String {
        let Self {
            action, subject, ..
        } = self;
        let when = Millis(self.at).to_rfc3339();
        let usd = || format_usd(self.amount.unwrap_or(0));
        let (what, fix) = match action.as_str() {
            "key.revoke" => ("works again", format!("gmtech keys revoke {subject}")),
            "key.suspend" => ("works again", format!("gmtech keys suspend {subject}")),
            "key.resume" => (
                "is suspended again",
                format!("gmtech keys resume {subject}"),
            ),
            "key.create" => (
                "is gone: its holder is refused",
                "make another one with gmtech keys create".into(),
            ),
            "key.rotate" => (
                "works without end again, and its successor is gone",
                format!("gmtech keys rotate {subject}, or gmtech keys revoke {subject}"),
            ),
            "team.credit" => (
                "has not got its credit",
                format!("gmtech teams top-up {subject} {}", usd()),
            ),
            "team.create" => ("is gone", format!("gmtech teams create {subject}")),
            "token.create" => (
                "is gone: its holder is refused",
                "make another one with gmtech tokens create".into(),
            ),
            "token.revoke" => ("works again", format!("gmtech tokens revoke {subject}")),
            "usage.import" => (
                "does not have what was imported",
                "import the log again with gmtech usage import".into(),
            ),
            _ => ("is as it was before", "change it again".into()),
        };
        format!("{subject} {what} ({action} of {when} is lost): {fix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: &str) -> Change {
        Change {
            at: 1_795_435_200_000,
            actor: "tok_1".into(),
            action: "key.revoke".into(),
            subject: subject.into(),
            team: Some("acme".into()),
            amount: None,
        }
    }

    #[test]
    fn what_is_lost_is_told_with_what_puts_it_right() {
        let mut credit = change("acme");
        (credit.action, credit.amount) = ("team.credit".into(), Some(25_500_000_000));
        for (change, ends) in [
            (
                change("key_1"),
                "(key.revoke of 2026-11-23T12:00:00Z is lost): gmtech keys revoke key_1",
            ),
            (credit, "gmtech teams top-up acme 25.50"),
        ] {
            assert!(change.advice().ends_with(ends), "{}", change.advice());
        }
    }
}
