//! Whether a part of a report is counted in its whole or beside it: told by the report's own total.
//!
//! Providers and gateways differ in what a prompt and a completion contain. OpenAI counts cached tokens in the prompt and
//! reasoning in the completion; Anthropic counts what the cache read and wrote beside the input; xAI counts reasoning beside
//! the completion; gateways that translate one form into another keep the numbers of either. Only one reading of a report adds
//! up to its total.
//!
//! # Rules
//! 1. No part is larger than its whole: one that is stands beside it. But where the total is the sum of the wholes, a part that is
//!    larger by up to a quarter was counted by another tokenizer, and is all of its whole.
//! 2. Of the readings that add up to the total, the one that is nearest to the provider's documented form holds.
//! 3. Without a total, or if nothing adds up to it, the documented form holds.

use super::kind::TokenKind;
use super::tokens::Tokens;

/// Where a form counts a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its whole.
    Inside,
    /// Beside it: whole and part are added.
    Beside,
}

/// A part of the input or of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The whole: input or output.
    pub(super) whole: TokenKind,
    /// Its own kind; the whole's, if there is none for it.
    pub(super) kind: TokenKind,
    pub(super) count: u64,
    /// Where the form counts it.
    pub(super) usual: Place,
    /// Whether the total is asked.
    pub(super) told_by_total: bool,
}

impl Part {
    /// A part that this form counts in its whole.
    pub(super) fn inside(kind: TokenKind, count: u64) -> Self {
        Self {
            whole: kind.part_of().unwrap_or(kind),
            kind,
            count,
            usual: Place::Inside,
            told_by_total: true,
        }
    }

    /// A part that this form counts beside its whole.
    pub(super) fn beside(kind: TokenKind, count: u64) -> Self {
        Self {
            usual: Place::Beside,
            ..Self::inside(kind, count)
        }
    }

    /// The same, whatever the total says.
    pub(super) fn always(self) -> Self {
        Self {
            told_by_total: false,
            ..self
        }
    }
}

/// The tokens of a report with these wholes, as it states them, its total (zero for none) and its parts.
pub(super) fn tokens<const N: usize>(
    input: u64,
    output: u64,
    total: u64,
    parts: [Part; N],
) -> Tokens {
    let whole_of = |part: &Part| match part.whole {
        TokenKind::Output => output,
        _ => input,
    };
    let wholes_are_all = total > 0 && input.saturating_add(output) == total;
    let clipped = parts.map(|part| {
        let whole = whole_of(&part);
        let is_all = wholes_are_all && part.told_by_total && part.count > whole;
        let count = if is_all && part.count - whole <= whole / 4 {
            whole
        } else {
            part.count
        };
        Part { count, ..part }
    });
    let parts = clipped.as_slice();
    let fits = |reading: u32| {
        let inside = |whole| {
            let parts = parts.iter().enumerate();
            parts
                .filter(|(n, part)| part.whole == whole && !is_beside(reading, *n))
                .fold(0u64, |sum, (_, part)| sum.saturating_add(part.count))
        };
        inside(TokenKind::Input) <= input && inside(TokenKind::Output) <= output
    };
    let sum = |reading: u32| {
        let parts = parts.iter().enumerate();
        parts
            .filter(|(n, _)| is_beside(reading, *n))
            .fold(input.saturating_add(output), |sum, (_, part)| {
                sum.saturating_add(part.count)
            })
    };
    let mut usual = 0;
    let mut fixed = 0;
    for (n, part) in parts.iter().enumerate() {
        let beside = part.usual == Place::Beside || part.count > whole_of(part);
        usual |= u32::from(beside) << n;
        fixed |= u32::from(!part.told_by_total || part.count == 0) << n;
    }
    let all = 1u32 << parts.len();
    let reading = (0..all)
        .filter(|reading| (reading ^ usual) & fixed == 0)
        .filter(|reading| total > 0 && fits(*reading) && sum(*reading) == total)
        .min_by_key(|reading| (reading ^ usual).count_ones())
        .unwrap_or(usual);
    let (mut input, mut output) = (input, output);
    for (n, part) in parts.iter().enumerate() {
        if is_beside(reading, n) {
            let whole = match part.whole {
                TokenKind::Output => &mut output,
                _ => &mut input,
            };
            *whole = whole.saturating_add(part.count);
        }
    }
    let own = parts.iter().filter(|part| part.kind != part.whole);
    own.fold(
        Tokens::of(input, output).with_total(total),
        |tokens, part| tokens.with(part.kind, part.count),
    )
}

fn is_beside(reading: u32, part: usize) -> bool {
    reading >> part & 1 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TokenKind::{CacheWrite, CachedInput, Reasoning};
    use super::*;

    #[test]
    fn the_total_tells_what_stands_beside() {
        let inside = |read, written, thought| {
            [
                Part::inside(CachedInput, read),
                Part::inside(CacheWrite, written),
                Part::inside(Reasoning, thought),
            ]
        };
        for (what, (input, output, total), (read, written, thought), (all_in, all_out)) in [
            ("no parts", (10, 5, 15), (0, 0, 0), (10, 5)),
            ("all inside", (10, 5, 15), (4, 3, 2), (10, 5)),
            (
                "the cache beside",
                (368, 19, 10_923),
                (10_536, 0, 0),
                (10_904, 19),
            ),
            ("what was read beside", (100, 5, 145), (40, 60, 0), (140, 5)),
            ("both beside", (100, 5, 205), (40, 60, 0), (200, 5)),
            ("reasoning beside", (37, 11, 439), (0, 0, 391), (37, 402)),
            (
                "reasoning beside, small",
                (37, 400, 447),
                (0, 0, 10),
                (37, 410),
            ),
            (
                "reasoning beside the total too",
                (108, 3_256, 3_364),
                (0, 0, 73_248),
                (108, 76_504),
            ),
            (
                "more than the total explains",
                (10, 5, 100),
                (4, 0, 2),
                (10, 5),
            ),
            ("without a total", (10, 5, 0), (4, 3, 2), (10, 5)),
            (
                "without a total, and too large",
                (10, 5, 0),
                (40, 3, 20),
                (50, 25),
            ),
            (
                "counted by another tokenizer",
                (43, 10, 53),
                (0, 0, 11),
                (43, 10),
            ),
            (
                "everything read from the cache",
                (40, 5, 45),
                (40, 0, 5),
                (40, 5),
            ),
        ] {
            let tokens = tokens(input, output, total, inside(read, written, thought));
            assert_eq!(
                (tokens.input(), tokens.output()),
                (all_in, all_out),
                "{what}"
            );
            assert_eq!(tokens.get(CachedInput), read, "{what}");
        }
    }

    #[test]
    fn the_documented_form_holds_unless_the_total_says_otherwise() {
        for (total, input) in [(0, 2_009), (2_061, 2_009), (261, 209), (9, 2_009)] {
            let parts = [
                Part::beside(CachedInput, 1_800),
                Part::beside(CacheWrite, 0),
            ];
            let tokens = tokens(209, 52, total, parts);
            // More was read than the input has: it can only stand beside.
            assert_eq!(tokens.input(), 2_009.max(input), "{total}");
        }
        let parts = [Part::beside(CachedInput, 100)];
        assert_eq!(tokens(209, 52, 261, parts).input(), 209);
        assert_eq!(tokens(209, 52, 361, parts).input(), 309);
        let parts = [Part::beside(Reasoning, 20).always()];
        assert_eq!(tokens(209, 52, 261, parts).output(), 72);
    }

    proptest! {
        #[test]
        fn every_part_fits_and_nothing_stated_is_lost(
            input in 0u64..1_000, output in 0u64..1_000, total in 0u64..4_000,
            read in 0u64..1_000, written in 0u64..1_000, thought in 0u64..1_000, beside: [bool; 3],
        ) {
            let part = |kind, count, beside| if beside { Part::beside(kind, count) } else { Part::inside(kind, count) };
            let parts = [
                part(CachedInput, read, beside[0]), part(CacheWrite, written, beside[1]), part(Reasoning, thought, beside[2]),
            ];
            let tokens = tokens(input, output, total, parts);
            prop_assert!(tokens.input() >= input.max(tokens.get(CachedInput)).max(tokens.get(CacheWrite)));
            prop_assert!(tokens.output() >= output.max(tokens.get(Reasoning)));
            prop_assert!(tokens.get(Reasoning) + thought / 4 >= thought);
            prop_assert!(tokens.input() + tokens.output() <= input + output + read + written + thought);
        }
    }
}
