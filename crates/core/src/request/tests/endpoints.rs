//! Paths and their endpoints.

use super::*;
use crate::model::ModelId;

fn endpoint(method: &str, path: &str) -> Endpoint {
    Endpoint::new(method.as_bytes(), path.as_bytes()).unwrap()
}

#[test]
fn paths_name_endpoints() {
    use EndpointKind as K;
    for (method, path, kind, model) in [
        ("POST", "/v1/chat/completions", K::ChatCompletions, None),
        ("POST", "/api/v1/chat/completions", K::ChatCompletions, None),
        (
            "POST",
            "/api/v1/chat/completions?timeout=5",
            K::ChatCompletions,
            None,
        ),
        ("POST", "/v1/chat/completions/", K::ChatCompletions, None),
        ("POST", "//v1//Chat/Completions", K::ChatCompletions, None),
        ("POST", "/v1/ch%61t%2fcompletions", K::Other, None),
        ("POST", "/v1/ch%61t/completions", K::ChatCompletions, None),
        ("GET", "/v1/chat/completions", K::Other, None),
        ("POST", "/v1/completions", K::Completions, None),
        ("POST", "/v1/embeddings", K::Embeddings, None),
        ("POST", "/v1/responses", K::Responses, None),
        ("GET", "/v1/responses", K::Realtime, None),
        ("POST", "/v1/responses/compact", K::Responses, None),
        (
            "POST",
            "/v1/engines/My-M/completions",
            K::Completions,
            Some("My-M"),
        ),
        ("POST", "/v1/engines/m/search", K::Other, Some("m")),
        ("GET", "/v1/engines", K::Models, None),
        ("GET", "/v1/engines/m", K::Model, Some("m")),
        (
            "POST",
            "/v1/v1beta/models/g:generateContent",
            K::GenerateContent,
            Some("g"),
        ),
        (
            "POST",
            "/v1beta/tunedModels/T-1:generateContent",
            K::GenerateContent,
            Some("tunedModels/T-1"),
        ),
        ("POST", "/openai/deployments/d/files", K::Other, Some("d")),
        ("POST", "/v1/models/m:unheardOf", K::Other, Some("m")),
        ("POST", "/v1/responses/resp_1/cancel", K::Other, None),
        ("POST", "/v1/responses/input_tokens", K::CountTokens, None),
        ("POST", "/v1/messages", K::Messages, None),
        ("POST", "/v1/messages/count_tokens", K::CountTokens, None),
        ("POST", "/v1/images/generations", K::Images, None),
        ("POST", "/v1/images/edits", K::Images, None),
        ("POST", "/v1/images/variations", K::Images, None),
        ("POST", "/v1/audio/speech", K::Speech, None),
        ("POST", "/v1/audio/transcriptions", K::Transcriptions, None),
        ("POST", "/v1/audio/translations", K::Transcriptions, None),
        ("POST", "/v1/moderations", K::Moderations, None),
        ("POST", "/v2/rerank", K::Rerank, None),
        ("GET", "/api/v1/models", K::Models, None),
        ("GET", "/v1/models/gpt-4o", K::Model, Some("gpt-4o")),
        (
            "GET",
            "/v1/models/meta/llama-3:free",
            K::Model,
            Some("meta/llama-3:free"),
        ),
        (
            "GET",
            "/v1/models/meta%2Fllama-3",
            K::Model,
            Some("meta/llama-3"),
        ),
        ("DELETE", "/v1/models/ft:gpt-4o", K::Other, None),
        (
            "GET",
            "/v1/realtime?model=gpt-realtime",
            K::Realtime,
            Some("gpt-realtime"),
        ),
        (
            "GET",
            "/v1/realtime?a=b&m%6fdel=a%2Fb",
            K::Realtime,
            Some("a/b"),
        ),
        ("GET", "/v1/realtime", K::Realtime, None),
        (
            "POST",
            "/openai/deployments/My-Dep/chat/completions?api-version=1",
            K::ChatCompletions,
            Some("My-Dep"),
        ),
        (
            "POST",
            "/api/v1/openai/deployments/d/embeddings",
            K::Embeddings,
            Some("d"),
        ),
        ("POST", "/openai/v1/responses", K::Responses, None),
        (
            "POST",
            "/v1beta/openai/chat/completions",
            K::ChatCompletions,
            None,
        ),
        (
            "POST",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            K::GenerateContent,
            Some("gemini-2.5-pro"),
        ),
        (
            "POST",
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            K::GenerateContent,
            Some("gemini-2.5-pro"),
        ),
        (
            "POST",
            "/v1/projects/p/locations/l/publishers/google/models/g%3AgenerateContent",
            K::GenerateContent,
            Some("g"),
        ),
        (
            "POST",
            "/v1beta/models/e:embedContent",
            K::Embeddings,
            Some("e"),
        ),
        (
            "POST",
            "/v1beta/models/g:countTokens",
            K::CountTokens,
            Some("g"),
        ),
        ("POST", "/v1/files", K::Other, None),
        ("GET", "/healthz", K::Other, None),
        ("POST", "/chat/completions", K::Other, None),
    ] {
        let got = endpoint(method, path);
        assert_eq!(got.kind(), kind, "{method} {path}");
        assert_eq!(
            got.path_model().map(ModelId::as_str),
            model,
            "{method} {path}"
        );
    }
    assert!(endpoint("POST", "/v1/models/g:streamGenerateContent").streams_by_path());
    assert!(!endpoint("POST", "/v1/models/g:generateContent").streams_by_path());
}

#[test]
fn a_model_in_the_path_must_be_valid() {
    for (path, error) in [
        ("/v1/models/two%20words", BodyError::InvalidModel),
        ("/v1/models/%ff", BodyError::InvalidModel),
        ("/v1/realtime?model=", BodyError::InvalidModel),
        (
            "/v1/realtime?model=a&model=b",
            BodyError::Duplicate(Param::Model),
        ),
    ] {
        assert_eq!(Endpoint::new(b"GET", path.as_bytes()), Err(error), "{path}");
    }
}

#[test]
fn endpoints_have_their_properties() {
    use BodyForm as B;
    for (method, path, body, charged, model, usage) in [
        ("POST", "/v1/chat/completions", B::Json, true, true, true),
        ("POST", "/v1/completions", B::Json, true, true, true),
        ("POST", "/v1/embeddings", B::Json, true, true, false),
        ("POST", "/v1/responses", B::Json, true, false, false),
        ("POST", "/v1/messages", B::Json, true, true, false),
        (
            "POST",
            "/v1/images/generations",
            B::Form,
            true,
            false,
            false,
        ),
        ("POST", "/v1/images/edits", B::Form, true, false, false),
        ("POST", "/v1/audio/speech", B::Json, true, true, false),
        (
            "POST",
            "/v1/audio/transcriptions",
            B::Form,
            true,
            true,
            false,
        ),
        ("POST", "/v1/moderations", B::Json, false, false, false),
        ("POST", "/v1/rerank", B::Json, true, true, false),
        (
            "POST",
            "/v1/messages/count_tokens",
            B::Json,
            false,
            false,
            false,
        ),
        ("GET", "/v1/models", B::None, false, false, false),
        ("GET", "/v1/models/m", B::None, false, true, false),
        ("GET", "/v1/realtime", B::None, false, true, false),
        ("POST", "/v1/threads/t/runs", B::Any, true, false, false),
        ("GET", "/v1/files", B::Any, false, false, false),
    ] {
        let e = endpoint(method, path);
        let got = (
            e.body(),
            e.charges_tokens(),
            e.requires_model(),
            e.takes_include_usage(),
        );
        assert_eq!(got, (body, charged, model, usage), "{method} {path}");
    }
}
