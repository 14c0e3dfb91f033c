//! The front over HTTP, for the real SDK and for clients that nobody here wrote.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::net::TcpListener;

use crate::world::{Answer, Ec2Front};

/// Requests above this size are refused.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Serves a world on a listener.
///
/// # Errors
/// If the listener fails.
pub async fn serve(front: Ec2Front, listener: TcpListener) -> std::io::Result<()> {
    let limit = axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX);
    let app = Router::new().fallback(answer).layer(limit).with_state(front);
    axum::serve(listener, app).await
}

async fn answer(State(front): State<Ec2Front>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let authorization =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = uri.query().unwrap_or_default();
    let input = if body.is_empty() { query.as_bytes() } else { &body };
    let Answer { status, body, request_id, drop_connection } = front.handle(authorization, input);
    if drop_connection {
        // A body that breaks off: the client cannot know whether the call took effect.
        let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
        return (StatusCode::OK, Body::from_stream(broken)).into_response();
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let head = [("content-type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", &request_id)];
    (status, head, body).into_response()
}
