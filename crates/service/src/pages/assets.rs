//! The files that pages refer to: stylesheet, scripts, pictures. They are part of the program, so that no outside address is needed.
//!
//! An address holds a digest of the file's bytes, so a browser may keep the file for ever and still sees a new one at once.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::service::Service;

/// How many characters of a digest stand in an address.
const DIGEST_SHOWN: usize = 16;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/users/assets/{digest}/{name}", get(file))
}

/// The address of a file by its name in `assets/`.
pub(super) fn address(name: &str) -> String {
    let digest = Files::get(name)
        .map(|file| shown_digest(&file))
        .unwrap_or_default();
    format!("/users/assets/{digest}/{name}")
}

fn shown_digest(file: &rust_embed::EmbeddedFile) -> String {
    let mut digest = hex::encode(file.metadata.sha256_hash());
    digest.truncate(DIGEST_SHOWN);
    digest
}

async fn file(Path((digest, name)): Path<(String, String)>) -> Response {
    let Some(file) = Files::get(&name).filter(|file| shown_digest(file) == digest) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, file.metadata.mimetype()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, file.data.into_owned()).into_response()
}
