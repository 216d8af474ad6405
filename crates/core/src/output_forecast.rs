//! The output forecast: how long answers are, learned from settled requests for each key and model.
//!
//! A request without a cap is reserved by its forecast. The forecast is an upper envelope and not a mean: it moves half
//! of the way to a longer answer and a sixteenth of the way to a shorter one, so that most reservations suffice. A
//! wrong forecast only costs a wait, since the settlement corrects it.
//!
//! It begins at the endpoint's usual output and never falls below an eighth of that, so that no number of tiny answers
//! makes later requests nearly free to begin. An answer that the client capped below the forecast is ignored. An answer
//! that was cut can only raise the forecast.
//!
//! Only answers of the upstream count. A key has [`PLACES`] places, and the hash of a model's name chooses one, so that
//! the store does not grow with the number of names. Models that share a place only have a worse forecast.

use crate::ident::KeyId;
use crate::model::ModelId;
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};

/// The places of a key, of 8 bytes each.
pub const PLACES: usize = 16;

/// The length of one answer, to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its output, in tokens.
    pub output: u64,
    /// Whether the provider counted it and it was not cut.
    pub whole: bool,
    /// The client's cap, in tokens.
    pub cap: Option<u64>,
    /// The output to expect of this endpoint without a forecast, in tokens.
    pub usual: u64,
}

fn place(model: &ModelId) -> usize {
    let places = u32::try_from(PLACES).unwrap_or(u32::MAX);
    let hash = crc32fast::hash(model.as_str().as_bytes());
    usize::try_from(hash.checked_rem(places).unwrap_or(0)).unwrap_or(0)
}

/// Reads all places of a key; zero means no forecast. Bytes of another form count as no forecast.
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

/// The output to expect of one answer, in tokens; `None` if there is no forecast.
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

/// Updates the forecast by one answer.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn learn(
    store: &impl CounterStore,
    key: &KeyId,
    model: &ModelId,
    sample: &Sample,
) -> Result<(), StoreError> {
    let name = names::output_forecast(key);
    let learned = update(store, &name, Retry::Briefly, |bytes| {
        let mut places = bytes.map(read).unwrap_or_default();
        let Some(known) = places.get_mut(place(model)) else {
            return Change::Keep(());
        };
        let next = sample.follow(if *known > 0 { *known } else { sample.usual });
        if *known == next {
            return Change::Keep(());
        }
        *known = next;
        Change::Write(places.into_iter().flat_map(u64::to_le_bytes).collect(), ())
    });
    match learned {
        // Other workers learn from similar answers.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

impl Sample {
    /// The next forecast, after the forecast `known`.
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

    fn whole(output: u64) -> Sample {
        Sample {
            output,
            whole: true,
            cap: None,
            usual: USUAL,
        }
    }

    #[test]
    fn the_forecast_rises_fast_falls_slowly_and_ignores_capped_answers() {
        let store = MemoryStore::default();
        let (key, model) = (key(), model("gpt-4o"));
        assert_eq!(expected(&store, &key, &model), Ok(None));
        let capped = |output, cap| Sample {
            cap: Some(cap),
            ..whole(output)
        };
        let cut = |output| Sample {
            whole: false,
            ..whole(output)
        };
        for (sample, known) in [
            (whole(360), 960),
            (whole(3_000), 1_980),
            (whole(1_980), 1_980),
            // A cap below the forecast is ignored, one above it counts.
            (capped(1, 1), 1_980),
            (capped(1_980, 1_980), 1_980),
            (capped(380, 4_000), 1_880),
            (capped(3_880, 3_880), 2_880),
            // A cut answer was at least this long.
            (cut(10), 2_880),
            (cut(4_880), 3_880),
        ] {
            learn(&store, &key, &model, &sample).unwrap();
            assert_eq!(
                expected(&store, &key, &model),
                Ok(Some(known)),
                "after {sample:?}"
            );
        }
    }

    #[test]
    fn the_forecast_keeps_an_eighth_of_the_usual_output() {
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
        // Common names have separate places.
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
    fn foreign_bytes_count_as_no_forecast_and_are_overwritten() {
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
        fn the_forecast_stays_within_the_answers_and_converges(
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
