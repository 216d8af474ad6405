//! The pure core of the GMTech key gate.
//!
//! What it is: every decision the gate takes, from the bytes of a credential to the settled cost of a
//! stream, as plain functions and types over borrowed bytes and integers.
//!
//! What it is not: it knows no Envoy, no socket, no file, no clock and no randomness. The present
//! instant is always an argument, shared counters are a trait, random bytes are passed in. The
//! filter and the key service are thin shells around it, and both are tested through it.
//!
//! # Failure policy
//! Nothing here panics: in Envoy one trap cuts every stream of a worker. What a client can get
//! wrong becomes a [`denial::Denial`]; what an operator can get wrong becomes a
//! [`config::ConfigError`] that names the place.
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
pub mod time;
pub mod usage;
mod vocabulary;
