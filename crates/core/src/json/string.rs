//! The inside of a JSON string, decoded in pieces of any split.

use crate::request::JsonFault;

/// Where in a string the reader stands.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After a backslash.
    Backslash,
    /// After `\u` and some of its four digits.
    Unicode { digits: u8, unit: u16 },
}

/// What one step over a string found.
pub(crate) enum Step<'a> {
    /// The chunk is used up.
    More,
    /// The closing quote was passed; the bytes after it.
    Closed(&'a [u8]),
}

/// Decodes the text of a string: escapes resolved, UTF-8 checked. A surrogate escape without its partner is
/// valid JSON (RFC 8259 §8.2), which Python and JavaScript both write; it is passed on as U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Text {
    escape: Escape,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
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
            if !matches!(self.escape, Escape::None) {
                self.escaped(byte, at, out)?;
                rest = tail;
                continue;
            }
            if byte != b'\\' {
                self.flush_high(out)?;
            }
            match byte {
                b'"' | b'\\' | ..=0x1f if self.cut_len > 0 => return Err(self.cut_fault(at)),
                b'"' => return Ok(Step::Closed(tail)),
                b'\\' => {
                    self.escape = Escape::Backslash;
                    rest = tail;
                }
                ..=0x1f => return Err(TextError::Fault(JsonFault::ControlCharacter, at)),
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
        let syntax = TextError::Fault(JsonFault::Syntax, at);
        let (digits, unit) = match self.escape {
            Escape::None | Escape::Backslash if byte == b'u' => (0, 0),
            Escape::None | Escape::Backslash => {
                let decoded = match byte {
                    b'"' => "\"",
                    b'\\' => "\\",
                    b'/' => "/",
                    b'b' => "\u{8}",
                    b'f' => "\u{c}",
                    b'n' => "\n",
                    b'r' => "\r",
                    b't' => "\t",
                    _ => return Err(syntax),
                };
                self.escape = Escape::None;
                self.flush_high(out)?;
                return out(decoded).map_err(TextError::Sink);
            }
            Escape::Unicode { digits, unit } => {
                let digit = char::from(byte).to_digit(16).ok_or(syntax)?;
                let digit = u16::try_from(digit).unwrap_or_default();
                (digits.saturating_add(1), unit << 4 | digit)
            }
        };
        if digits < 4 {
            self.escape = Escape::Unicode { digits, unit };
            return Ok(());
        }
        self.escape = Escape::None;
        self.unit(unit, out)
    }

    fn unit<E>(
        &mut self,
        unit: u16,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), TextError<E>> {
        let mut emit = |c: char| out(c.encode_utf8(&mut [0; 4])).map_err(TextError::Sink);
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let pair = char::decode_utf16([high, unit]).next().and_then(Result::ok);
                emit(pair.unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            (lone, unit) => {
                if lone.is_some() {
                    emit(char::REPLACEMENT_CHARACTER)?;
                }
                if matches!(unit, 0xd800..=0xdbff) {
                    self.high = Some(unit);
                    return Ok(());
                }
                // A low surrogate alone is no character.
                emit(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
        }
    }

    fn flush_high<E>(
        &mut self,
        out: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), TextError<E>> {
        match self.high.take() {
            Some(_) => out("\u{fffd}").map_err(TextError::Sink),
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
                Err(TextError::Fault(JsonFault::NotUtf8, bad))
            }
        }
    }

    /// The fault of a character whose bytes before `at` were kept: it lies where the character begins.
    fn cut_fault<E>(&self, at: u64) -> TextError<E> {
        let begin = at.saturating_sub(self.cut_len as u64);
        TextError::Fault(JsonFault::NotUtf8, begin)
    }
}

/// What stops the decoding of a string.
pub(crate) enum TextError<E> {
    /// The string is faulty at this offset of the body.
    Fault(JsonFault, u64),
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
