//! The meter as a specification: every sample, whole and at every split.

use super::*;

fn sse(plan: MeterPlan) -> ResponseMeter {
    let facts = ResponseFacts {
        status: 200,
        content_type: Some(b"text/event-stream; charset=utf-8"),
        content_encoding: None,
    };
    ResponseMeter::new(&facts, plan)
}

fn run(mut meter: ResponseMeter, chunks: &[&[u8]], ending: Ending) -> (Vec<u8>, Usage) {
    let mut out = Vec::new();
    for chunk in chunks {
        match meter.push(chunk) {
            Output::Unchanged => out.extend_from_slice(chunk),
            Output::Replaced(bytes) => out.extend_from_slice(&bytes),
        }
        assert!(meter.held_bytes() <= 16 * 1024);
    }
    let metered = meter.finish(ending);
    out.extend_from_slice(&metered.tail);
    (out, metered.usage)
}

#[test]
fn smoke() {
    let s = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\ndata: [DONE]\n\n";
    let plan = MeterPlan {
        prompt_estimate: 7,
        output_estimate: 100,
        drop_usage_event: true,
    };
    let (out, usage) = run(sse(plan), &[s], Ending::Complete);
    println!("{}", String::from_utf8_lossy(&out));
    assert_eq!(
        usage,
        Usage::Exact(Tokens {
            input: 9,
            output: 3,
            total: 12,
            ..Tokens::default()
        })
    );
    assert!(!String::from_utf8_lossy(&out).contains("prompt_tokens"));
}
