//! The management API, through its router and a real SQLite file.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails loudly"
)]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod alerts;
mod hangups;
mod keys;
mod mistakes;
mod organization;
mod policy;
mod teams;
mod tiers;
mod tokens;
mod usage;
