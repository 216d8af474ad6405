//! A number, read digit by digit.

/// What a number says. `1e3`, `1000` and `1000.0` say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Whether it is less than zero; `-0` is not.
    pub(crate) negative: bool,
    /// The whole part of its size, rounded towards zero: exact up to 10^17, at least 10^17 beyond that.
    pub(crate) whole: u64,
    /// Whether a part is left behind the whole one.
    pub(crate) fraction: bool,
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

/// The grammar of RFC 8259 §6, and enough of the value to judge it exactly whatever its length.
///
/// The value is `digits × 10^(dropped − fraction_digits + exponent)`; its last digit that is not zero stands at
/// `10^(zeros − fraction_digits + exponent)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    part: Part,
    negative: bool,
    /// The first digits, as many as fit.
    digits: u64,
    /// How many digits came after these.
    dropped: i64,
    /// How many zeros came last.
    zeros: i64,
    fraction_digits: i64,
    exponent: i64,
    exponent_negative: bool,
}

impl Number {
    /// Begins with the first byte of a number, `-` or a digit; nothing else begins one.
    pub(crate) fn begin(first: u8) -> Option<Self> {
        let mut number = Self {
            part: Part::Sign,
            negative: first == b'-',
            digits: 0,
            dropped: 0,
            zeros: 0,
            fraction_digits: 0,
            exponent: 0,
            exponent_negative: false,
        };
        (number.negative || number.push(first)).then_some(number)
    }

    /// Reads the next byte where the grammar allows it; `false` where the number does not go on with it.
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
        let digit = byte.wrapping_sub(b'0');
        match next {
            Integer => self.digit(digit),
            Fraction => {
                self.fraction_digits = self.fraction_digits.saturating_add(1);
                self.digit(digit);
            }
            Exponent => {
                self.exponent = self
                    .exponent
                    .saturating_mul(10)
                    .saturating_add(i64::from(digit));
            }
            ExponentSign => self.exponent_negative = byte == b'-',
            Sign | Zero | Point | E => {}
        }
        self.part = next;
        true
    }

    fn digit(&mut self, digit: u8) {
        if self.digits <= u64::MAX / 100 {
            self.digits = self.digits * 10 + u64::from(digit);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.zeros = match digit {
            0 => self.zeros.saturating_add(1),
            _ => 0,
        };
    }

    /// What the number says; nothing where it stops before it is complete (`-`, `1.`, `1e`).
    pub(crate) fn end(self) -> Option<Decimal> {
        use Part::{Exponent, Fraction, Integer, Zero};
        if !matches!(self.part, Zero | Integer | Fraction | Exponent) {
            return None;
        }
        if self.part == Integer && self.dropped == 0 {
            // By far the most are these.
            return Some(Decimal {
                negative: self.negative,
                whole: self.digits,
                fraction: false,
            });
        }
        let exponent = match self.exponent_negative {
            true => self.exponent.saturating_neg(),
            false => self.exponent,
        };
        let point = exponent.saturating_sub(self.fraction_digits);
        Some(Decimal {
            negative: self.negative && self.digits > 0,
            whole: shifted(self.digits, point.saturating_add(self.dropped)),
            fraction: self.digits > 0 && point.saturating_add(self.zeros) < 0,
        })
    }
}

/// `digits × 10^power`, rounded towards zero, at most `u64::MAX`.
fn shifted(digits: u64, power: i64) -> u64 {
    let size = u32::try_from(power.unsigned_abs()).ok();
    match (size.and_then(|p| 10u64.checked_pow(p)), power < 0) {
        (Some(factor), false) => digits.saturating_mul(factor),
        (Some(factor), true) => digits / factor,
        (None, false) if digits > 0 => u64::MAX,
        (None, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn read(text: &str) -> Option<Decimal> {
        let (first, rest) = text.as_bytes().split_first()?;
        let mut number = Number::begin(*first)?;
        rest.iter().all(|b| number.push(*b)).then_some(())?;
        number.end()
    }

    #[test]
    fn numbers_are_read_exactly() {
        const HUGE: u64 = u64::MAX;
        for (text, negative, whole, fraction) in [
            ("0", false, 0, false),
            ("-0", false, 0, false),
            ("-0.0e7", false, 0, false),
            ("0.000", false, 0, false),
            ("0e999999999999999999999", false, 0, false),
            ("7", false, 7, false),
            ("100", false, 100, false),
            ("1.0", false, 1, false),
            ("12.9", false, 12, true),
            ("1e3", false, 1000, false),
            ("1E+3", false, 1000, false),
            ("1.5E+3", false, 1500, false),
            ("10e-1", false, 1, false),
            ("1200e-2", false, 12, false),
            ("0.5e1", false, 5, false),
            ("15e-1", false, 1, true),
            ("0.1", false, 0, true),
            ("0.0000000000000000000000000001e30", false, 100, false),
            ("100000000000000000", false, 100_000_000_000_000_000, false),
            ("1e20", false, HUGE, false),
            ("1e99999999999999999999", false, HUGE, false),
            ("1e-99999999999999999999", false, 0, true),
            ("-1", true, 1, false),
            ("-0.5", true, 0, true),
            ("-1e20", true, HUGE, false),
            // More digits than a double tells apart, or than are kept.
            ("9007199254740993", false, 9_007_199_254_740_993, false),
            ("1.00000000000000000000000000000001", false, 1, true),
            ("1.00000000000000000000000000000000", false, 1, false),
            ("123456789012345678901234567890e-28", false, 12, true),
            ("100000000000000000000000000000e-28", false, 10, false),
        ] {
            let expected = Decimal {
                negative,
                whole,
                fraction,
            };
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let zeros = "0".repeat(1000);
        let whole = |text: &str| read(text).map(|n| (n.whole, n.fraction));
        assert_eq!(whole(&format!("0.{zeros}1e1001")), Some((1, false)));
        assert_eq!(whole(&format!("1{zeros}e-999")), Some((10, false)));
        assert_eq!(whole(&format!("1{zeros}1e-1001")), Some((1, true)));
        let far = read("12345678901234567890123").map(|n| (n.whole >= 10u64.pow(17), n.fraction));
        assert_eq!(far, Some((true, false)));
        let far = read("12345678901234567890123.5").map(|n| (n.whole >= 10u64.pow(17), n.fraction));
        assert_eq!(far, Some((true, true)));
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
            "1.2.3",
            "1e2e3",
            "1 ",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_is_a_number_to_serde_is_one_here(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?|[-+.eE0-9]{0,6}") {
            prop_assert_eq!(read(&text).is_some(), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn however_a_number_is_written_it_says_the_same(n in 0u64..10u64.pow(17), zeros in 0usize..40, point in 0usize..40, negative: bool) {
            let sign = if negative { "-" } else { "" };
            let digits = format!("{n}{}", "0".repeat(zeros));
            let at = digits.len().saturating_sub(point).max(1);
            let (whole, fraction) = digits.split_at(at);
            let dot = if fraction.is_empty() { "" } else { "." };
            let exponent = fraction.len() as i64 - zeros as i64;
            let text = format!("{sign}{whole}{dot}{fraction}e{exponent}");
            let expected = Decimal { negative: negative && n > 0, whole: n, fraction: false };
            prop_assert_eq!(read(&text), Some(expected), "{}", text);
        }

        #[test]
        fn a_double_is_cut_to_its_whole_part(n in -1e16..1e16f64) {
            let text = serde_json::to_string(&n).unwrap();
            let expected = Decimal { negative: n < 0.0, whole: n.abs().trunc() as u64, fraction: n.fract() != 0.0 };
            prop_assert_eq!(read(&text), Some(expected), "{}", text);
        }
    }
}
