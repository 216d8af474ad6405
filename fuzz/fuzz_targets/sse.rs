//! A stream is metered the same in one piece and in many, and no byte changes unless the usage event is dropped.
//!
//! The first byte selects the size of the pieces and whether the usage event is dropped.
#![no_main]

use gmtech_core::usage::{Ending, MeterPlan, Output, ResponseFacts, ResponseMeter, Usage};
use libfuzzer_sys::fuzz_target;

fn meter<'a>(drop: bool, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Usage) {
    let facts = ResponseFacts { status: 200, content_type: Some(b"text/event-stream"), content_encoding: None };
    let plan = MeterPlan { prompt_estimate: 10, output_estimate: 100, generates: true, drop_usage_event: drop };
    let mut meter = ResponseMeter::new(&facts, plan);
    let mut out = Vec::new();
    for piece in pieces {
        match meter.push(piece) {
            Output::Unchanged => out.extend_from_slice(piece),
            Output::Replaced(bytes) => out.extend(bytes),
        }
        assert!(meter.held_bytes() <= 32 << 10);
    }
    let metered = meter.finish(Ending::Complete);
    out.extend(metered.tail);
    (out, metered.usage)
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let drop = choice & 1 == 1;
    let size = 1 + usize::from(choice >> 1);
    let whole = meter(drop, std::iter::once(body));
    assert_eq!(whole, meter(drop, body.chunks(size)));
    if !drop {
        assert_eq!(whole.0, body);
    }
});
