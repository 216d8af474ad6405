//! Turns a verdict into an HTTP response: status, headers, and a body that plays its script.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::capture::{Outcome, lock};
use crate::directive::Directives;
use crate::error::Failure;
use crate::family::Family;
use crate::job::{Job, Reply};
use crate::mock::Mock;
use crate::play::{Guard, Player};
use crate::script::{Mark, Piece, lay_out};
use crate::sse::{pad_first, write_event};
use crate::verdict::Verdict;

/// A response with this extension is not sent: the server closes the connection instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropConnection;

/// One request, about to be answered.
pub(crate) struct Answering<'a> {
    pub mock: &'a Mock,
    pub guard: Guard,
    pub directives: Directives,
    pub family: Family,
}

impl Answering<'_> {
    /// Makes the response.
    pub(crate) fn respond(self, verdict: Verdict) -> Response<Body> {
        match verdict {
            Verdict::Reply(job, reply) => self.reply(&job, reply),
            Verdict::Failure(failure) => self.failure(&failure),
            Verdict::Redirect { status, to } => self.redirect(status, &to),
            Verdict::Drop => self.drop_connection(),
        }
    }

    fn reply(self, job: &Job, reply: Reply) -> Response<Body> {
        let d = &self.directives;
        let mut mark = Mark::default();
        let mut counted = job.counted;
        let accepted = matches!(reply, Reply::Accepted);
        let (kind, streams, pieces) = match reply {
            Reply::Json(document, stated) => {
                mark.usage = job.reported.filter(|_| stated);
                (
                    "application/json",
                    false,
                    vec![Piece {
                        bytes: document.to_string().into_bytes(),
                        mark,
                    }],
                )
            }
            Reply::Accepted => ("application/json", false, Vec::new()),
            Reply::Text(text) => (
                "text/plain; charset=utf-8",
                false,
                vec![Piece {
                    bytes: text.into_bytes(),
                    mark,
                }],
            ),
            Reply::Events(mut events) => {
                if let Some(bytes) = d.long_line_bytes {
                    pad_first(&mut events, bytes);
                }
                // A stream's output is counted as it is sent, so that a cut stream costs what it delivered.
                counted.completion = 0;
                let pieces = events.iter().map(|event| write_event(event, d)).collect();
                ("text/event-stream; charset=utf-8", true, pieces)
            }
        };
        lock(&self.guard.entry().progress).counted = counted;
        // With `fail_times`, the status belongs to the attempts that fail.
        let usual = if accepted { 202 } else { 200 };
        let status = d.status.filter(|status| *status < 300).unwrap_or(usual);
        self.send(status, kind, pieces, streams)
    }

    fn failure(self, failure: &Failure) -> Response<Body> {
        let bytes = failure.body(self.family).to_string().into_bytes();
        let piece = Piece {
            bytes,
            mark: Mark::default(),
        };
        self.send(failure.status, "application/json", vec![piece], false)
    }

    fn redirect(mut self, status: u16, to: &str) -> Response<Body> {
        self.guard.will_be(Outcome::Failed);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
        insert(response.headers_mut(), header::LOCATION, to);
        self.common_headers(response.headers_mut(), status);
        response
    }

    fn drop_connection(mut self) -> Response<Body> {
        self.guard.will_be(Outcome::Cut);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response.extensions_mut().insert(DropConnection);
        response
    }

    fn send(self, status: u16, kind: &str, pieces: Vec<Piece>, streams: bool) -> Response<Body> {
        let script = lay_out(pieces, streams, &self.directives);
        let mut headers = HeaderMap::new();
        insert(
            &mut headers,
            header::CONTENT_TYPE,
            self.directives.content_type.as_deref().unwrap_or(kind),
        );
        if let Some(length) = script.length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        if streams {
            insert(&mut headers, header::CACHE_CONTROL, "no-cache");
        }
        if self.directives.gzip {
            insert(&mut headers, header::CONTENT_ENCODING, "gzip");
        }
        if self.directives.trailers {
            insert(&mut headers, header::TRAILER, "x-mock-trailer");
        }
        if let Some(seconds) = self.directives.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(millis) = self.directives.retry_after_ms {
            headers.insert(HeaderName::from_static("retry-after-ms"), millis.into());
        }
        self.common_headers(&mut headers, status);
        let ending = ending(status >= 300);
        let mut response = Response::new(Body::new(Player::new(script, self.guard, ending)));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }

    /// Sets the headers of every answer, and OpenAI's rate limit headers, which a gateway should not pass on.
    fn common_headers(&self, headers: &mut HeaderMap, status: u16) {
        lock(&self.guard.entry().progress).status = Some(status);
        let sent = self.guard.entry().headers().get("x-request-id").cloned();
        let own = || HeaderValue::from_str(&format!("req_mock{:020}", self.guard.entry().seq)).ok();
        if let Some(id) = sent.or_else(own) {
            let name = if self.family == Family::Anthropic {
                "request-id"
            } else {
                "x-request-id"
            };
            headers.insert(HeaderName::from_static(name), id);
        }
        if let Some(name) = &self.mock.config.name {
            insert(headers, HeaderName::from_static("x-mock-name"), name);
        }
        if self.family == Family::OpenAi {
            for (name, value) in [
                ("openai-version", "2020-10-01"),
                ("openai-processing-ms", "1"),
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-limit-tokens", "30000000"),
                ("x-ratelimit-remaining-requests", "9999"),
                ("x-ratelimit-remaining-tokens", "29999000"),
                ("x-ratelimit-reset-requests", "6ms"),
                ("x-ratelimit-reset-tokens", "2ms"),
            ] {
                headers.insert(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
            }
        }
    }
}

/// Sets a header. The value was checked before; an invalid one is left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// How the capture records an answered request.
fn ending(failed: bool) -> Outcome {
    if failed {
        Outcome::Failed
    } else {
        Outcome::Completed
    }
}
