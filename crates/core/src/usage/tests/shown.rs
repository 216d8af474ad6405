use super::super::*;
use crate::objects::ObjectId;

fn shown(content_type: &str, bytes: &[u8], split: usize) -> Shown {
    let facts = ResponseFacts {
        status: 200,
        content_type: Some(content_type.as_bytes()),
        content_encoding: None,
    };
    let mut meter = ResponseMeter::new(&facts, MeterPlan::default());
    let (head, tail) = bytes.split_at(split);
    let _ = meter.push(head);
    let _ = meter.push(tail);
    meter.shown()
}

fn id(text: &str) -> Option<ObjectId> {
    Some(ObjectId::of(text.as_bytes()))
}

#[test]
fn answers_show_their_objects_at_every_split() {
    let long = format!("resp_{}", "a".repeat(500));
    let nothing = Shown::default();
    for (body, expected) in [
        (
            format!(
                r#"{{"id":"{long}","status":"queued","output":[{{"id":"msg_1","status":"completed"}}]}}"#
            ),
            Shown {
                itself: id(&long),
                progress: Some(Progress::UnderWay),
                ..nothing
            },
        ),
        (
            r#"{"request_id":"d-1"}"#.into(),
            Shown {
                deferred: id("d-1"),
                ..nothing
            },
        ),
        (
            r#"{"id":"batch_1","status":"completed","output_file_id":"file-\u006f","error_file_id":null}"#
                .into(),
            Shown {
                itself: id("batch_1"),
                output: id("file-o"),
                progress: Some(Progress::Done),
                ..nothing
            },
        ),
        (
            r#"{"id":"msgbatch_1","processing_status":"ended"}"#.into(),
            Shown {
                itself: id("msgbatch_1"),
                progress: Some(Progress::Done),
                ..nothing
            },
        ),
        (
            r#"{"id":"file-1","status":"processed"}"#.into(),
            Shown {
                itself: id("file-1"),
                ..nothing
            },
        ),
        (r#"{"id":7,"data":[{"id":"x"}]}"#.into(), nothing),
    ] {
        for split in 0..=body.len() {
            assert_eq!(
                shown("application/json", body.as_bytes(), split),
                expected,
                "{body} at {split}"
            );
        }
    }
}

#[test]
fn streams_show_the_object_with_their_first_event() {
    for (events, expected) in [
        (
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n",
            id("resp_1"),
        ),
        (
            "data: {\"id\":\"chatcmpl-1\",\"choices\":[]}\n\ndata: {\"id\":\"other\"}\n\n",
            id("chatcmpl-1"),
        ),
        (
            "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\"}\n\n",
            None,
        ),
    ] {
        for split in 0..=events.len() {
            let shown = shown("text/event-stream", events.as_bytes(), split);
            assert_eq!(shown.itself, expected, "{events} at {split}");
        }
    }
}
