//! The pages, through their router and a real SQLite file.
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

mod addresses;
mod admin;
mod alerts;
mod attacks;
mod away;
mod forged;
mod forgeries;
mod header;
mod hostile;
mod keys;
mod limits;
mod oidc;
mod proxies;
mod roles;
mod routes;
mod sign_in;
mod sizes;
mod team;
mod usage;
