//! A number as a parameter that counts something.

use crate::json::Decimal;

/// The largest count that is told apart: larger numbers are read as this, so that caps, choices and
/// prompts can be multiplied in 64 bits.
pub const MAX_COUNT: u64 = u32::MAX as u64;

/// What a number is when it is to count something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// A whole number of zero or more; `1e3` and `1.0` are whole. At most [`MAX_COUNT`].
    Whole(u64),
    /// Less than zero.
    Negative,
    /// Not whole.
    Fractional,
}

impl From<Decimal> for Count {
    fn from(number: Decimal) -> Self {
        match number {
            Decimal { negative: true, .. } => Self::Negative,
            Decimal { fraction: true, .. } => Self::Fractional,
            Decimal { whole, .. } => Self::Whole(whole.min(MAX_COUNT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_whole_and_not_negative() {
        let read = |negative, whole, fraction| {
            Count::from(Decimal {
                negative,
                whole,
                fraction,
            })
        };
        assert_eq!(read(false, 0, false), Count::Whole(0));
        assert_eq!(read(false, MAX_COUNT, false), Count::Whole(MAX_COUNT));
        assert_eq!(read(false, u64::MAX, false), Count::Whole(MAX_COUNT));
        assert_eq!(read(false, 1, true), Count::Fractional);
        assert_eq!(read(true, 1, false), Count::Negative);
        assert_eq!(read(true, 0, true), Count::Negative);
    }
}
