//! A JSON number, byte by byte, read as a count of tokens.

/// Above this a count is a broken upstream's, not an answer's: a thousand times the largest context. It is
/// ignored, since debt is carried and one absurd report would shut a customer out for years.
pub(super) const MAX_COUNT: u64 = 1_000_000_000;

/// Powers of ten beyond this make any digit implausible, or nothing.
const MAX_EXPONENT: i32 = 10_000;

/// A number under way. Fractions are cut off; what is negative, implausible or no number is no count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    digits: u64,
    /// The power of ten that the digits are to be multiplied with, from the fraction and long digits.
    shift: i32,
    exponent: i32,
    part: Part,
    negative: bool,
    negative_exponent: bool,
    any_digit: bool,
    broken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Whole,
    Fraction,
    Exponent,
}

impl Number {
    /// Takes a byte, or says that it is no longer the number's.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match byte {
            b'0'..=b'9' => self.digit(u64::from(byte - b'0')),
            b'.' => self.turn(Part::Whole, Part::Fraction),
            b'e' | b'E' if self.part == Part::Whole => self.turn(Part::Whole, Part::Exponent),
            b'e' | b'E' => self.turn(Part::Fraction, Part::Exponent),
            b'-' if self.part == Part::Exponent => self.negative_exponent = true,
            b'-' => self.negative = true,
            b'+' => {}
            _ => return false,
        }
        true
    }

    fn turn(&mut self, from: Part, to: Part) {
        self.broken |= self.part != from;
        self.part = to;
    }

    fn digit(&mut self, digit: u64) {
        if self.part == Part::Exponent {
            let grown = self.exponent.saturating_mul(10);
            self.exponent = grown.saturating_add(digit as i32).min(MAX_EXPONENT);
            return;
        }
        self.any_digit = true;
        let fits = self.digits <= u64::MAX / 100;
        if fits {
            self.digits = self.digits * 10 + digit;
        }
        match (self.part, fits) {
            (Part::Whole, false) => self.shift = self.shift.saturating_add(1),
            (Part::Fraction, true) => self.shift = self.shift.saturating_sub(1),
            _ => {}
        }
    }

    /// The count, if it is one.
    pub(super) fn count(&self) -> Option<u64> {
        if self.broken || !self.any_digit {
            return None;
        }
        if self.negative && self.digits > 0 {
            return None;
        }
        let exponent = if self.negative_exponent {
            -self.exponent
        } else {
            self.exponent
        };
        let shift = self.shift.saturating_add(exponent);
        let power = 10u64.checked_pow(shift.unsigned_abs());
        let value = match (shift >= 0, power) {
            _ if self.digits == 0 => 0,
            (true, Some(power)) => self.digits.saturating_mul(power),
            (true, None) => u64::MAX,
            (false, Some(power)) => self.digits / power,
            (false, None) => 0,
        };
        (value <= MAX_COUNT).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(text: &str) -> Option<u64> {
        let mut number = Number::default();
        let taken = text.bytes().all(|b| number.push(b));
        assert!(taken, "{text:?}");
        number.count()
    }

    #[test]
    fn counts_are_read_as_json_writes_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("12", Some(12)),
            ("12.0", Some(12)),
            ("12.9", Some(12)),
            ("1e3", Some(1000)),
            ("1.5E+3", Some(1500)),
            ("1200e-2", Some(12)),
            ("0.0000000000000000000000000001e30", Some(100)),
            ("1000000000", Some(1_000_000_000)),
            ("1000000001", None),
            ("1e20", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", Some(0)),
            ("0e99999999999999999999", Some(0)),
            ("99999999999999999999999999999999", None),
            ("-1", None),
            ("-", None),
            ("1.2.3", None),
            ("1e2e3", None),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
        let digits = "1".repeat(100_000);
        assert_eq!(count(&digits), None);
        assert_eq!(count(&format!("0.{digits}")), Some(0));
    }

    proptest! {
        #[test]
        fn any_plausible_integer_is_itself(n in 0..=MAX_COUNT) {
            prop_assert_eq!(count(&n.to_string()), Some(n));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut number = Number::default();
            for b in bytes { number.push(b); }
            number.count();
        }
    }
}
