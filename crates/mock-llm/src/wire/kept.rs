//! Objects stored at a provider: responses, completions, background work, files and batches.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Endpoint, percent_decode, required};
use crate::count::Tokens;
use crate::directive::Directives;
use crate::error::Failure;
use crate::job::{Ask, CREATED, Job, Reply};
use crate::shelf::{Kept, Shelf};

/// A call on a stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Reads a document: a response, a completion, a batch, a file.
    Read(String),
    /// Cancels a response or a batch, and returns it.
    Cancel(String),
    /// Deletes any object.
    Delete(String),
    /// Reads xAI's deferred completion.
    Deferred(String),
    /// Lists a collection.
    List,
    /// Uploads a file.
    Upload,
    /// Reads a file's text, or a batch's answers.
    Text(String),
    /// Makes a batch from a file.
    Batch,
    /// Makes a batch from the requests in the body (Anthropic).
    BatchOfRequests,
}

const COLLECTIONS: [&str; 6] = [
    "responses/",
    "chat/completions/",
    "messages/batches/",
    "batches/",
    "files/",
    "conversations/",
];

impl Call {
    /// The call of a path below `/v1/`; `None` if the path is not about stored objects.
    pub(crate) fn find(method: &Method, path: &str) -> Option<Self> {
        let call = match (method, path) {
            (&Method::POST, "files") => return Some(Self::Upload),
            (&Method::POST, "batches") => return Some(Self::Batch),
            (&Method::POST, "messages/batches") => return Some(Self::BatchOfRequests),
            (&Method::GET, "files" | "batches" | "chat/completions") => return Some(Self::List),
            (&Method::GET, path) if path.starts_with("chat/deferred-completion/") => {
                let id = path.strip_prefix("chat/deferred-completion/")?;
                return Some(Self::Deferred(percent_decode(id)));
            }
            _ => COLLECTIONS.iter().find_map(|c| path.strip_prefix(c))?,
        };
        let (id, rest) = call.split_once('/').unwrap_or((call, ""));
        let id = percent_decode(id);
        match (method, rest) {
            _ if id.is_empty() => None,
            (&Method::GET | &Method::POST, "") => Some(Self::Read(id)),
            (&Method::DELETE, "") => Some(Self::Delete(id)),
            (&Method::POST, "cancel") => Some(Self::Cancel(id)),
            (&Method::GET, "content" | "results") => Some(Self::Text(id)),
            _ => None,
        }
    }

    /// Answers the call. `job` is empty; a batch adds the cost of all its requests to it.
    ///
    /// # Errors
    /// 404 for an unknown object, 400 for a batch that cannot be run.
    pub(crate) fn answer(
        &self,
        body: &Value,
        job: &mut Job,
        shelf: &Shelf,
    ) -> Result<Reply, Failure> {
        let missing = |id: &str| Failure::unknown_object(id);
        job.set_counts(Tokens::default());
        let document = match self {
            Self::Read(id) => shelf.ask(id).ok_or_else(|| missing(id))?.0,
            Self::Cancel(id) => {
                let mut document = shelf.ask(id).ok_or_else(|| missing(id))?.0;
                if document["status"] == "in_progress" || document["status"] == "queued" {
                    document["status"] = "cancelled".into();
                    shelf.put(id, Kept::done(document.clone()));
                }
                document
            }
            Self::Delete(id) => {
                shelf.remove(id).ok_or_else(|| missing(id))?;
                json!({"id": id, "deleted": true})
            }
            Self::Deferred(id) => match shelf.ask(id).ok_or_else(|| missing(id))? {
                (document, true) => document,
                (_, false) => return Ok(Reply::Accepted),
            },
            Self::List => json!({"object": "list", "data": [], "has_more": false}),
            Self::Upload => upload(body, job, shelf)?,
            Self::Text(id) => match shelf.get(id) {
                Some(Kept::File { text, .. }) => return Ok(Reply::Text(text)),
                Some(Kept::Document { .. }) => match shelf.get(&format!("{id}/results")) {
                    Some(Kept::File { text, .. }) => return Ok(Reply::Text(text)),
                    _ => return Err(missing(id)),
                },
                None => return Err(missing(id)),
            },
            Self::Batch => batch(body, job, shelf)?,
            Self::BatchOfRequests => batch_of_requests(body, job, shelf)?,
        };
        Ok(Reply::Json(document, false))
    }
}

fn upload(body: &Value, job: &Job, shelf: &Shelf) -> Result<Value, Failure> {
    let text = required(body, "file")?.as_str().unwrap_or_default();
    let id = job.id("file-");
    let about = json!({
        "id": id, "object": "file", "bytes": text.len(), "created_at": CREATED, "filename": "file.jsonl",
        "purpose": required(body, "purpose")?, "status": "processed",
    });
    let text = text.to_owned();
    shelf.put(
        &id,
        Kept::File {
            about: about.clone(),
            text,
        },
    );
    Ok(about)
}

/// The answer to one request of a batch, and its cost.
fn run(endpoint: &Endpoint, body: Value, seq: u64) -> Result<(Value, Tokens), Failure> {
    let ask = endpoint.read(body)?;
    let mut job = Job::new(ask, seq, Directives::default());
    endpoint.count(&mut job);
    match endpoint.reply(&job, "", &[])? {
        Reply::Json(document, _) => Ok((document, job.counted)),
        _ => Err(Failure::invalid("A batch takes no streams.", None)),
    }
}

fn sum(total: &mut Tokens, one: &Tokens) {
    total.prompt += one.prompt;
    total.completion += one.completion;
}

fn batch(body: &Value, job: &mut Job, shelf: &Shelf) -> Result<Value, Failure> {
    let input = required(body, "input_file_id")?
        .as_str()
        .unwrap_or_default();
    let Some(Kept::File { text, .. }) = shelf.get(input) else {
        return Err(Failure::unknown_object(input));
    };
    let bad = || Failure::invalid("A line of the file is no request.", Some("input_file_id"));
    let (mut answers, mut total, mut count) = (String::new(), Tokens::default(), 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).map_err(|_| bad())?;
        let url = line["url"].as_str().ok_or_else(bad)?;
        let endpoint = Endpoint::find(&Method::POST, url)?;
        let (answer, cost) = run(&endpoint, line["body"].clone(), job.seq)?;
        sum(&mut total, &cost);
        count += 1;
        let response = json!({"status_code": 200, "request_id": job.id("req_"), "body": answer});
        let answer = json!({"custom_id": line["custom_id"], "response": response, "error": null});
        answers.push_str(&answer.to_string());
        answers.push('\n');
    }
    job.set_counts(total);
    let (id, output) = (job.id("batch_"), job.id("file-out-"));
    let about =
        json!({"id": output, "object": "file", "purpose": "batch_output", "status": "processed"});
    shelf.put(
        &output,
        Kept::File {
            about,
            text: answers,
        },
    );
    let meanwhile = json!({
        "id": id, "object": "batch", "endpoint": body["endpoint"], "errors": null, "input_file_id": input,
        "completion_window": "24h", "status": "in_progress", "output_file_id": null, "error_file_id": null,
        "created_at": CREATED, "request_counts": {"total": count, "completed": 0, "failed": 0}, "metadata": null,
    });
    let mut finished = meanwhile.clone();
    finished["status"] = "completed".into();
    finished["output_file_id"] = output.into();
    finished["request_counts"]["completed"] = count.into();
    if job.reported.is_some() {
        finished["usage"] = super::responses::usage(&total);
    }
    Ok(finish_later(shelf, &id, job, meanwhile, finished))
}

fn batch_of_requests(body: &Value, job: &mut Job, shelf: &Shelf) -> Result<Value, Failure> {
    let requests = required(body, "requests")?.as_array();
    let (mut answers, mut total) = (String::new(), Tokens::default());
    for request in requests.into_iter().flatten() {
        let (message, cost) = run(&Endpoint::Messages, request["params"].clone(), job.seq)?;
        sum(&mut total, &cost);
        let result = json!({"type": "succeeded", "message": message});
        let answer = json!({"custom_id": request["custom_id"], "result": result});
        answers.push_str(&answer.to_string());
        answers.push('\n');
    }
    job.set_counts(total);
    let id = job.id("msgbatch_");
    let about = Value::Null;
    shelf.put(
        &format!("{id}/results"),
        Kept::File {
            about,
            text: answers,
        },
    );
    let meanwhile = json!({
        "id": id, "type": "message_batch", "processing_status": "in_progress", "results_url": null,
        "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "ended_at": null,
        "archived_at": null, "cancel_initiated_at": null,
        "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    });
    let mut finished = meanwhile.clone();
    finished["processing_status"] = "ended".into();
    finished["results_url"] =
        format!("https://upstream.example/v1/messages/batches/{id}/results").into();
    Ok(finish_later(shelf, &id, job, meanwhile, finished))
}

/// An empty job, for calls without a model.
pub(crate) fn job(seq: u64, directives: Directives) -> Job {
    let mut job = Job::new(Ask::default(), seq, directives);
    job.set_counts(Tokens::default());
    job
}

/// Stores an answer if the request says so, and defers work that finishes later.
pub(crate) fn keep(endpoint: &Endpoint, job: &Job, shelf: &Shelf) -> Option<Reply> {
    let asked = |field: &str| job.ask.body.get(field).and_then(Value::as_bool);
    let put = |id: &str, finished: Value, meanwhile: Option<Value>| {
        let polls = job.directives.polls;
        shelf.put(
            id,
            Kept::Document {
                finished,
                meanwhile,
                polls,
            },
        );
    };
    match endpoint {
        Endpoint::Responses if asked("background") == Some(true) => {
            let mut finished = super::responses::finished(job);
            finished["background"] = true.into();
            let mut queued = finished.clone();
            queued["status"] = "queued".into();
            queued["output"] = json!([]);
            queued["usage"] = Value::Null;
            put(&job.id("resp_"), finished, Some(queued.clone()));
            (!job.streams()).then_some(Reply::Json(queued, false))
        }
        Endpoint::Responses if asked("store") != Some(false) => {
            put(&job.id("resp_"), super::responses::finished(job), None);
            None
        }
        Endpoint::Chat if asked("deferred") == Some(true) => {
            let id = job.id("deferred-");
            let Reply::Json(finished, _) = super::chat::document(job) else {
                return None;
            };
            put(&id, finished, Some(Value::Null));
            Some(Reply::Json(json!({"request_id": id}), false))
        }
        Endpoint::Chat if asked("store") == Some(true) => {
            if let Reply::Json(finished, _) = super::chat::document(job) {
                put(&job.id("chatcmpl-"), finished, None);
            }
            None
        }
        _ => None,
    }
}

/// Stores unfinished work: reads return `meanwhile` until the polls are used up, then `finished`. Returns `meanwhile`.
fn finish_later(shelf: &Shelf, id: &str, job: &Job, meanwhile: Value, finished: Value) -> Value {
    let kept = Kept::Document {
        finished,
        meanwhile: Some(meanwhile.clone()),
        polls: job.directives.polls,
    };
    shelf.put(id, kept);
    meanwhile
}
