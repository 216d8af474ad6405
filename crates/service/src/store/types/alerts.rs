//! Alerts, the addresses that they are posted to, and their deliveries.

use gmtech_core::ident::{KeyId, TeamId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Millis;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum AlertKind {
    /// A part of a key's budget is used.
    #[serde(rename = "key.budget")]
    Budget,
    /// A part of a team's credit is used.
    #[serde(rename = "team.credit")]
    Credit,
    /// A key expires soon.
    #[serde(rename = "key.expiring")]
    Expiring,
    /// A revoked key is still in use.
    #[serde(rename = "key.revoked_in_use")]
    RevokedInUse,
    /// Somebody tries an address.
    #[serde(rename = "test")]
    Test,
}

impl AlertKind {
    /// As it is written in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "key.budget",
            Self::Credit => "team.credit",
            Self::Expiring => "key.expiring",
            Self::RevokedInUse => "key.revoked_in_use",
            Self::Test => "test",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Alert {
    /// Its id, which is the `webhook-id` of its deliveries too.
    pub id: String,
    /// When it arose.
    #[schema(value_type = String, format = DateTime)]
    pub at: Millis,
    /// What it is about.
    pub kind: AlertKind,
    /// The team.
    #[schema(value_type = String)]
    pub team: TeamId,
    /// The key, if it is about one.
    #[schema(value_type = Option<String>)]
    pub key: Option<KeyId>,
    /// It in one sentence.
    pub message: String,
    /// What is posted to the team's addresses.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// What is watched, in its period: alerts of one thing replace one another on pages.
    #[serde(skip)]
    pub about: String,
    /// Its place in the list of all.
    #[serde(skip)]
    pub seq: i64,
}

/// An address to be added. It holds its secret, so that it cannot be printed.
#[derive(Clone)]
pub struct NewAlertAddress {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// What people call it.
    pub name: String,
    /// Where alerts are posted to.
    pub url: String,
    /// What signs them.
    pub secret: String,
}

/// An address that a team's alerts are posted to.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AlertAddress {
    /// Its id.
    pub id: String,
    /// Whose it is.
    #[schema(value_type = String)]
    pub team: TeamId,
    /// What people call it.
    pub name: String,
    /// Where alerts are posted to.
    pub url: String,
    /// Whether alerts are posted to it.
    pub enabled: bool,
    /// Who turned it off: `person`, or `receiver`, which has answered 410.
    pub disabled_by: Option<DisabledBy>,
    /// Since when it is off.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Millis>,
    /// Until when the secret before the present one signs too.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_secret_until: Option<Millis>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// By whom.
    pub created_by: String,
}

/// Who turned an address off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisabledBy {
    /// Somebody of the team.
    Person,
    /// The receiver, by a 410.
    Receiver,
}

impl DisabledBy {
    /// As it is written in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Receiver => "receiver",
        }
    }
}

/// What became of a delivery so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It is to be sent, for the first time or again.
    Waiting,
    /// The receiver has answered 2xx.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    /// As it is written in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// One alert on its way to one address.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Delivery {
    /// The alert.
    pub alert: String,
    /// What the alert is about.
    pub kind: AlertKind,
    /// The alert in one sentence.
    pub message: String,
    /// The address.
    pub address: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When the alert arose.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// When it was tried last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub tried_at: Option<Millis>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Millis>,
    /// The status that the receiver answered last.
    pub answered: Option<u16>,
    /// What was wrong the last time.
    pub problem: Option<String>,
}

/// A delivery that this service, and no other one, is to send now.
#[derive(Clone)]
pub struct Due {
    /// The alert's id: the `webhook-id`.
    pub alert: String,
    /// What the alert is about.
    pub kind: AlertKind,
    /// The address's id.
    pub address: String,
    /// Where to.
    pub url: String,
    /// The secrets that sign it: the present one first.
    pub secrets: Vec<String>,
    /// The body.
    pub payload: String,
    /// Which attempt this is, from 1 on.
    pub attempt: u32,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The status that the receiver answered, if it did.
    pub answered: Option<u16>,
    /// What was wrong; `None` if it was delivered.
    pub problem: Option<String>,
    /// What follows.
    pub then: Then,
}

/// What follows on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it is delivered.
    Delivered,
    /// It is tried again.
    Again(Millis),
    /// It is given up.
    GiveUp,
    /// It is given up, and so is the address: the receiver wants no more.
    Disable,
}
