//! Responses to requests that are refused: a status, and the reason as JSON.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use counterfoil_models::protocol::Refusal;

/// A response that rejects a request, with a status code and the reason. With status 503 the client is told to come
/// again in a second.
pub fn refuse(status: StatusCode, error: &(impl ToString + ?Sized)) -> Response {
    let mut response = (status, Json(Refusal { error: error.to_string() })).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
