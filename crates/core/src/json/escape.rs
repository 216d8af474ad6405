//! JSON's escapes, undone byte by byte.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    /// After the backslash.
    Begun,
    Unicode {
        left: u8,
        unit: u32,
    },
}

/// What a byte within an escape comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The escape goes on, or meant no character by itself.
    More,
    /// The escape meant this character.
    Char(char),
    /// The byte belongs to no escape: this was none.
    NotMine,
}

/// The escape under way in a string.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Escape {
    state: State,
    high_surrogate: Option<u32>,
}

impl Escape {
    /// A backslash came.
    pub(crate) fn begin(&mut self) {
        self.state = State::Begun;
    }

    /// Whether the next byte belongs to an escape.
    pub(crate) fn is_under_way(&self) -> bool {
        self.state != State::Outside
    }

    /// Takes the next byte of the escape under way.
    pub(crate) fn push(&mut self, byte: u8) -> Step {
        let (state, step) = match (self.state, byte) {
            (State::Outside, _) => (State::Outside, Step::NotMine),
            (State::Begun, b'u') => (State::Unicode { left: 4, unit: 0 }, Step::More),
            (State::Begun, _) => (State::Outside, Step::Char(plain(byte))),
            (State::Unicode { left, unit }, _) => match char::from(byte).to_digit(16) {
                None => (State::Outside, Step::NotMine),
                Some(digit) if left > 1 => {
                    let unit = (unit << 4) | digit;
                    let left = left - 1;
                    (State::Unicode { left, unit }, Step::More)
                }
                Some(digit) => (State::Outside, self.unit((unit << 4) | digit)),
            },
        };
        self.state = state;
        step
    }

    /// One UTF-16 unit: two surrogates make a character.
    fn unit(&mut self, unit: u32) -> Step {
        let code = match (unit, self.high_surrogate.take()) {
            (0xd800..=0xdbff, _) => {
                self.high_surrogate = Some(unit);
                return Step::More;
            }
            (0xdc00..=0xdfff, Some(high)) => 0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff),
            _ => unit,
        };
        Step::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

fn plain(byte: u8) -> char {
    match byte {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of a string of nothing but escapes, each begun by its backslash.
    fn decode(escapes: &str) -> String {
        let mut escape = Escape::default();
        let mut out = String::new();
        for byte in escapes.bytes() {
            if !escape.is_under_way() && byte == b'\\' {
                escape.begin();
                continue;
            }
            match escape.push(byte) {
                Step::Char(c) => out.push(c),
                Step::NotMine if byte == b'\\' => escape.begin(),
                Step::NotMine => out.push(char::from(byte)),
                Step::More => {}
            }
        }
        out
    }

    #[test]
    fn escapes_mean_what_json_says() {
        for (escapes, text) in [
            (r#"\n\t\r\b\f\"\\\/"#, "\n\t\r\u{8}\u{c}\"\\/"),
            (r"\u0041\u00e9\u65E5", "Aé日"),
            (r"\ud83e\udd80", "🦀"),
            (r"\udd80", "\u{fffd}"),
            (r"\ud83e\u0041", "A"),
            (r"\u00x", "x"),
            (r"\u\n", "\n"),
        ] {
            assert_eq!(decode(escapes), text, "{escapes}");
        }
    }
}
