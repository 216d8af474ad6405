//! Faults on request, for tests: `x-fault: trap@MOMENT` and `x-fault: refuse@MOMENT`.
//!
//! What it is: a wrapper of [`Filter`] that in one callback traps, or makes every host call fail. Releases are built
//! without this feature.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::REFUSING;
use crate::host::headers::{self, Map};
use crate::stream::Filter;

/// A stream that fails as its request asks.
pub(crate) struct Faulty {
    inner: Filter,
    asked: Vec<u8>,
}

impl Faulty {
    pub(crate) fn new(inner: Filter) -> Self {
        Self {
            inner,
            asked: Vec::new(),
        }
    }

    /// Runs a callback, with the fault if `moment` is the requested one.
    fn at<T>(&mut self, moment: &str, callback: impl FnOnce(&mut Filter) -> T) -> T {
        if self.asked == format!("trap@{moment}").as_bytes() {
            core::arch::wasm32::unreachable();
        }
        REFUSING.set(self.asked == format!("refuse@{moment}").as_bytes());
        let done = callback(&mut self.inner);
        REFUSING.set(false);
        done
    }
}

impl Context for Faulty {
    fn on_http_call_response(&mut self, token: u32, headers: usize, size: usize, trailers: usize) {
        self.at("resolved", |s| {
            s.on_http_call_response(token, headers, size, trailers);
        });
    }
}

impl HttpContext for Faulty {
    fn on_http_request_headers(&mut self, count: usize, ends: bool) -> Action {
        if let Ok(pairs) = headers::read(Map::Request) {
            self.asked = pairs.head().get("x-fault").unwrap_or_default().to_vec();
        }
        self.at("request-head", |s| s.on_http_request_headers(count, ends))
    }

    fn on_http_request_body(&mut self, size: usize, ends: bool) -> Action {
        self.at("request-body", |s| s.on_http_request_body(size, ends))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.at("request-trailers", |s| s.on_http_request_trailers(count))
    }

    fn on_http_response_headers(&mut self, count: usize, ends: bool) -> Action {
        self.at("answer-head", |s| s.on_http_response_headers(count, ends))
    }

    fn on_http_response_body(&mut self, size: usize, ends: bool) -> Action {
        self.at("answer-body", |s| s.on_http_response_body(size, ends))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.at("answer-trailers", |s| s.on_http_response_trailers(count))
    }

    fn on_log(&mut self) {
        self.at("log", |s| s.on_log());
    }
}
