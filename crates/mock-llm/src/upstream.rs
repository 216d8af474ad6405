//! Handles one request: captures it, checks its key, reads its directives, answers it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::answer::Answering;
use crate::capture::{latin1, lock};
use crate::directive::{Directives, split_model};
use crate::error::Failure;
use crate::family::Family;
use crate::form;
use crate::job::{Job, Reply};
use crate::mock::Mock;
use crate::play::Guard;
use crate::verdict::Verdict;
use crate::wire::{Endpoint, kept};

/// The longest request body that is accepted, in bytes.
const MAX_REQUEST: usize = 256 << 20;

/// Answers every path outside `/__mock/` and `/healthz`.
pub(crate) async fn answer(
    State(mock): State<Arc<Mock>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let endpoint = Endpoint::find(&parts.method, parts.uri.path());
    let target = parts.uri.clone();
    let entry = mock.capture.begin(parts);
    let guard = Guard::new(mock.capture.clone(), entry.clone());
    let family = endpoint.as_ref().map_or(Family::OpenAi, Endpoint::family);
    let mut call = Call {
        mock: &mock,
        entry: &entry,
        directives: Directives::default(),
    };
    // The body is read to its end in any case, so that a client never fails while writing instead of reading the
    // answer. The guard records a client that disconnects while sending.
    let verdict = match Limited::new(body, MAX_REQUEST).collect().await {
        Err(e) if e.is::<LengthLimitError>() => Verdict::Failure(Failure::server(413)),
        Err(_) => Verdict::Failure(Failure::invalid("The request's body broke off.", None)),
        Ok(body) => {
            let body = body.to_bytes();
            mock.capture.body(&entry, &body);
            match endpoint {
                Ok(endpoint) => call.judge(&endpoint, &target, body).await,
                Err(failure) => Err(failure.into()),
            }
            .unwrap_or_else(|verdict| verdict)
        }
    };
    let directives = call.directives;
    Answering {
        mock: &mock,
        guard,
        directives,
        family,
    }
    .respond(verdict)
}

/// One request while it is handled.
struct Call<'a> {
    mock: &'a Mock,
    entry: &'a crate::capture::Entry,
    directives: Directives,
}

impl Call<'_> {
    /// Decides how to answer. `Err` and `Ok` mean the same here: `?` returns early.
    async fn judge(
        &mut self,
        endpoint: &Endpoint,
        target: &Uri,
        body: Bytes,
    ) -> Result<Verdict, Verdict> {
        let (fields, model) = self.read_directives(endpoint, body).await?;
        self.authorize()?;
        tokio::time::sleep(self.directives.delay).await;
        if self.directives.drop {
            return Ok(Verdict::Drop);
        }
        if let Some(verdict) = self.misbehave(target.path()) {
            return Ok(verdict);
        }
        let mut fields = fields?;
        if let (Some(model), Some(field)) = (&model, fields.get_mut("model")) {
            *field = model.as_str().into();
        }
        if self.directives.refuse_stream_options && fields.get("stream_options").is_some() {
            return Err(Failure::extra_field("stream_options").into());
        }
        if let Endpoint::Kept(call) = endpoint {
            let mut job = kept::job(self.entry.seq, self.directives.clone());
            let reply = call.answer(&fields, &mut job, &self.mock.shelf)?;
            return Ok(Verdict::Reply(Box::new(job), reply));
        }
        let mut ask = endpoint.read(fields)?;
        if let (Some(_), Some(model)) = (endpoint.path_model(), model) {
            ask.model = model;
        }
        let mut job = Job::new(ask, self.entry.seq, self.directives.clone());
        endpoint.count(&mut job);
        let reply = endpoint.reply(&job, target.query().unwrap_or(""), &self.mock.config.models)?;
        let reply = kept::keep(endpoint, &job, &self.mock.shelf).unwrap_or(reply);
        let reply = match (reply, self.directives.error_event_after) {
            (Reply::Events(mut events), Some(after)) => {
                events.truncate(usize::try_from(after).unwrap_or(usize::MAX));
                events.push(endpoint.error_event(&job, events.len()));
                Reply::Events(events)
            }
            (reply, _) => reply,
        };
        Ok(Verdict::Reply(Box::new(job), reply))
    }

    /// Checks the provider's key, if the server requires one.
    fn authorize(&self) -> Result<(), Failure> {
        let Some(key) = &self.mock.config.require_key else {
            return Ok(());
        };
        let sent = self
            .entry
            .headers()
            .get_all(header::AUTHORIZATION)
            .iter()
            .collect::<Vec<_>>();
        match sent.as_slice() {
            [one] if one.as_bytes() == format!("Bearer {key}").as_bytes() => Ok(()),
            _ => Err(Failure::server(401)),
        }
    }

    /// Collects the directives from their three places. An error in the body is returned for
    /// later: a request with the directive `status` gets that status whatever its body is.
    async fn read_directives(
        &mut self,
        endpoint: &Endpoint,
        body: Bytes,
    ) -> Result<(Result<Value, Failure>, Option<String>), Verdict> {
        let mut directives = self.mock.config.directives.clone();
        for value in self.entry.headers().get_all("x-mock") {
            // One character for each byte: bytes outside ASCII end up in an unknown name, which is an error.
            directives.apply(&latin1(value.as_bytes()))?;
        }
        let fields = form::fields(self.entry.headers(), endpoint, body).await;
        let named = match (&fields, endpoint.path_model()) {
            (_, Some(model)) => Some(model.to_owned()),
            (Ok(fields), None) => fields
                .get("model")
                .and_then(Value::as_str)
                .map(str::to_owned),
            (Err(_), None) => None,
        };
        let mut model = None;
        if let Some(named) = named {
            let (name, extra) = split_model(&named);
            directives.apply(extra)?;
            model = Some(name.to_owned());
        }
        lock(&self.entry.progress).tag.clone_from(&directives.tag);
        self.directives = directives;
        Ok((fields, model))
    }

    /// The status or redirect of the directives, if it applies to this attempt.
    fn misbehave(&self, path: &str) -> Option<Verdict> {
        let d = &self.directives;
        if let Some(times) = d.fail_times {
            let what = d.tag.clone().unwrap_or_else(|| format!("{path} {d:?}"));
            if !self.mock.capture.fails(&what, times) {
                return None;
            }
        }
        // Clients send the same headers to the target, so a request that is already there is not redirected again.
        let elsewhere = |to: &&String| to.parse::<Uri>().is_ok_and(|to| to.path() != path);
        if let Some(to) = d.redirect.as_ref().filter(elsewhere) {
            let status = d
                .status
                .filter(|status| (300..400).contains(status))
                .unwrap_or(302);
            return Some(Verdict::Redirect {
                status,
                to: to.clone(),
            });
        }
        let status = d.status.or(d.fail_times.map(|_| 500))?;
        (status >= 400).then(|| Verdict::Failure(Failure::server(status)))
    }
}
