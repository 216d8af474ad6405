//! Reads a request body, JSON or a multipart form, into one JSON value.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::wire::Endpoint;
use crate::wire::kept::Call;

/// The fields of a body; empty if the endpoint takes no body.
///
/// # Errors
/// 400 if the endpoint does not accept the body.
pub(crate) async fn fields(
    headers: &HeaderMap,
    endpoint: &Endpoint,
    body: Bytes,
) -> Result<Value, Failure> {
    match endpoint {
        Endpoint::Models | Endpoint::Model(_) => Ok(Value::Null),
        Endpoint::Kept(Call::Upload) => multipart(headers, body).await,
        Endpoint::Kept(Call::Batch | Call::BatchOfRequests) => json(&body),
        Endpoint::Kept(_) => Ok(Value::Null),
        Endpoint::Transcriptions => multipart(headers, body).await,
        _ => json(&body),
    }
}

fn json(body: &[u8]) -> Result<Value, Failure> {
    match serde_json::from_slice::<Value>(body) {
        Ok(fields) if fields.is_object() => Ok(fields),
        _ => Err(Failure::invalid(
            "We could not parse the JSON body of your request.",
            None,
        )),
    }
}

/// Text fields become strings and `stream` a boolean. The file becomes its text and its length, `file_bytes`.
async fn multipart(headers: &HeaderMap, body: Bytes) -> Result<Value, Failure> {
    let broken = || Failure::invalid("Could not parse multipart form", None);
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let boundary = multer::parse_boundary(kind).map_err(|_| broken())?;
    let whole = futures::stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(whole, boundary);
    let mut fields = Map::new();
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let Some(name) = field.name().map(str::to_owned) else {
            continue;
        };
        if field.file_name().is_some() {
            let bytes = field.bytes().await.map_err(|_| broken())?;
            fields.insert(format!("{name}_bytes"), bytes.len().into());
            fields.insert(name, String::from_utf8_lossy(&bytes).into());
        } else {
            let text = field.text().await.map_err(|_| broken())?;
            let value = if name == "stream" {
                Value::Bool(text == "true")
            } else {
                text.into()
            };
            fields.insert(name, value);
        }
    }
    Ok(Value::Object(fields))
}
