//! What a worker keeps beyond one stream, and how it keeps in touch with the key service.
//!
//! Sans IO: events and answers go in, what is to be sent comes out, and the present is an argument. A host carries it out and
//! decides nothing.

pub mod outbox;
mod services;

pub use services::Services;
