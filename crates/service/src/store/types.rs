//! What goes into a store and what comes out.

mod alerts;
mod audit;
mod budgets;
mod changes;
mod credit;
mod invitations;
mod keys;
mod members;
mod people;
mod policy;
mod prices;
mod proxies;
mod requests;
mod restored;
mod sessions;
mod teams;
mod tiers;
mod tokens;
mod usage;

pub use alerts::*;
pub use audit::*;
pub use budgets::*;
pub use changes::*;
pub use credit::*;
pub use invitations::*;
pub use keys::*;
pub use members::*;
pub use people::*;
pub use policy::*;
pub use prices::*;
pub use proxies::*;
pub use requests::*;
pub use restored::*;
pub use sessions::*;
pub use teams::*;
pub use tiers::*;
pub use tokens::*;
pub use usage::*;

use crate::clock::Millis;

/// Who does something, and when.
#[derive(Clone, Debug)]
pub struct By {
    /// The token's id, the person's address, or what of the service itself acts.
    pub actor: String,
    /// The present.
    pub now: Millis,
    /// How far the actor may go.
    pub authority: Authority,
}

impl By {
    /// The service itself.
    #[must_use]
    pub fn service(now: Millis) -> Self {
        Self {
            actor: "service".into(),
            now,
            authority: Authority::Full,
        }
    }

    /// A person who acts for himself: signs in, accepts an invitation.
    #[must_use]
    pub fn person(email: &str, now: Millis) -> Self {
        Self {
            actor: email.to_owned(),
            now,
            authority: Authority::Team,
        }
    }
}

/// How far an actor may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// As far as the service does.
    #[default]
    Full,
    /// As far as the team's policy lets its own administrators go.
    Team,
}

impl Authority {
    /// The role that it comes from.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Full => Role::Admin,
            Self::Team => Role::TeamAdmin,
        }
    }
}

/// A request that must happen once: the client's token for it, and a digest of what it asked.
#[derive(Clone, Debug)]
pub struct Once {
    /// The `Idempotency-Key` header.
    pub token: String,
    /// SHA-256 of the request: the same token with another request is a mistake.
    pub request: [u8; 32],
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
