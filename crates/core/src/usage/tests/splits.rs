//! The split into chunks changes nothing.

use super::*;

/// A sample with other line ends. JSON strings hold no raw line ends, so that only the form changes.
fn variants(sample: &Sample) -> Vec<Vec<u8>> {
    let mut all = vec![sample.bytes.to_vec()];
    if sample.form == Form::Sse {
        let text = std::str::from_utf8(sample.bytes).unwrap();
        all.push(text.replace('\n', "\r\n").into());
        all.push(text.replace('\n', "\r").into());
        all.push([b"\xef\xbb\xbf", sample.bytes].concat());
        all.push(text.replace("data: ", "data:").into());
    }
    all
}

#[test]
fn line_ends_bom_and_missing_space_change_no_usage() {
    for sample in samples() {
        for bytes in variants(&sample) {
            let got = usage_of(sample.form, &bytes, Ending::Complete);
            assert_eq!(got, sample.usage, "{}", sample.name);
        }
    }
}

#[test]
fn every_split_of_every_sample_reads_the_same() {
    for sample in samples() {
        for bytes in variants(&sample) {
            for plan in [PLAN, DROPPING] {
                let whole = run(
                    meter(sample.form, plan),
                    [bytes.as_slice()],
                    Ending::Complete,
                );
                let bytewise = run(meter(sample.form, plan), bytes.chunks(1), Ending::Complete);
                assert_eq!(bytewise, whole, "{} byte by byte", sample.name);
                for at in 0..=bytes.len() {
                    let (a, b) = bytes.split_at(at);
                    let split = run(meter(sample.form, plan), [a, b], Ending::Complete);
                    assert_eq!(split, whole, "{} split at {at}", sample.name);
                }
            }
        }
    }
}

#[test]
fn every_pair_of_splits_of_the_short_samples_reads_the_same() {
    let short = samples().into_iter().filter(|s| s.bytes.len() <= 420);
    let mut seen = 0;
    for sample in short {
        seen += 1;
        let bytes = variants(&sample).swap_remove(usize::from(sample.form == Form::Sse));
        let whole = run(
            meter(sample.form, DROPPING),
            [bytes.as_slice()],
            Ending::Complete,
        );
        for i in 0..=bytes.len() {
            for j in i..=bytes.len() {
                let chunks = [&bytes[..i], &bytes[i..j], &bytes[j..]];
                let split = run(meter(sample.form, DROPPING), chunks, Ending::Complete);
                assert_eq!(split, whole, "{} split at {i} and {j}", sample.name);
            }
        }
    }
    assert!(seen >= 10);
}

#[test]
fn an_ordinary_delta_is_passed_with_the_chunk_that_completes_it() {
    for sample in samples().into_iter().filter(|s| s.form == Form::Sse) {
        let text = std::str::from_utf8(sample.bytes).unwrap();
        let mut meter = meter(Form::Sse, DROPPING);
        for event in text.split_inclusive("\n\n") {
            let _ = meter.push(event.as_bytes());
            assert_eq!(meter.held_bytes(), 0, "{}: {event}", sample.name);
        }
    }
}

#[test]
fn a_delta_is_released_by_its_first_choice() {
    let mut meter = meter(Form::Sse, DROPPING);
    let begun = br#"data: {"id":"x","choices":["#;
    assert_eq!(meter.push(begun), Output::Replaced(Vec::new()));
    assert_eq!(meter.held_bytes(), begun.len());
    let released = [begun.as_slice(), b"{"].concat();
    assert_eq!(meter.push(b"{"), Output::Replaced(released));
    assert_eq!(meter.push(br#""delta":"#), Output::Unchanged);
}

#[test]
fn done_is_released_as_it_begins() {
    let mut meter = meter(Form::Sse, DROPPING);
    assert_eq!(meter.push(b"data: [DONE]"), Output::Unchanged);
}
