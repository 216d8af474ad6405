//! In which form usage is answered: JSON, JSON Lines, CSV.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use serde_json::Value;

use super::List;
use crate::error::ApiError;
use crate::export;
use crate::ops::usage::Usage;
use crate::store::UsageRow;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    JsonLines,
}

impl Format {
    /// What the query says, else what the client accepts, else JSON.
    pub(super) fn of(asked: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        match asked {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("jsonl") => Ok(Self::JsonLines),
            Some(_) => Err(ApiError::invalid(
                "format",
                "format must be json, csv or jsonl.",
            )),
            None => {
                let accepted = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
                let mut types = accepted.unwrap_or_default().split(',').map(|media| {
                    let name = media.split(';').next().unwrap_or_default();
                    name.trim().to_ascii_lowercase()
                });
                Ok(types
                    .find_map(|name| match name.as_str() {
                        "application/json" | "*/*" => Some(Self::Json),
                        "text/csv" => Some(Self::Csv),
                        "application/jsonl" | "application/x-ndjson" => Some(Self::JsonLines),
                        _ => None,
                    })
                    .unwrap_or(Self::Json))
            }
        }
    }
}

/// One page; `asked` is the query that led to it. A form that has no place for the next page names it in the header `link`
/// (RFC 8288).
pub(super) fn render(format: Format, usage: Usage, asked: &str) -> Result<Response, ApiError> {
    if format == Format::Json {
        return Ok(Json(List::<UsageRow>::from(usage.page)).into_response());
    }
    let rows: Vec<Value> = usage
        .page
        .items
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()
        .map_err(|error| ApiError::internal(&error))?;
    let by: Vec<&str> = usage.by.iter().map(|by| by.name()).collect();
    let (kind, body) = match format {
        Format::Csv => (
            "text/csv; charset=utf-8; header=present",
            export::csv(&rows, &by, usage.every.is_some(), true)
                .map_err(|error| ApiError::internal(&error))?,
        ),
        Format::Json | Format::JsonLines => ("application/jsonl", export::lines(&rows)),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(next) = &usage.page.next {
        let others = asked
            .split('&')
            .filter(|p| !p.is_empty() && !p.starts_with("after="));
        let query: Vec<&str> = others.collect();
        let link = format!(
            "</admin/v1/usage?{}&after={next}>; rel=\"next\"",
            query.join("&")
        );
        let link = HeaderValue::try_from(link).map_err(|error| ApiError::internal(&error))?;
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Dimension, Every, Page};

    fn usage(model: &str, next: Option<&str>) -> Usage {
        let row = UsageRow {
            group: model.into(),
            groups: [(Dimension::Model, model.into())].into(),
            start: Some(crate::clock::Millis(1_795_435_200_000)),
            requests: 3,
            refusals: [("key_revoked".into(), 2)].into(),
            cost_nano_usd: -1_500_000_000,
            ..UsageRow::default()
        };
        Usage {
            by: vec![Dimension::Model],
            every: Some(Every::Hour),
            page: Page {
                items: vec![row],
                next: next.map(Into::into),
            },
        }
    }

    #[test]
    fn the_next_page_is_named() {
        let link = |next, asked| {
            let page = render(Format::Csv, usage("m", next), asked).unwrap();
            page.headers()
                .get("link")
                .map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(link(None, "by=model"), None);
        assert_eq!(
            link(Some("7b"), "by=model&after=12&every=hour").unwrap(),
            "</admin/v1/usage?by=model&every=hour&after=7b>; rel=\"next\""
        );
    }

    #[test]
    fn the_query_says_which_form_and_else_the_client() {
        for (asked, accept, format) in [
            (None, "", Some(Format::Json)),
            (None, "*/*", Some(Format::Json)),
            (None, "text/html, text/csv;q=0.9, */*", Some(Format::Csv)),
            (None, "application/x-ndjson", Some(Format::JsonLines)),
            (Some("jsonl"), "text/csv", Some(Format::JsonLines)),
            (Some("csv"), "", Some(Format::Csv)),
            (Some("xml"), "text/csv", None),
            (Some(""), "text/csv", None),
        ] {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))];
            let read = Format::of(asked, &headers.into_iter().collect()).ok();
            assert_eq!(read, format, "{asked:?} {accept}");
        }
    }
}
