//! JSON's parts: strings, escapes, numbers, short buffers, members in their order.
//!
//! The automata that read whole texts stand above: a strict one for requests ([`crate::request`]), a tolerant one for
//! answers ([`crate::usage`]).

mod bounded;
mod entries;
mod escape;
mod number;
mod string;

pub(crate) use bounded::Bounded;
pub(crate) use entries::Entries;
pub(crate) use escape::{Escape, Step as EscapeStep};
pub(crate) use number::{Decimal, Number};
pub(crate) use string::{Step, StringFault, Text, TextError};
