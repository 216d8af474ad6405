//! Use-cases: what can be done, by whom, and what is recorded and logged of it. They stand between handlers and the store.
//!
//! What it is: one function for each thing that a person or a proxy does, `(&Service, &Caller, asked) -> Result<…, ApiError>`;
//! for proxies without a caller, since they are all alike. Both listeners call them.
//!
//! What it is not: it knows no HTTP. A request arrives as a value with text in its fields, whether it came as JSON or as a form;
//! [`fields`] checks it here, so that every caller gets the same message. Results are the store's values; handlers render them.
//!
//! # Failure policy
//! The caller's right is checked before the request's fields. The store writes the audit entry of a change in the change's own
//! transaction, and the log line follows the commit, so neither reports what has not happened.

pub mod alerts;
pub mod audit;
pub mod changes;
pub mod credit;
pub(crate) mod fields;
pub mod invitations;
pub mod keys;
pub(crate) mod limits;
mod marks;
pub mod members;
pub(crate) mod metrics;
pub(crate) mod objects;
pub mod organization;
pub(crate) mod own;
pub mod people;
pub(crate) mod prices;
pub mod proxies;
pub mod requests;
pub mod restored;
pub(crate) mod sign_in;
pub mod teams;
pub mod tiers;
pub mod tokens;
pub mod usage;
