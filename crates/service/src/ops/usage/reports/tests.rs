use super::*;

const DAY: i64 = 20_780 * DAY_MINUTES; // 2026-11-23
const NOW: Millis = Millis((DAY + 754) * MINUTE_MS + 1_234);

#[test]
fn what_is_told_apart() {
    use Dimension::{Decision, Endpoint, Key, Model, Team};
    for (by, every, dimensions, span) in [
        (None, None, &[Key][..], None),
        (None, Some("none"), &[Key], None),
        (None, Some("hour"), &[], Some(Every::Hour)),
        (Some(""), None, &[], None),
        (Some("model"), None, &[Model], None),
        (
            Some("team,model, endpoint"),
            Some("month"),
            &[Team, Model, Endpoint],
            Some(Every::Month),
        ),
        (
            Some("decision,key,decision"),
            Some("minute"),
            &[Decision, Key],
            Some(Every::Minute),
        ),
        (Some("day"), None, &[], Some(Every::Day)),
        (Some("key,day"), Some("day"), &[Key], Some(Every::Day)),
    ] {
        let told = told_apart(by, every).unwrap();
        assert_eq!(told, (dimensions.to_vec(), span), "{by:?} {every:?}");
    }
    for (by, every) in [
        (Some("keys"), None),
        (Some("Key"), None),
        (Some("key;model"), None),
        (None, Some("week")),
        (None, Some("")),
        (Some("day"), Some("hour")),
    ] {
        assert!(told_apart(by, every).is_err(), "{by:?} {every:?}");
    }
}

fn span(every: Option<Every>, from: Option<&str>, to: Option<&str>) -> Result<Span, ApiError> {
    let asked = AskUsage {
        from: from.map(Into::into),
        to: to.map(Into::into),
        ..AskUsage::default()
    };
    Span::read(&asked, every, NOW)
}

#[test]
fn the_coarsest_sums_that_answer_exactly_are_read() {
    use Rollup::{Days, Hours, Minutes};
    let day = Some("2026-11-23");
    for (every, from, to, expected) in [
        (None, None, None, (None, None, Days)),
        (None, day, day, (Some(DAY), Some(DAY + 1_440), Days)),
        (Some(Every::Month), day, None, (Some(DAY), None, Days)),
        (
            None,
            Some("2026-11-23T00:00:00Z"),
            None,
            (Some(DAY), None, Days),
        ),
        (
            None,
            Some("2026-11-23T02:00:00Z"),
            day,
            (Some(DAY + 120), Some(DAY + 1_440), Hours),
        ),
        (
            Some(Every::Day),
            Some("2026-11-23T02:30:00+02:00"),
            None,
            (Some(DAY + 30), None, Minutes),
        ),
        (
            Some(Every::Hour),
            day,
            day,
            (Some(DAY), Some(DAY + 1_440), Hours),
        ),
        (
            Some(Every::Hour),
            Some("2026-11-23T02:30:00Z"),
            None,
            (Some(DAY + 150), None, Minutes),
        ),
        (Some(Every::Minute), day, None, (Some(DAY), None, Minutes)),
        // Without a beginning, what is kept for a time only begins where a page of it is of use.
        (
            Some(Every::Minute),
            None,
            None,
            (Some(DAY + 695), None, Minutes),
        ),
        (
            Some(Every::Hour),
            None,
            None,
            (Some(DAY + 720 - 1_440), None, Hours),
        ),
        (
            Some(Every::Minute),
            None,
            day,
            (Some(DAY + 1_380), Some(DAY + 1_440), Minutes),
        ),
    ] {
        let read = span(every, from, to).unwrap();
        assert_eq!(
            (read.from, read.to, read.source),
            expected,
            "{every:?} {from:?} {to:?}"
        );
    }
    for (every, from, to) in [
        (None, Some("yesterday"), None),
        (None, Some("2026-11-31"), None),
        (None, Some("2026-11-23T12:00:30Z"), None),
        (None, Some("2026-11-23T12:00:00.5Z"), None),
        (None, Some("2026-11-23T12:00"), None),
        (None, Some("2026-11-24"), day),
        (
            None,
            Some("2026-11-23T12:00:00Z"),
            Some("2026-11-23T12:00:00Z"),
        ),
        (None, None, Some("2026-11-23T12:00:00Z")),
    ] {
        assert!(span(every, from, to).is_err(), "{every:?} {from:?} {to:?}");
    }
}

#[test]
fn what_is_no_longer_kept_is_refused_and_never_silently_missing() {
    let kept = Kept {
        minutes_from: DAY,
        hours_from: DAY - 1_440,
    };
    for (every, from, answered) in [
        (Some(Every::Minute), Some("2026-11-23"), Some(DAY)),
        (Some(Every::Minute), Some("2026-11-22T23:59:00Z"), None),
        (Some(Every::Hour), Some("2026-11-22"), Some(DAY - 1_440)),
        (Some(Every::Hour), Some("2026-11-21T23:00:00Z"), None),
        (Some(Every::Hour), None, Some(DAY - 720)),
    ] {
        let span = span(every, from, None).unwrap();
        assert_eq!(
            span.kept(span.source, kept).ok(),
            answered,
            "{every:?} {from:?}"
        );
    }
    // A default never asks for more than there is.
    let young = Kept {
        minutes_from: DAY + 740,
        hours_from: DAY + 720,
    };
    for (every, from) in [(Every::Minute, DAY + 740), (Every::Hour, DAY + 720)] {
        let span = span(Some(every), None, None).unwrap();
        assert_eq!(span.kept(span.source, young).unwrap(), from);
    }
}

#[test]
fn a_cursor_belongs_to_its_query() {
    let cursor = UsageCursor {
        time: Some(7),
        groups: vec!["a,b".into(), String::new()],
    };
    let by = [Dimension::Key, Dimension::Model];
    let text = cursor.encode(&by, Some(Every::Hour));
    assert_eq!(
        UsageCursor::decode(&text, &by, Some(Every::Hour)),
        Some(cursor)
    );
    assert_eq!(UsageCursor::decode(&text, &by, Some(Every::Day)), None);
    assert_eq!(UsageCursor::decode(&text, &by, None), None);
    assert_eq!(
        UsageCursor::decode(&text, &[Dimension::Key], Some(Every::Hour)),
        None
    );
    for nonsense in ["", "7", "zz", "7b7d"] {
        assert_eq!(UsageCursor::decode(nonsense, &by, None), None);
    }
}
