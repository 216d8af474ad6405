//! What an answer used: the meters that read it as it passes.
//!
//! What it is: a reader of JSON and SSE answers in the shapes of many providers, told apart by their bytes and their own keys;
//! the tokens they report, and an estimate of what was streamed where they report none.
//!
//! What it is not: no reservation and no price ([`crate::limiter::gcra`] charges, the key service prices), and no
//! buffer: bytes are forwarded as they come, without the injected usage event.
//!
//! # Failure policy
//! No answer is free but one that the upstream refused: a 2xx without a count is estimated, and a stream that
//! was cut after k events of text is charged for k tokens at least. Nothing that an upstream sends panics,
//! and memory is bounded: an answer of any length, line or depth is read in less than 32 KiB.
//!
//! # How the usage is known
//! | the answer | source | tokens |
//! |---|---|---|
//! | not 2xx | exact | zero |
//! | counted, whole | exact | as reported, by the last report of a stream |
//! | cut, or failed after it began, or text after the last count | lower bound | the larger of what was reported and what was streamed |
//! | failed before anything was generated | lower bound | zero |
//! | whole, without a count | estimated | prompt as estimated, output from its text |
//! | of a shape not known here | as above | output from its strings |
//! | text that is neither JSON nor events | as above | output from all of it |
//! | no text, or encoded | estimated | prompt as estimated, output as reserved, or from its bytes if that is more |
//!
//! A stream that said itself that it is whole (`[DONE]`, `message_stop`, `response.completed`, the usage
//! event) is whole, even if the client then hangs up: SDKs do.
//!
//! What was streamed is the largest of the number of events with generated content, the number of tokens that
//! log probabilities list, and the estimate of text ([`crate::estimate`]) and bytes that are none. A reservation bounds none
//! of it: it was made before anything was generated.

mod anthropic;
mod arithmetic;
mod bedrock;
mod chat;
mod cohere;
mod counts;
mod findings;
mod gemini;
mod kind;
mod lines;
mod meter;
mod plan;
mod report;
mod responses;
mod schema;
mod shapes;
mod shown;
mod sniff;
mod text;
mod tokens;
mod unread;
mod walker;
mod weights;

pub use kind::{PerKind, TokenKind};
pub use lines::LinesMeter;
pub use meter::ResponseMeter;
pub use plan::{Ending, MeterPlan, Metered, Output, ResponseFacts};
pub use shown::{Progress, Shown};
pub use tokens::{Tokens, Usage, UsageSource};
pub use unread::Unread;
pub use weights::Weights;

#[cfg(test)]
mod tests;
