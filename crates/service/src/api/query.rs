//! Checks query strings against the description, for all routes.
//!
//! Otherwise an unknown parameter would be ignored, and a misspelt filter would show everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use crate::error::ApiError;

/// The query parameters of each route, by its method and path.
pub(super) struct Declared(BTreeMap<(String, String), Vec<Parameter>>);

struct Parameter {
    name: String,
    /// Whether it is a list whose values are given one by one: `name=a&name=b`, or `name[]=a&name[]=b`.
    repeated: bool,
}

impl Parameter {
    /// A declared parameter, if it is one of the query.
    fn of(declared: &Value) -> Option<Self> {
        let of_query = declared.get("in").is_some_and(|place| place == "query");
        let name = declared.get("name").and_then(Value::as_str)?;
        let types = declared.pointer("/schema/type");
        let is_list = types.is_some_and(|types| match types {
            Value::Array(several) => several.iter().any(|one| one == "array"),
            only => only == "array",
        });
        let exploded = declared.get("explode").and_then(Value::as_bool) != Some(false);
        of_query.then(|| Self {
            name: name.to_owned(),
            repeated: is_list && exploded,
        })
    }

    fn is_named(&self, name: &str) -> bool {
        let plain = name.strip_suffix("[]").filter(|_| self.repeated);
        self.name == plain.unwrap_or(name)
    }
}

impl Declared {
    pub(super) fn of(description: &utoipa::openapi::OpenApi) -> Self {
        let description = serde_json::to_value(description).unwrap_or_default();
        let paths = description.get("paths").and_then(Value::as_object);
        let mut declared = BTreeMap::new();
        for (path, item) in paths.into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let parameters = operation.get("parameters").and_then(Value::as_array);
                let names = parameters.into_iter().flatten().filter_map(Parameter::of);
                let method = method.to_ascii_uppercase();
                declared.insert((method, path.clone()), names.collect());
            }
        }
        Self(declared)
    }

    fn names(&self, method: &Method, path: &str) -> Option<&[Parameter]> {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let key = (method.to_string(), path.to_owned());
        self.0.get(&key).map(Vec::as_slice)
    }
}

/// Refuses a query that names what the route does not declare, names something twice, or holds a NUL.
pub(super) async fn check(
    State(declared): State<Arc<Declared>>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(names) = declared.names(request.method(), matched.as_str()) {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())?;
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in &pairs {
            let Some(parameter) = names.iter().find(|p| p.is_named(name)) else {
                return Err(unknown(name, names));
            };
            if !parameter.repeated && seen.contains(&name.as_str()) {
                return Err(ApiError::query(format!("{name} must be given once.")).of(name));
            }
            if value.contains('\0') {
                return Err(
                    ApiError::query(format!("{name} must not hold a NUL character.")).of(name),
                );
            }
            seen.push(name);
        }
    }
    Ok(next.run(request).await)
}

fn unknown(name: &str, known: &[Parameter]) -> ApiError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let names: Vec<&str> = known.iter().map(|p| p.name.as_str()).collect();
    let known = match &names[..] {
        [] => "This URL takes none.".to_owned(),
        names => format!("This URL takes {}.", names.join(", ")),
    };
    ApiError::query(format!("There is no query parameter {name}. {known}"))
}
