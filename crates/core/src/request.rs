//! What a request asks for, read from its body as it passes by.
//!
//! What it is: [`Endpoint`] says which API a path is; [`BodyReader`] takes the body in pieces of any split, each
//! byte once, and ends in [`RequestFacts`]: model, stream, caps, an estimate of the prompt, and how to ask the
//! upstream for its usage ([`UsageEdit`]). It holds about two KiB whatever the body's length, tells the model as soon as
//! it has passed, and reads a gigabyte in seconds.
//!
//! What it is not: no parser of values. serde_json, jiter and struson pull from a whole slice or a blocking
//! reader, which a filter has not; so the lexer is our own, validating and pushed to, and
//! serde_json is what it is tested against. It differs on purpose in these points only:
//! - an escaped surrogate without its partner is accepted (RFC 8259 allows it, Python and JavaScript write it);
//! - a number beyond what a double holds is accepted;
//! - 128 containers may be nested (serde_json: 127).
//!
//! # What is refused
//! Whatever two parsers could read in two ways, because the model that was checked must be the model that
//! is served: a parameter twice or in another letter case, a byte order mark, invalid UTF-8, charsets,
//! compression, URL-encoded forms, `stream: "true"`, a path and a body that disagree, a form's names that are not plain.
//! Keys are decoded before they are compared (`"mod\u0065l"` is `model`), and only the top level decides what is
//! routed and charged. Models that stand elsewhere, and what lets the upstream choose one, are told
//! ([`OtherModels`]), since not every key may use them; inside a message or a schema they are data.
//! `null` is what SDKs send for a parameter that is not set. Numbers are taken by value: `1e3` is a thousand,
//! and what exceeds [`MAX_COUNT`] is read as that.
//!
//! # Failure policy
//! A [`BodyError`] names one reason; its message names the fix and repeats nothing of the body. What is merely
//! unknown (a parameter, a part) is never an error: it counts as text.

mod batch;
mod boundary;
mod count;
mod edit;
mod endpoint;
mod error;
mod fault;
mod fields;
mod form;
mod group;
mod keys;
mod kind;
mod lexer;
mod media;
mod meter;
mod multipart;
mod nested;
mod others;
mod part;
mod reader;
mod references;
mod route;

#[cfg(test)]
mod tests;

pub use batch::Batched;
pub use count::MAX_COUNT;
pub use edit::{INSERT_AT_OPEN, UsageEdit, apply};
pub use endpoint::{BodyForm, Endpoint};
pub use error::{BodyError, Param};
pub use fault::{BatchFault, JsonFault, MultipartFault};
pub use group::{EndpointGroup, EndpointSet, UnknownGroup};
pub use kind::EndpointKind;
pub use lexer::{MAX_DEPTH, MAX_LEADING_SPACE};
pub use meter::{PartCosts, PartCounts};
pub use others::OtherModels;
pub use reader::{BodyReader, Progress, RequestFacts};
pub use references::{MAX_REFERENCES, Names, Reference};
