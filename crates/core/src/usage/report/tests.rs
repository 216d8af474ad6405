use super::Field::{
    CacheCreation, CacheRead, Cached, Completion, Input, Output, Prompt, Reasoning, Total,
};
use super::*;

fn report(counts: &[(Field, u64)]) -> Report {
    let mut report = Report::default();
    for (field, count) in counts {
        report.note(*field, *count);
    }
    report
}

#[test]
fn a_later_snapshot_replaces_what_it_states() {
    for (what, snapshots, expected) in [
        (
            "Qwen and Kimi split the prompt at the end",
            &[
                &[(Input, 8_834), (Output, 0)][..],
                &[(Input, 18), (CacheRead, 8_831), (Output, 426)],
            ][..],
            &[(Input, 18), (CacheRead, 8_831), (Output, 426)][..],
        ),
        (
            "the cache alone splits the prompt",
            &[
                &[(Input, 3_602), (Output, 0)],
                &[(CacheCreation, 0), (CacheRead, 3_604), (Output, 878)],
            ],
            &[
                (Input, 0),
                (CacheCreation, 0),
                (CacheRead, 3_604),
                (Output, 878),
            ],
        ),
        (
            "a cache that the input cannot hold stands beside it",
            &[&[(Input, 18)], &[(CacheRead, 8_831), (Output, 4)]],
            &[(Input, 18), (CacheRead, 8_831), (Output, 4)],
        ),
        (
            "what is not stated stays",
            &[
                &[(Input, 25), (CacheRead, 1_000), (Output, 1)],
                &[(Output, 15)],
            ],
            &[(Input, 25), (CacheRead, 1_000), (Output, 15)],
        ),
        (
            "zeros at the start and at the end are placeholders",
            &[
                &[(Input, 0), (Output, 0)],
                &[(Input, 25), (CacheRead, 1_000), (Output, 15)],
                &[(Input, 0), (CacheRead, 0), (Output, 0)],
            ],
            &[(Input, 25), (CacheRead, 1_000), (Output, 15)],
        ),
        (
            "a zero beside the same count is one too",
            &[
                &[(Input, 25), (CacheRead, 1_000), (Output, 1)],
                &[(Input, 25), (CacheRead, 0), (Output, 15)],
            ],
            &[(Input, 25), (CacheRead, 1_000), (Output, 15)],
        ),
        (
            "a zero beside another count is none",
            &[
                &[(Input, 25), (CacheRead, 1_000)],
                &[(Input, 1_025), (CacheRead, 0)],
            ],
            &[(Input, 1_025), (CacheRead, 0)],
        ),
        (
            "counts so far",
            &[
                &[(Prompt, 12), (Completion, 1), (Total, 13)],
                &[(Prompt, 12), (Completion, 2), (Total, 14)],
                &[(Prompt, 12), (Completion, 3)],
            ],
            &[(Prompt, 12), (Completion, 3)],
        ),
        (
            "a count that is corrected downwards",
            &[
                &[(Prompt, 40), (Cached, 8), (Completion, 90), (Reasoning, 70)],
                &[
                    (Prompt, 30),
                    (Cached, 8),
                    (Completion, 60),
                    (Reasoning, 40),
                    (Total, 90),
                ],
            ],
            &[
                (Prompt, 30),
                (Cached, 8),
                (Completion, 60),
                (Reasoning, 40),
                (Total, 90),
            ],
        ),
    ] {
        let mut got = Report::default();
        for snapshot in snapshots {
            got.update(&report(snapshot));
        }
        assert_eq!(got, report(expected), "{what}");
    }
}

#[test]
fn the_same_snapshot_again_changes_nothing() {
    let once = report(&[
        (Input, 18),
        (CacheRead, 8_831),
        (Output, 426),
        (Total, 9_275),
    ]);
    let mut twice = once;
    twice.update(&once);
    assert_eq!(twice, once);
}
