//! The inside of a string, decoded in pieces of any split and checked.

use super::escape::{Escape, Step as EscapeStep};

/// What is wrong with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringFault {
    /// A backslash that begins no escape of JSON.
    Escape,
    /// A control character that is not escaped.
    ControlCharacter,
    /// Not UTF-8.
    NotUtf8,
}

/// What one step over a string found.
pub(crate) enum Step<'a> {
    /// The chunk is used up.
    More,
    /// The closing quote was passed; the bytes after it.
    Closed(&'a [u8]),
}

/// Decodes the text of a string: escapes undone, UTF-8 checked.
#[derive(Debug, Default)]
pub(crate) struct Text {
    escape: Escape,
    /// The first bytes of a character that the chunk's end cut.
    cut: [u8; 4],
    cut_len: usize,
}

impl Text {
    /// Passes over `bytes`, the first of which is number `base` of the body, up to the closing quote, giving
    /// decoded text to `out`.
    pub(crate) fn push<'a, E>(
        &mut self,
        bytes: &'a [u8],
        base: u64,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<Step<'a>, TextError<E>> {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            let at = base.saturating_add(bytes.len().saturating_sub(rest.len()) as u64);
            if self.escape.is_under_way() {
                self.escaped(byte, at, out)?;
                rest = tail;
                continue;
            }
            if byte != b'\\' {
                self.flush_lone(out)?;
            }
            match byte {
                b'"' | b'\\' | ..=0x1f if self.cut_len > 0 => return Err(self.cut_fault(at)),
                b'"' => return Ok(Step::Closed(tail)),
                b'\\' => {
                    self.escape.begin();
                    rest = tail;
                }
                ..=0x1f => return Err(TextError::Fault(StringFault::ControlCharacter, at)),
                _ => {
                    let (run, after) = rest
                        .split_at_checked(plain_len(rest))
                        .unwrap_or((rest, &[]));
                    self.utf8(run, at, out)?;
                    rest = after;
                }
            }
        }
        Ok(Step::More)
    }

    fn escaped<E>(
        &mut self,
        byte: u8,
        at: u64,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), TextError<E>> {
        let mut emit = |c: char| out(c.encode_utf8(&mut [0; 4])).map_err(TextError::Sink);
        match self.escape.push(byte) {
            EscapeStep::More => Ok(()),
            EscapeStep::Char(decoded) => emit(decoded),
            EscapeStep::LoneThen(decoded) => {
                emit(char::REPLACEMENT_CHARACTER)?;
                emit(decoded)
            }
            EscapeStep::Broken => Err(TextError::Fault(StringFault::Escape, at)),
        }
    }

    fn flush_lone<E>(
        &mut self,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), TextError<E>> {
        match self.escape.take_lone() {
            Some(lone) => out(lone.encode_utf8(&mut [0; 4])).map_err(TextError::Sink),
            None => Ok(()),
        }
    }

    fn utf8<E>(
        &mut self,
        mut run: &[u8],
        mut at: u64,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), TextError<E>> {
        while self.cut_len > 0 {
            let Some((&byte, tail)) = run.split_first() else {
                return Ok(());
            };
            let Some(free) = self.cut.get_mut(self.cut_len) else {
                return Err(self.cut_fault(at));
            };
            *free = byte;
            match std::str::from_utf8(self.cut.get(..=self.cut_len).unwrap_or_default()) {
                Ok(whole) => {
                    out(whole).map_err(TextError::Sink)?;
                    self.cut_len = 0;
                }
                Err(e) if e.error_len().is_none() => self.cut_len += 1,
                Err(_) => return Err(self.cut_fault(at)),
            }
            run = tail;
            at = at.saturating_add(1);
        }
        match std::str::from_utf8(run) {
            Ok("") => Ok(()),
            Ok(text) => out(text).map_err(TextError::Sink),
            Err(e) if e.error_len().is_none() => {
                let (valid, cut) = run.split_at_checked(e.valid_up_to()).unwrap_or((run, &[]));
                for (slot, byte) in self.cut.iter_mut().zip(cut) {
                    *slot = *byte;
                }
                self.cut_len = cut.len();
                match std::str::from_utf8(valid) {
                    Ok("") => Ok(()),
                    Ok(text) => out(text).map_err(TextError::Sink),
                    Err(_) => Err(self.cut_fault(at)),
                }
            }
            Err(e) => {
                let bad = at.saturating_add(e.valid_up_to() as u64);
                Err(TextError::Fault(StringFault::NotUtf8, bad))
            }
        }
    }

    /// The fault of a character whose bytes before `at` were kept: it lies where the character begins.
    fn cut_fault<E>(&self, at: u64) -> TextError<E> {
        let begin = at.saturating_sub(self.cut_len as u64);
        TextError::Fault(StringFault::NotUtf8, begin)
    }
}

/// What stops the decoding of a string.
pub(crate) enum TextError<E> {
    /// The string is faulty at this offset of the body.
    Fault(StringFault, u64),
    /// The receiver of the text refused.
    Sink(E),
}

/// How many bytes from the start stand for themselves: no quote, no backslash, no control character.
/// Eight at a time, by the usual zero-byte test on a 64-bit word; it may stop early only at a byte
/// that the per-byte scan then judges.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, _) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|word| {
        let word = u64::from_ne_bytes(**word);
        let quote = zero_in(word ^ u64::from_ne_bytes([b'"'; 8]));
        let backslash = zero_in(word ^ u64::from_ne_bytes([b'\\'; 8]));
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word & HIGHS;
        quote | backslash | control == 0
    });
    let skipped = plain.count().saturating_mul(8);
    let tail = bytes.get(skipped..).unwrap_or_default();
    let more = tail
        .iter()
        .take_while(|b| !matches!(b, b'"' | b'\\' | ..=0x1f));
    skipped.saturating_add(more.count())
}
