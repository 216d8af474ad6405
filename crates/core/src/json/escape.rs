//! A string's escapes, undone byte by byte.
//!
//! A high surrogate makes a character with the low one that follows at once. A surrogate without its partner is valid
//! JSON (RFC 8259 §8.2), which Python and JavaScript write; it is read as U+FFFD, as [`String::from_utf16_lossy`] does.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    /// After the backslash.
    Begun,
    /// After `\u` and some of its four digits.
    Unicode { digits: u8, unit: u16 },
}

/// What a byte of an escape comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The escape goes on, or is a high surrogate that waits for its partner.
    More,
    /// The escape means this character.
    Char(char),
    /// U+FFFD for a high surrogate without partner, then this character.
    LoneThen(char),
    /// No escape goes on with this byte. What was read of the escape is dropped; the byte was not taken.
    Broken,
}

/// The escape under way in a string.
///
/// Call [`Self::begin`] at a backslash, [`Self::push`] with each byte while [`Self::is_under_way`], and
/// [`Self::take_lone`] before anything else: other text, or the string's end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Escape {
    state: State,
    high: Option<u16>,
}

impl Escape {
    /// A backslash was read.
    pub(crate) fn begin(&mut self) {
        self.state = State::Begun;
    }

    /// Whether the next byte belongs to an escape.
    pub(crate) fn is_under_way(&self) -> bool {
        self.state != State::Outside
    }

    /// Reads the next byte of the escape under way.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) -> Step {
        let (digits, unit) = match self.state {
            State::Outside => return Step::Broken,
            State::Begun if byte == b'u' => (0, 0),
            State::Begun => {
                self.state = State::Outside;
                return match short(byte) {
                    Some(decoded) => self.after_lone(decoded),
                    None => Step::Broken,
                };
            }
            State::Unicode { digits, unit } => match hex_digit(byte) {
                Some(digit) => (digits.saturating_add(1), unit << 4 | digit),
                None => {
                    self.state = State::Outside;
                    return Step::Broken;
                }
            },
        };
        if digits < 4 {
            self.state = State::Unicode { digits, unit };
            return Step::More;
        }
        self.state = State::Outside;
        self.unit(unit)
    }

    /// What stands for a high surrogate that waited for its partner in vain.
    pub(crate) fn take_lone(&mut self) -> Option<char> {
        self.high.take().map(|_| char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self, unit: u16) -> Step {
        match unit {
            0xd800..=0xdbff => match self.high.replace(unit) {
                Some(_) => Step::Char(char::REPLACEMENT_CHARACTER),
                None => Step::More,
            },
            0xdc00..=0xdfff => match self.high.take() {
                Some(high) => Step::Char(pair(high, unit)),
                None => Step::Char(char::REPLACEMENT_CHARACTER),
            },
            _ => {
                let decoded = char::from_u32(u32::from(unit));
                self.after_lone(decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
            }
        }
    }

    fn after_lone(&mut self, decoded: char) -> Step {
        match self.take_lone() {
            Some(_) => Step::LoneThen(decoded),
            None => Step::Char(decoded),
        }
    }
}

fn short(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

fn hex_digit(byte: u8) -> Option<u16> {
    let digit = char::from(byte).to_digit(16)?;
    u16::try_from(digit).ok()
}

fn pair(high: u16, low: u16) -> char {
    let decoded = char::decode_utf16([high, low]).next();
    decoded
        .and_then(Result::ok)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a string says that is read without regard to what is broken in it.
    fn decode(text: &str) -> String {
        let mut escape = Escape::default();
        let mut out = String::new();
        for byte in text.bytes() {
            let step = match escape.is_under_way() {
                true => escape.push(byte),
                false => Step::Broken,
            };
            match step {
                Step::More => {}
                Step::Char(c) => out.push(c),
                Step::LoneThen(c) => out.extend([char::REPLACEMENT_CHARACTER, c]),
                Step::Broken if byte == b'\\' => escape.begin(),
                Step::Broken => {
                    out.extend(escape.take_lone());
                    out.push(char::from(byte));
                }
            }
        }
        out.extend(escape.take_lone());
        out
    }

    #[test]
    fn escapes_mean_what_json_says() {
        for (text, decoded) in [
            (r#"\n\t\r\b\f\"\\\/"#, "\n\t\r\u{8}\u{c}\"\\/"),
            (r"\u0041\u00e9\u65E5", "Aé日"),
            (r"\u0000", "\0"),
            (r"\ud83e\udd80", "🦀"),
            // A surrogate without its partner.
            (r"\ud83e", "\u{fffd}"),
            (r"\udd80", "\u{fffd}"),
            (r"\ud83e\u0041", "\u{fffd}A"),
            (r"\ud83e\n", "\u{fffd}\n"),
            (r"\ud83ex\udd80", "\u{fffd}x\u{fffd}"),
            (r"\ud83e\ud83e\udd80", "\u{fffd}🦀"),
            (r"\udd80\ud83e", "\u{fffd}\u{fffd}"),
            // What is no escape.
            (r"\q", "q"),
            (r"\u00x", "x"),
            (r"\u\n", "\n"),
            (r"\ud83e\q", "\u{fffd}q"),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }
}
