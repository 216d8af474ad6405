//! The requests of a batch, judged one by one as they pass by: from a file of lines, or from one document.
//!
//! A batch runs later, without passing the gate again: so every request in it is judged now, as if it came alone. All name
//! one model and go to one endpoint, as OpenAI demands, so that the batch has a price.

use super::error::BodyError;
use super::fault::BatchFault;

mod document;
mod enclosed;
mod lines;
mod sum;

pub(super) use document::Document;
pub(super) use lines::Lines;
pub use sum::Batched;

const fn empty() -> BodyError {
    BodyError::Batch(BatchFault::Empty, 0)
}

/// The fault of a request, with its number.
fn at(error: BodyError, number: u64) -> BodyError {
    let fault = match error {
        BodyError::Batch(fault, _) => fault,
        BodyError::InvalidJson(..) | BodyError::NotAnObject | BodyError::Empty => BatchFault::Json,
        _ => BatchFault::Parameter,
    };
    BodyError::Batch(fault, number)
}
