//! An answer that is labelled as JSON, or as something else, is metered the same in one piece and in many, and passes the same.
//!
//! The first byte selects the size of the pieces, the label and how the answer ends.
#![no_main]

use gmtech_core::usage::{Ending, MeterPlan, Output, ResponseFacts, ResponseMeter, Usage};
use libfuzzer_sys::fuzz_target;

const LABELS: [Option<&[u8]>; 4] = [Some(b"application/json"), Some(b"text/plain"), Some(b"audio/mpeg"), None];

fn meter<'a>(label: Option<&[u8]>, ending: Ending, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Usage) {
    let facts = ResponseFacts { status: 200, content_type: label, content_encoding: None };
    let plan = MeterPlan { prompt_estimate: 10, output_estimate: 100, generates: true, drop_usage_event: true };
    let mut meter = ResponseMeter::new(&facts, plan);
    let mut out = Vec::new();
    for piece in pieces {
        match meter.push(piece) {
            Output::Unchanged => out.extend_from_slice(piece),
            Output::Replaced(bytes) => out.extend(bytes),
        }
        assert!(meter.held_bytes() <= 16 << 10);
    }
    let metered = meter.finish(ending);
    out.extend(metered.tail);
    (out, metered.usage)
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let ending = if choice & 1 == 1 { Ending::Complete } else { Ending::Cut };
    let label = LABELS[usize::from(choice >> 1) % LABELS.len()];
    let size = 1 + usize::from(choice >> 3);
    assert_eq!(meter(label, ending, std::iter::once(body)), meter(label, ending, body.chunks(size)));
});
