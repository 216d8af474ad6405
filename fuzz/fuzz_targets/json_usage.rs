//! A JSON answer is metered the same in one piece and in many, and is never changed.
//!
//! The first byte selects the size of the pieces and how the answer ends.
#![no_main]

use gmtech_core::usage::{Ending, MeterPlan, Output, ResponseFacts, ResponseMeter, Usage};
use libfuzzer_sys::fuzz_target;

fn meter<'a>(ending: Ending, pieces: impl Iterator<Item = &'a [u8]>) -> Usage {
    let facts = ResponseFacts { status: 200, content_type: Some(b"application/json"), content_encoding: None };
    let plan = MeterPlan { prompt_estimate: 10, output_estimate: 100, generates: true, drop_usage_event: true };
    let mut meter = ResponseMeter::new(&facts, plan);
    for piece in pieces {
        assert_eq!(meter.push(piece), Output::Unchanged);
    }
    let metered = meter.finish(ending);
    assert!(metered.tail.is_empty());
    metered.usage
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let ending = if choice & 1 == 1 { Ending::Complete } else { Ending::Cut };
    let size = 1 + usize::from(choice >> 1);
    assert_eq!(meter(ending, std::iter::once(body)), meter(ending, body.chunks(size)));
});
