//! The pure core of the GMTech key gate.
//!
//! What it is: every decision of the gate, from the bytes of a credential to the settled cost of a stream, as functions
//! and types over borrowed bytes and integers.
//!
//! What it is not: it does no IO and uses no clock and no randomness. The time is always an argument, shared counters
//! are a trait, and random bytes are passed in. Nothing in it depends on Envoy. The filter and the key service are
//! built on it.
//!
//! # Failure policy
//! Nothing here panics, since a trap in Envoy cuts every stream of a worker. A client's mistake becomes a
//! [`denial::Denial`], and an operator's mistake becomes a [`config::ConfigError`] that names its place.
#![forbid(unsafe_code)]

pub mod address;
pub mod agent;
pub mod attribution;
pub mod auth;
pub mod config;
pub mod decision;
pub mod denial;
pub mod directory;
pub mod estimate;
pub mod exchange;
pub mod go_duration;
pub mod head;
pub mod holding;
pub mod ident;
mod json;
pub mod key;
pub mod limiter;
pub mod limits;
pub mod model;
mod object_id;
pub mod objects;
pub mod output_forecast;
pub mod path;
pub mod record;
pub mod request;
pub mod shared;
pub mod stream;
pub mod sync;
pub mod telemetry;
pub mod tier;
pub mod time;
pub mod usage;
mod vocabulary;
