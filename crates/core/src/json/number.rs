//! A JSON number read digit by digit, judged as a count.

/// The largest count that is told apart: larger numbers are read as this, so that caps, choices and
/// prompts can be multiplied in 64 bits.
pub const MAX_COUNT: u64 = u32::MAX as u64;

/// What a number is when it is to count something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// A whole number of zero or more; `1e3` and `1.0` are whole. At most [`MAX_COUNT`].
    Whole(u64),
    /// Less than zero.
    Negative,
    /// Not whole.
    Fractional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Sign,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    ExponentSign,
    Exponent,
}

/// The grammar of RFC 8259 §6, and enough of the value to judge it exactly whatever its length:
/// `significand × 10^(exponent + zeros − fraction_digits)`, the significand without its trailing zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    part: Part,
    negative: bool,
    significand: u64,
    zeros: u64,
    fraction_digits: u64,
    exponent: u64,
    exponent_negative: bool,
}

impl Number {
    /// Begins with the first byte of a number, `-` or a digit; nothing else begins one.
    pub(crate) fn begin(first: u8) -> Option<Self> {
        let mut number = Self {
            part: Part::Sign,
            negative: false,
            significand: 0,
            zeros: 0,
            fraction_digits: 0,
            exponent: 0,
            exponent_negative: false,
        };
        if first == b'-' {
            number.negative = true;
            return Some(number);
        }
        number.push(first).then_some(number)
    }

    /// Takes the next byte where the grammar allows it; `false` where the number does not go on with it.
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        use Part::{E, Exponent, ExponentSign, Fraction, Integer, Point, Sign, Zero};
        let next = match (self.part, byte) {
            (Sign, b'0') => Zero,
            (Sign, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => E,
            (E, b'+' | b'-') => ExponentSign,
            (E | ExponentSign | Exponent, b'0'..=b'9') => Exponent,
            _ => return false,
        };
        let digit = u64::from(byte.wrapping_sub(b'0'));
        match next {
            Integer => self.digit(digit),
            Fraction => {
                self.fraction_digits = self.fraction_digits.saturating_add(1);
                self.digit(digit);
            }
            Exponent => self.exponent = self.exponent.saturating_mul(10).saturating_add(digit),
            ExponentSign => self.exponent_negative = byte == b'-',
            Sign | Zero | Point | E => {}
        }
        self.part = next;
        true
    }

    fn digit(&mut self, digit: u64) {
        if digit == 0 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        let shift = self.zeros.saturating_add(1);
        self.significand = times_power_of_ten(self.significand, shift).saturating_add(digit);
        self.zeros = 0;
    }

    /// The number as a count; nothing where it stops before it is complete (`-`, `1.`, `1e`).
    pub(crate) fn end(self) -> Option<Count> {
        use Part::{Exponent, Fraction, Integer, Zero};
        if !matches!(self.part, Zero | Integer | Fraction | Exponent) {
            return None;
        }
        if self.significand == 0 {
            return Some(Count::Whole(0));
        }
        let (mut up, mut down) = (self.zeros, self.fraction_digits);
        if self.exponent_negative {
            down = down.saturating_add(self.exponent);
        } else {
            up = up.saturating_add(self.exponent);
        }
        // The significand's last digit is not zero, so it can be divided by no power of ten.
        Some(if self.negative {
            Count::Negative
        } else if down > up {
            Count::Fractional
        } else {
            let value = times_power_of_ten(self.significand, up.saturating_sub(down));
            Count::Whole(value.min(MAX_COUNT))
        })
    }
}

fn times_power_of_ten(value: u64, power: u64) -> u64 {
    if value == 0 {
        return 0;
    }
    let factor = u32::try_from(power).ok().and_then(|p| 10u64.checked_pow(p));
    factor.map_or(u64::MAX, |f| value.saturating_mul(f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Count> {
        let (first, rest) = text.as_bytes().split_first()?;
        let mut number = Number::begin(*first)?;
        rest.iter().all(|b| number.push(*b)).then_some(())?;
        number.end()
    }

    #[test]
    fn numbers_are_judged_exactly() {
        use Count::{Fractional, Negative, Whole};
        for (text, count) in [
            ("0", Whole(0)),
            ("-0", Whole(0)),
            ("0.000", Whole(0)),
            ("0e999999999999999999999", Whole(0)),
            ("7", Whole(7)),
            ("100", Whole(100)),
            ("4096", Whole(4096)),
            ("1.0", Whole(1)),
            ("1e3", Whole(1000)),
            ("1E+3", Whole(1000)),
            ("10e-1", Whole(1)),
            ("1200e-2", Whole(12)),
            ("0.5e1", Whole(5)),
            ("1.50e1", Whole(15)),
            ("4294967295", Whole(MAX_COUNT)),
            ("4294967296", Whole(MAX_COUNT)),
            ("1e20", Whole(MAX_COUNT)),
            ("99999999999999999999999999999999", Whole(MAX_COUNT)),
            ("1e99999999999999999999", Whole(MAX_COUNT)),
            ("1.5", Fractional),
            ("15e-1", Fractional),
            ("0.1", Fractional),
            ("1e-99999999999999999999", Fractional),
            ("10000000000000000000000000.5", Fractional),
            ("-1", Negative),
            ("-1.5", Negative),
            ("-1e20", Negative),
        ] {
            assert_eq!(read(text), Some(count), "{text}");
        }
        let long = format!("0.{}1e1001", "0".repeat(1000));
        assert_eq!(read(&long), Some(Whole(1)));
    }

    #[test]
    fn only_the_grammar_of_json_is_a_number() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e1",
            "0x10",
            "NaN",
            "Infinity",
            "-Infinity",
            "1_000",
            "--1",
            "1e1.5",
            "1 ",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
