//! Output sizes learned from settled requests, for each key and model.
//!
//! A reservation without a declared cap needs to know how long answers usually are. What is kept is an
//! upper envelope rather than a mean: it follows a longer answer half of the way at once and a shorter one
//! slowly, so that most reservations suffice. A wrong one only costs a wait: settlement puts it right.
//!
//! It begins at what is usual for the endpoint and never falls below an eighth of that, so that neither a tiny answer
//! nor any number of them makes what follows nearly free to begin. An answer whose client had capped it below what is
//! expected says nothing of how long answers are; nor does one that was cut, but that they are at least so long.
//!
//! Only answers that the upstream gave are learned from. A key has [`PLACES`] places, and a model one of them by its hash,
//! so that no number of names makes the store grow. Models that share a place have a worse forecast, no more.

use crate::ident::KeyId;
use crate::model::ModelId;
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};

/// Places of a key, 8 bytes each.
pub const PLACES: usize = 16;

/// What an answer has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Its output, in tokens.
    pub output: u64,
    /// Whether that was all of it, by the provider's own count.
    pub whole: bool,
    /// What its client had capped it at.
    pub cap: Option<u64>,
    /// What is expected of this endpoint before anything was learned.
    pub usual: u64,
}

fn place(model: &ModelId) -> usize {
    let places = u32::try_from(PLACES).unwrap_or(u32::MAX);
    let hash = crc32fast::hash(model.as_str().as_bytes());
    usize::try_from(hash.checked_rem(places).unwrap_or(0)).unwrap_or(0)
}

/// All places of a key; zero where nothing was learned. Foreign bytes count as nothing learned.
fn read(bytes: &[u8]) -> [u64; PLACES] {
    let mut places = [0; PLACES];
    if let (words, []) = bytes.as_chunks::<8>()
        && words.len() == PLACES
    {
        for (place, word) in places.iter_mut().zip(words) {
            *place = u64::from_le_bytes(*word);
        }
    }
    places
}

/// The output, in tokens, to expect of one answer; `None` where nothing was learned.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn expected(
    store: &impl CounterStore,
    key: &KeyId,
    model: &ModelId,
) -> Result<Option<u64>, StoreError> {
    let learned = store.get(&names::output_forecast(key))?;
    let places = learned.map(|(bytes, _)| read(&bytes)).unwrap_or_default();
    Ok(places.get(place(model)).copied().filter(|known| *known > 0))
}

/// Learns from one answer.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn learn(
    store: &impl CounterStore,
    key: &KeyId,
    model: &ModelId,
    lesson: &Lesson,
) -> Result<(), StoreError> {
    let name = names::output_forecast(key);
    let learned = update(store, &name, Retry::Briefly, |bytes| {
        let mut places = bytes.map(read).unwrap_or_default();
        let Some(known) = places.get_mut(place(model)) else {
            return Change::Keep(());
        };
        let next = lesson.follow(if *known > 0 { *known } else { lesson.usual });
        if *known == next {
            return Change::Keep(());
        }
        *known = next;
        Change::Write(places.into_iter().flat_map(u64::to_le_bytes).collect(), ())
    });
    match learned {
        // Other workers learn from the same answers.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

impl Lesson {
    /// What to expect after it, where `known` was expected before.
    fn follow(&self, known: u64) -> u64 {
        if self.output >= known {
            return known.saturating_add(self.output.saturating_sub(known).div_ceil(2));
        }
        let capped = self.cap.is_some_and(|cap| cap <= known);
        let least = self.usual.div_ceil(8).max(1);
        if capped || !self.whole || known <= least {
            return known;
        }
        let fallen = known.saturating_sub(known.saturating_sub(self.output).div_ceil(16));
        fallen.max(least)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shared::memory::MemoryStore;

    const USUAL: u64 = 1_000;

    fn key() -> KeyId {
        KeyId::new("key_1").unwrap()
    }

    fn model(name: &str) -> ModelId {
        ModelId::new(name).unwrap()
    }

    fn whole(output: u64) -> Lesson {
        Lesson {
            output,
            whole: true,
            cap: None,
            usual: USUAL,
        }
    }

    #[test]
    fn it_rises_fast_and_falls_slowly_and_only_from_what_tells() {
        let store = MemoryStore::default();
        let (key, model) = (key(), model("gpt-4o"));
        assert_eq!(expected(&store, &key, &model), Ok(None));
        let capped = |output, cap| Lesson {
            cap: Some(cap),
            ..whole(output)
        };
        let cut = |output| Lesson {
            whole: false,
            ..whole(output)
        };
        for (lesson, known) in [
            (whole(360), 960),
            (whole(3_000), 1_980),
            (whole(1_980), 1_980),
            // A cap below what is expected says nothing, one above does.
            (capped(1, 1), 1_980),
            (capped(1_980, 1_980), 1_980),
            (capped(380, 4_000), 1_880),
            (capped(3_880, 3_880), 2_880),
            // What was cut was at least so long.
            (cut(10), 2_880),
            (cut(4_880), 3_880),
        ] {
            learn(&store, &key, &model, &lesson).unwrap();
            assert_eq!(
                expected(&store, &key, &model),
                Ok(Some(known)),
                "after {lesson:?}"
            );
        }
    }

    #[test]
    fn no_number_of_tiny_answers_makes_it_forget_what_is_usual() {
        let store = MemoryStore::default();
        let (key, model) = (key(), model("gpt-4o"));
        let known = || expected(&store, &key, &model).unwrap();
        learn(&store, &key, &model, &whole(1)).unwrap();
        assert_eq!(known(), Some(937), "not after one");
        for _ in 0..1_000 {
            learn(&store, &key, &model, &whole(1)).unwrap();
        }
        assert_eq!(known(), Some(USUAL / 8), "and not after a thousand");
        learn(&store, &key, &model, &whole(16_125)).unwrap();
        assert_eq!(known(), Some(8_125), "one long answer is enough");
    }

    #[test]
    fn no_number_of_models_makes_the_store_grow() {
        let store = MemoryStore::default();
        for n in 0..5_000 {
            learn(&store, &key(), &model(&format!("model-{n}")), &whole(n)).unwrap();
        }
        assert_eq!(store.len(), 1);
        let (value, _) = store.get(b"o/key_1").unwrap().unwrap();
        assert_eq!(value.len(), 8 * PLACES);
        // Usual names have places of their own.
        let names = [
            "gpt-4o",
            "gpt-4o-mini",
            "claude-sonnet-4-5",
            "text-embedding-3-small",
        ];
        let places: std::collections::HashSet<_> = names.map(|n| place(&model(n))).into();
        assert_eq!(places.len(), names.len());
    }

    #[test]
    fn foreign_bytes_count_as_nothing_learned_and_are_written_over() {
        for bytes in [&b""[..], &[1; 8], &[1; 129], &[1; 136]] {
            let store = MemoryStore::default();
            store.swap(b"o/key_1", bytes, None).unwrap();
            let model = model("gpt-4o");
            assert_eq!(expected(&store, &key(), &model), Ok(None));
            learn(&store, &key(), &model, &whole(2_000)).unwrap();
            assert_eq!(expected(&store, &key(), &model), Ok(Some(1_500)));
        }
    }

    proptest! {
        #[test]
        fn it_stays_between_the_shortest_and_the_longest_and_arrives(
            outputs in proptest::collection::vec(200u64..100_000, 1..50), last in 200u64..100_000,
        ) {
            let store = MemoryStore::default();
            let (key, model) = (key(), model("gpt-4o"));
            for output in &outputs {
                learn(&store, &key, &model, &whole(*output)).unwrap();
                let now = expected(&store, &key, &model).unwrap().unwrap_or(USUAL);
                prop_assert!(outputs.iter().min().unwrap().min(&USUAL) <= &now);
                prop_assert!(&now <= outputs.iter().max().unwrap().max(&USUAL));
            }
            for _ in 0..400 { learn(&store, &key, &model, &whole(last)).unwrap(); }
            prop_assert_eq!(expected(&store, &key, &model).unwrap().unwrap_or(USUAL), last);
        }
    }
}
