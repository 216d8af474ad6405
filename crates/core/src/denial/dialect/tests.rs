use super::*;

fn of(request: &[&str]) -> Dialect {
    let (method, target) = request[0].split_once(' ').unwrap();
    let mut pairs = vec![(":method", method), (":path", target)];
    pairs.extend(
        request[1..]
            .iter()
            .map(|line| line.split_once(": ").unwrap()),
    );
    let pairs = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    Dialect::of(&Head::new(pairs.collect()))
}

#[test]
fn each_path_has_its_apis_dialect() {
    use Dialect::{Anthropic, Gemini, OpenAi};
    for (request, dialect) in [
        // Paths of one API only, whatever the headers say.
        (&["POST /v1/chat/completions"][..], OpenAi),
        (
            &[
                "POST /api/v1/chat/completions",
                "anthropic-version: 2023-06-01",
            ],
            OpenAi,
        ),
        (&["POST /v1/responses", "x-goog-api-key: k"], OpenAi),
        (
            &[
                "POST /v1beta/openai/chat/completions",
                "x-goog-api-client: g",
            ],
            OpenAi,
        ),
        (&["GET /v1beta/openai/models"], OpenAi),
        (&["POST /openai/deployments/gpt/chat/completions"], OpenAi),
        (&["POST /v1/messages"], Anthropic),
        (&["POST /api/v1/messages?beta=true"], Anthropic),
        (&["POST /anthropic/v1/messages/count_tokens"], Anthropic),
        (&["GET /v1/messages/batches/msgbatch_1/results"], Anthropic),
        (&["POST /V1//Mess%61ges"], Anthropic),
        (&["POST /v1/models/gemini-2.5-pro:generateContent"], Gemini),
        (
            &["POST /v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse"],
            Gemini,
        ),
        (&["POST /v1/models/gemini-2.5-pro%3AcountTokens"], Gemini),
        (&["POST /api/v1/tunedModels/x:generateContent"], Gemini),
        (
            &["POST /v1/projects/p/locations/l/publishers/google/models/m:predict"],
            Gemini,
        ),
        (&["GET /v1beta/models"], Gemini),
        (&["POST /v1alpha/files"], Gemini),
        // Paths of several APIs: the headers decide.
        (&["GET /v1/models"], OpenAi),
        (
            &["GET /v1/models", "anthropic-version: 2023-06-01"],
            Anthropic,
        ),
        (
            &["GET /v1/models/claude-x", "anthropic-version: 2023-06-01"],
            Anthropic,
        ),
        (&["GET /v1/models", "x-goog-api-key: k"], Gemini),
        (
            &["GET /v1/models", "x-goog-api-client: google-genai-sdk/1"],
            Gemini,
        ),
        (
            &["POST /v1/files", "anthropic-version: 2023-06-01"],
            Anthropic,
        ),
        (
            &["GET /api/v1/limits", "anthropic-version: 2023-06-01"],
            Anthropic,
        ),
        (
            &["GET /nowhere", "anthropic-version: 2023-06-01"],
            Anthropic,
        ),
        // Paths of no provider.
        (&["DELETE /v1/models/ft:gpt-4o:org::id"], OpenAi),
        (&["GET /v1/models/ft:gpt-4o:org::id"], OpenAi),
        (&["GET /v1/threads/t/messages"], OpenAi),
        (&["GET /v1/chat/completions/c/messages"], OpenAi),
        (&["POST /v1/model:generateContent"], OpenAi),
        (&["POST /v1/:"], OpenAi),
        (&["GET /"], OpenAi),
        (&["GET "], OpenAi),
        (&["GET /v1"], OpenAi),
        (&["GET /v\u{e9}/%ff/%"], OpenAi),
    ] {
        assert_eq!(of(request), dialect, "{request:?}");
    }
}

#[test]
fn a_request_id_is_quoted_only_if_it_is_valid() {
    let long = "a".repeat(129);
    for (id, quoted) in [
        ("0f3c-9a", Some("0f3c-9a")),
        ("", None),
        ("two words", None),
        ("caf\u{e9}", None),
        ("gmtech_abcdefgh12345678", None),
        (long.as_str(), None),
    ] {
        let head = Head::new(vec![(b"x-request-id".as_slice(), id.as_bytes())]);
        assert_eq!(Audience::of(&head).request_id.as_deref(), quoted, "{id}");
    }
}
