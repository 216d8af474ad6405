//! Money as integers: nano-dollars (10⁻⁹ USD) in an `i64`, good for ±9.2 billion dollars.
//!
//! A token costs from tens of nano-dollars on, so that a request's cost is exact to the price list's last digit.
//! Costs are rounded up to a whole unit, once a request.

/// Nano-dollars in a dollar.
pub const DOLLAR: i64 = 1_000_000_000;

/// The largest amount that one entry of a ledger, one budget or one request's cost may be: a billion dollars.
pub const MAX_AMOUNT: i64 = 1_000_000_000 * DOLLAR;

/// How far a balance may be from zero: nine billion dollars, which a sum of any entries cannot pass unseen.
pub const MAX_BALANCE: i64 = 9 * MAX_AMOUNT;

/// The highest price: a million dollars for a million tokens.
pub const MAX_PRICE: i64 = 1_000_000 * DOLLAR;

/// Reads dollars as `12`, `0.5` or `-3.000000001`; at most nine digits after the point.
#[must_use]
pub fn parse_usd(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let amount = whole
        .parse::<i64>()
        .ok()?
        .checked_mul(DOLLAR)?
        .checked_add(nanos)?;
    Some(if negative { -amount } else { amount })
}

/// Dollars with at least two and at most nine digits after the point.
#[must_use]
pub fn format_usd(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, rest) = (
        nanos.unsigned_abs() / DOLLAR.unsigned_abs(),
        nanos.unsigned_abs() % DOLLAR.unsigned_abs(),
    );
    let fraction = format!("{rest:09}");
    let shown = fraction.trim_end_matches('0');
    format!("{sign}{whole}.{shown:0<2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        for (text, nanos) in [
            ("12", Some(12 * DOLLAR)),
            ("0.5", Some(DOLLAR / 2)),
            ("-3.000000001", Some(-3_000_000_001)),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("0.0000000001", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("", None),
            ("--1", None),
            ("+1", None),
            ("1.-5", None),
        ] {
            assert_eq!(parse_usd(text), nanos, "{text:?}");
        }
    }

    #[test]
    fn dollars_are_shown_with_two_digits_or_more() {
        for (nanos, text) in [
            (0, "0.00"),
            (DOLLAR, "1.00"),
            (1, "0.000000001"),
            (-2_500_000_000, "-2.50"),
        ] {
            assert_eq!(format_usd(nanos), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in -i64::MAX..) {
            prop_assert_eq!(parse_usd(&format_usd(nanos)), Some(nanos));
        }
    }
}
