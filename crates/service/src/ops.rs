//! Use-cases: what can be done with keys and teams, by whom, and what is recorded and logged of it.
//!
//! What it is: one function for each thing that a person does here, `(&Service, &Caller, asked) -> Result<…, ApiError>`.
//! The management API calls them; whatever else is put in front of the service (pages, say) calls the same ones.
//!
//! What it is not: it knows no HTTP. What is asked arrives as a value with text in its fields, whether that came as
//! JSON or as a form; [`fields`] checks it here, so that every caller is told the same. What is given back is
//! the store's, and is rendered by who asked.
//!
//! # Failure policy
//! Whether the caller may is asked before what it wants is looked at. The audit entry of a change is written by the store in
//! the change's own transaction; the log line follows the commit, so neither tells of what has not happened.

pub mod audit;
pub mod changes;
pub mod credit;
pub(crate) mod fields;
pub mod keys;
mod marks;
pub mod members;
pub(crate) mod metrics;
pub(crate) mod objects;
pub mod proxies;
pub mod requests;
pub mod restored;
pub mod teams;
pub mod tiers;
pub mod tokens;
pub mod usage;
