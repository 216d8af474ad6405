//! The key service: where keys, teams, limits, usage and credits live.
//!
//! What it is: the `auth` cluster of the gate. It has two listeners. The management API (`/admin/v1`) is for people
//! and programs that administer keys; the proxy-facing one (`/sync/v1`) is what the filters learn from and
//! report to. Both stand over one [`store::Store`].
//!
//! What it is not: it is not on the path of requests. A filter that has synchronised works on without it.
//!
//! # Failure policy
//! A change that was answered is durable. Where the database fails, callers get a 503 with the OpenAI error shape, which
//! says whether something may have been changed; the cause is only logged. The service recovers by itself as soon as the
//! database does. Secrets are hashed where they arrive ([`secret`]) and are in no log, row or error.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod api;
mod attempts;
mod authenticate;
pub mod caller;
mod client;
pub mod clock;
pub mod config;
pub mod db;
mod detached;
pub mod error;
pub mod export;
mod extract;
pub mod health;
mod identity_header;
pub mod intake;
mod journal;
pub mod json;
mod levels;
pub mod metrics;
pub mod money;
mod observe;
pub mod ops;
mod pages;
mod password;
pub mod price;
mod probes;
mod proven;
pub mod provider;
pub mod secret;
mod seen;
pub mod serve;
pub mod service;
mod sessions;
pub mod store;
pub mod sync;
mod webhook;

#[cfg(test)]
mod layout;
