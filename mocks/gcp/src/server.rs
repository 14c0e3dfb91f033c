//! The front over HTTP, for our own client and for clients that nobody here wrote.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::net::TcpListener;

use crate::front::{GcpFront, Headers};

/// Requests above this size are refused.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Serves a world on a listener.
///
/// # Errors
/// If the listener fails.
pub async fn serve(front: GcpFront, listener: TcpListener) -> std::io::Result<()> {
    let limit = axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX);
    let app = Router::new().fallback(answer).layer(limit).with_state(front);
    axum::serve(listener, app).await
}

async fn answer(
    State(front): State<GcpFront>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let endpoint = if host.ends_with(".googleapis.com") { String::new() } else { format!("http://{host}") };
    let authorization = text(header::AUTHORIZATION).unwrap_or_default();
    let read = Headers { authorization, host, endpoint: &endpoint };
    let path = uri.path_and_query().map_or(uri.path(), |both| both.as_str());
    let answer = front.handle(method.as_str(), path, read, &body);
    if answer.drop_connection {
        // A body that breaks off: the client cannot know whether the call took effect.
        let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
        return (StatusCode::OK, Body::from_stream(broken)).into_response();
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    (status, [(header::CONTENT_TYPE, json)], answer.body).into_response()
}
