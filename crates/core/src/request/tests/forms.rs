//! Multipart forms.

use super::super::BodyError as E;
use super::super::MultipartFault as F;
use super::*;

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const EDITS: &str = "/v1/images/edits";
const FORM: &str = "multipart/form-data; boundary=----b.1";

/// A part: its disposition's parameters and its content.
fn part(parameters: &str, content: &str) -> String {
    format!("------b.1\r\nContent-Disposition: form-data; {parameters}\r\n\r\n{content}\r\n")
}

fn field(name: &str, value: &str) -> String {
    part(&format!("name=\"{name}\""), value)
}

fn file(content: &str) -> String {
    part(
        "name=\"file\"; filename=\"a \\\"b\\\"; name=x.mp3\"\r\nContent-Type: audio/mpeg",
        content,
    )
}

fn form<S: AsRef<str>>(parts: &[S]) -> String {
    let parts: String = parts.iter().map(AsRef::as_ref).collect();
    format!("{parts}------b.1--\r\n")
}

fn read_form(path: &str, body: &str) -> Result<RequestFacts, BodyError> {
    assert_split_invariant(path, Some(FORM), body.as_bytes());
    read_pieces(path, Some(FORM), [body.as_bytes()])
}

#[test]
fn fields_are_found_before_and_after_the_file() {
    // Bytes that differ from a delimiter only in their last byte.
    let content = "ID3\r\n-\r\n--\r\r\n------b.\r\n------b.2\n\r------b";
    let model = || field("model", "whisper-1");
    let stream = || field("stream", "true");
    for parts in [
        [model(), stream(), file(content)],
        [file(content), model(), stream()],
        [stream(), file(content), model()],
    ] {
        let facts = read_form(TRANSCRIPTIONS, &form(&parts)).unwrap();
        assert_eq!(facts.model.unwrap().as_str(), "whisper-1");
        assert!(facts.stream);
        assert_eq!(facts.parts.audios, 1);
    }
}

#[test]
fn recordings_cost_by_length_and_images_a_flat_sum() {
    let costs = PartCosts::default();
    let audio = form(&[
        field("model", "m"),
        file(&"x".repeat(80_000)),
        field("prompt", "hello world"),
    ]);
    let facts = read_pieces(TRANSCRIPTIONS, Some(FORM), [audio.as_bytes()]).unwrap();
    assert_eq!(
        facts.prompt_tokens,
        80_000 / costs.recording_bytes_per_token + 2
    );

    let images = form(&[
        field("model", "m"),
        file("a"),
        file("b"),
        field("n", "3"),
        field("size", "1024x1024"),
    ]);
    let facts = read_pieces(EDITS, Some(FORM), [images.as_bytes()]).unwrap();
    assert_eq!(
        (facts.parts.images, facts.prompt_tokens, facts.choices),
        (2, 2 * costs.image, 3)
    );
}

#[test]
fn fields_have_their_types() {
    for (name, value, expected) in [
        ("model", "", Err(E::InvalidModel)),
        ("model", "two words", Err(E::InvalidModel)),
        ("model", "m\r\nn", Err(E::InvalidModel)),
        ("stream", "false", Ok((false, 1))),
        ("stream", "True", Ok((true, 1))),
        ("stream", "1", Err(E::WrongType(Param::Stream))),
        ("stream", "yes", Err(E::WrongType(Param::Stream))),
        ("n", "2", Ok((false, 2))),
        ("n", "", Ok((false, 1))),
        ("n", "two", Err(E::WrongType(Param::N))),
        ("n", "-1", Err(E::WrongCount(Param::N))),
        ("n", "1.5", Err(E::WrongCount(Param::N))),
        ("anything", "else", Ok((false, 1))),
    ] {
        let mut parts = vec![field(name, value)];
        if name != "model" {
            parts.push(field("model", "m"));
        }
        let facts = read_form(EDITS, &form(&parts)).map(|f| (f.stream, f.choices));
        assert_eq!(facts, expected, "{name}={value}");
    }
    let long = form(&[field("model", &"m".repeat(257))]);
    assert_eq!(read_form(EDITS, &long).err(), Some(E::InvalidModel));
}

#[test]
fn images_may_leave_the_model_to_the_provider_and_transcriptions_may_not() {
    for fields in [form::<String>(&[]), form(&[file("x")])] {
        assert_eq!(read_form(EDITS, &fields).map(|f| f.model), Ok(None));
        assert_eq!(
            read_form(TRANSCRIPTIONS, &fields).err(),
            Some(E::MissingModel)
        );
    }
    let image = read("/v1/images/generations", r#"{"prompt":"a cat","n":2}"#).unwrap();
    assert_eq!((image.model, image.choices), (None, 2));
}

#[test]
fn a_form_that_parsers_read_differently_is_refused() {
    let model = field("model", "m");
    let with = |parameters: &str| form(&[model.clone(), part(parameters, "x")]);
    let header = |line: &str| form(&[model.clone(), part(&format!("name=\"a\"\r\n{line}"), "x")]);
    for (body, expected) in [
        (String::new(), E::Empty),
        (
            form(&[model.clone(), model.clone()]),
            E::Duplicate(Param::Model),
        ),
        (
            form(&[model.clone(), field("stream", ""), field("stream", "true")]),
            E::Duplicate(Param::Stream),
        ),
        (
            form(&[part("name=\"model\"; filename=\"m\"", "m")]),
            E::WrongType(Param::Model),
        ),
        (
            format!("preamble\r\n{}", form(&[&model])),
            E::InvalidForm(F::Start),
        ),
        (format!("\r\n{}", form(&[&model])), E::InvalidForm(F::Start)),
        (model.clone(), E::InvalidForm(F::Truncated)),
        (format!("{model}------b.1"), E::InvalidForm(F::Truncated)),
        (format!("{model}------b.1-"), E::InvalidForm(F::Truncated)),
        (format!("{}x", form(&[&model])), E::InvalidForm(F::Trailing)),
        (
            format!("{}{}", form(&[&model]), model),
            E::InvalidForm(F::Trailing),
        ),
        (
            form(&[file("x\n------b.1\r\nfake"), model.clone()]),
            E::InvalidForm(F::Ambiguous),
        ),
        (
            form(&[file("x\r------b.1\r\nfake"), model.clone()]),
            E::InvalidForm(F::Ambiguous),
        ),
        (
            form(&[file("x\r-\n------b.1\r\nfake"), model.clone()]),
            E::InvalidForm(F::Ambiguous),
        ),
        (
            form(&[file("x\r\n------b.12\r\nfake"), model.clone()]),
            E::InvalidForm(F::Ambiguous),
        ),
        (
            form(&[file("x\r\n------b.1\nfake"), model.clone()]),
            E::InvalidForm(F::Ambiguous),
        ),
        (
            form(&[&model]).replace("\r\n\r\n", "\n\n"),
            E::InvalidForm(F::Header),
        ),
        (header("Content-Type"), E::InvalidForm(F::Header)),
        (header(" folded: x"), E::InvalidForm(F::Header)),
        (header("Spaced : x"), E::InvalidForm(F::Header)),
        (
            header("Content-Transfer-Encoding: base64"),
            E::InvalidForm(F::Header),
        ),
        (
            header(&format!("A: {}", "x".repeat(1100))),
            E::InvalidForm(F::Header),
        ),
        (header(&"A: b\r\n".repeat(20)), E::InvalidForm(F::Header)),
        (
            header("Content-Disposition: form-data; name=\"model\""),
            E::InvalidForm(F::Name),
        ),
        (with("filename=\"x\""), E::InvalidForm(F::Name)),
        (with("name=\"a\"; name=\"model\""), E::InvalidForm(F::Name)),
        (with("name*=utf-8''model"), E::InvalidForm(F::Name)),
        (with("name=\"mo\\del\""), E::InvalidForm(F::Name)),
        (with("name*0=mod; name*1=el"), E::InvalidForm(F::Name)),
        (with("name=\"=?utf-8?q?model?=\""), E::InvalidForm(F::Name)),
        (
            with("name=\"=?utf-8?b?bW9kZWw=?=\""),
            E::InvalidForm(F::Name),
        ),
        (with("name=\"%6dodel\""), E::InvalidForm(F::Name)),
        (with("name=\"&#109;odel\""), E::InvalidForm(F::Name)),
        (with("name=\"+AG0-odel\""), E::InvalidForm(F::Name)),
        (with("name=\"m\u{f6}del\""), E::InvalidForm(F::Name)),
        (with("name=\"_charset_\""), E::InvalidForm(F::Name)),
        (with("name=\"Model\""), E::LetterCase(Param::Model)),
        (with("name=\"model[]\""), E::LetterCase(Param::Model)),
        (with("name=\"model[0]\""), E::LetterCase(Param::Model)),
        (
            header("Content-Type: text/plain; charset=utf-7"),
            E::InvalidForm(F::Charset),
        ),
        (
            header("Content-Type: text/plain; charset*=utf-8''utf-7"),
            E::InvalidForm(F::Charset),
        ),
        (
            header("Content-Type: text/plain; charset=utf-8; charset=utf-16"),
            E::InvalidForm(F::Charset),
        ),
        (
            header("Content-Type: multipart/mixed; boundary=x"),
            E::InvalidForm(F::Charset),
        ),
        (with("name=\"model"), E::InvalidForm(F::Name)),
        (with("name=\"a\" model"), E::InvalidForm(F::Name)),
    ] {
        assert_eq!(
            read_form(TRANSCRIPTIONS, &body).err(),
            Some(expected),
            "{body}"
        );
    }
    for body in [
        header("Content-Transfer-Encoding: 8BIT"),
        header("Content-Type: text/plain; charset=UTF-8"),
        with("name=model2"),
        with("name=\"timestamp_granularities[]\""),
        with("filename=x; name = \"a\" ;"),
        form(&[&model]).replace("b.1\r\n", "b.1 \t\r\n"),
        form(&[&model]).trim_end().to_owned(),
    ] {
        assert_eq!(read_form(TRANSCRIPTIONS, &body).err(), None, "{body}");
    }
}

#[test]
fn a_form_is_in_utf_8() {
    let body = form(&[field("model", "m")]);
    for (parameters, refused) in [
        ("; charset=utf-8", None),
        ("; charset=\"UTF-8\"", None),
        ("; charset=utf-7", Some(E::InvalidForm(F::Charset))),
        ("; charset=iso-8859-1", Some(E::InvalidForm(F::Charset))),
        ("; charset*=utf-8''utf-7", Some(E::InvalidForm(F::Charset))),
        (
            "; charset=utf-8; charset=utf-7",
            Some(E::InvalidForm(F::Charset)),
        ),
        ("; boundary*0=x", Some(E::InvalidForm(F::Boundary))),
    ] {
        let content_type = format!("{FORM}{parameters}");
        let read = read_pieces(TRANSCRIPTIONS, Some(&content_type), [body.as_bytes()]);
        assert_eq!(read.err(), refused, "{parameters}");
    }
}

#[test]
fn a_field_can_name_another_model() {
    let json = "name=\"session\"\r\nContent-Type: application/json";
    for (more, named, unjudged) in [
        (field("file_model", "b"), vec!["b"], None),
        (field("session[model]", "b"), vec!["b"], None),
        (field("extra.model_name", "b"), vec!["b"], None),
        (field("models[]", "b"), vec![], Some("models")),
        (field("fallbacks", "b"), vec![], Some("fallbacks")),
        (part(json, "{}"), vec![], Some("a JSON part")),
        (field("language", "b"), vec![], None),
        (field("prompt", "b"), vec![], None),
    ] {
        let body = form(&[field("model", "a"), more]);
        let others = read_form(TRANSCRIPTIONS, &body).unwrap().others;
        let got: Vec<_> = others.named().iter().map(|m| m.as_str()).collect();
        assert_eq!((got, others.unjudged()), (named, unjudged), "{body}");
    }
}
