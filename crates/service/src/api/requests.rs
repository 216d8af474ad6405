//! Single requests, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::List;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::ops::requests;
use crate::service::Service;
use crate::store::RequestRecord;

#[utoipa::path(get, path = "/admin/v1/requests/{request_id}", tag = "usage", operation_id = "request",
    params(("request_id" = String, Path, description = "The request's `x-request-id`, from the answer or the access log")),
    responses((status = 200, body = List<RequestRecord>), (status = "4XX", body = ErrorBody)))]
/// What is recorded of one request: its own record, and one for each object of the provider's whose end it was shown.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(request_id): Path<String>,
) -> Result<Json<List<RequestRecord>>, ApiError> {
    let records = requests::show(&service, &caller, &request_id).await?;
    Ok(Json(List::all(records)))
}
