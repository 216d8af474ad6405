//! Models beside the body's own.

use super::*;

fn others(body: &str) -> (Vec<String>, Option<&'static str>) {
    assert_split_invariant(CHAT, None, body.as_bytes());
    let others = chat(body).unwrap().others;
    let named = others.named().iter().map(ToString::to_string);
    (named.collect(), others.unjudged())
}

/// `{"model":"a"}` and these members.
fn with(members: &str) -> String {
    format!(r#"{{"model":"a",{members}}}"#)
}

#[test]
fn models_of_tools_sessions_and_batches_are_found() {
    for (members, named) in [
        (
            r#""tools":[{"type":"image_generation","model":"b"}]"#,
            &["b"][..],
        ),
        (
            r#""tools":[{"m\u006fdel":"b"},{"Model":"c"},{"model":"b"}]"#,
            &["b", "c"],
        ),
        (r#""tools":[{"parameters":{"model":"b"}}]"#, &["b"]),
        (
            r#""input":[{"type":"tool_search_output","tools":[{"model":"b"}]}]"#,
            &["b"],
        ),
        (r#""input":{"model":"b"}"#, &["b"]),
        (r#""extra_body":{"model":"b"}"#, &["b"]),
        (
            r#""session":{"model":"b","audio":{"input":{"transcription":{"model":"c"}}}}"#,
            &["b", "c"],
        ),
        (r#""input_audio_transcription":{"model":"b"}"#, &["b"]),
        (
            r#""requests":[{"model":"b"},{"params":{"model":"c","messages":[{"model":"d"}]}}]"#,
            &["b", "c"],
        ),
        (
            r#""generateContentRequest":{"model":"models/b"}"#,
            &["models/b"],
        ),
        (
            r#""data_source":{"model":"b","sampling_params":{"tools":[{"model":"c"}]}}"#,
            &["b", "c"],
        ),
        (
            r#""testing_criteria":[{"model":"b"}],"grader":{"graders":{"x":{"model":"c"}}}"#,
            &["b", "c"],
        ),
        (
            r#""judge_model":"b","modelName":"c","deployment_name":"d""#,
            &["b", "c", "d"],
        ),
        (r#""generationConfig":{"speech":{"modelName":"b"}}"#, &["b"]),
        (
            r#""x":{"model":null},"y":{"model":""},"z":{"model":3}"#,
            &[],
        ),
    ] {
        let (got, unjudged) = others(&with(members));
        assert_eq!(got, named, "{members}");
        assert_eq!(unjudged, None, "{members}");
    }
}

#[test]
fn model_choices_that_cannot_be_checked_are_found() {
    for (members, unjudged) in [
        (r#""models":["b"]"#, "models"),
        (r#""Fallbacks":[]"#, "fallbacks"),
        (r#""context_window_fallback_dict":{}"#, "fallbacks"),
        (r#""route":"fallback""#, "route"),
        (r#""preset":"p""#, "preset"),
        (r#""plugins":[{"id":"auto-router"}]"#, "plugins"),
        (r#""provider":{"fallback":["b"]}"#, "fallbacks"),
        (
            r#""providerOptions":{"gateway":{"models":["b"]}}"#,
            "models",
        ),
        (
            r#""compound_custom":{"models":{"answering_model":"b"}}"#,
            "models",
        ),
        (r#""prompt":{"id":"pmpt_1"}"#, "prompt"),
        (r#""session":{"prompt":{"id":"pmpt_1"}}"#, "prompt"),
        (
            r#""generationConfig":{"routingConfig":{"autoMode":{}}}"#,
            "route",
        ),
        (r#""extra_body":{"model":["b"]}"#, "model"),
        (r#""extra_body":{"model":"two words"}"#, "model"),
    ] {
        assert_eq!(others(&with(members)).1, Some(unjudged), "{members}");
    }
}

#[test]
fn fields_named_model_in_data_are_ignored() {
    for members in [
        r#""messages":[{"role":"user","content":[{"type":"tool_use","input":{"model":"Civic"}}]}]"#,
        r#""input":[{"role":"user","content":"x","model":"Civic"},{"type":"function_call","models":[]}]"#,
        r#""tools":[{"function":{"parameters":{"properties":{"model":{"type":"string"},"models":{"type":"array"}}}}}]"#,
        r#""tools":[{"input_schema":{"properties":{"car":{"default":{"model":"Civic"}}}}}]"#,
        r#""response_format":{"json_schema":{"schema":{"properties":{"model":{"const":"Civic"}}}}}"#,
        r#""metadata":{"model":"Civic","fallbacks":"x"}"#,
        r#""contents":[{"parts":[{"functionCall":{"args":{"model":"Civic"}}}]}]"#,
        r#""prompt":["a","b"],"provider":{"allow_fallbacks":true,"order":["x"]}"#,
        r#""models":null,"fallbacks":false"#,
    ] {
        assert_eq!(others(&with(members)), (vec![], None), "{members}");
    }
}
