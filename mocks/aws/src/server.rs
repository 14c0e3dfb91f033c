//! The front over HTTP, for the real SDK and for clients that nobody here wrote.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Answer, Delivery, Ec2Front};

/// Requests above this size are refused.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Serves a world on a listener.
///
/// # Errors
/// If the listener fails.
pub async fn serve(front: Ec2Front, listener: TcpListener) -> io::Result<()> {
    let limit = axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX);
    let app = Router::new().fallback(answer).layer(limit).with_state(front);
    axum::serve(Cuttable(listener), app.into_make_service_with_connect_info::<Cut>()).await
}

async fn answer(
    State(front): State<Ec2Front>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = uri.query().unwrap_or_default();
    let input = if body.is_empty() { query.as_bytes() } else { &body };
    let Answer { status, body, request_id, delivery } = front.handle(authorization, input);
    // Whatever breaks off, and wherever: the client cannot know whether the call took effect.
    let body = match delivery {
        Delivery::Whole => Body::from(body),
        Delivery::BrokenOff => broken_off(body),
        Delivery::Nothing => {
            cut.0.store(true, Ordering::Relaxed);
            Body::empty()
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [("content-type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", &request_id)];
    (status, headers, body).into_response()
}

/// Headers and half of a body; then the connection closes.
fn broken_off(body: String) -> Body {
    let body = Bytes::from(body);
    let half = stream::iter([Ok(body.slice(..body.len() / 2))]);
    let end = stream::once(async {
        // While the body has nothing new the server sends what it has.
        tokio::task::yield_now().await;
        Err(io::Error::other("the answer is lost"))
    });
    Body::from_stream(half.chain(end))
}

/// Whether a connection lets nothing more out.
#[derive(Clone, Default, Debug)]
struct Cut(Arc<AtomicBool>);

/// A listener whose connections can be cut before an answer.
struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = CutStream;
    type Addr = Cut;

    async fn accept(&mut self) -> (CutStream, Cut) {
        let (stream, _) = Listener::accept(&mut self.0).await;
        let cut = Cut::default();
        (CutStream { stream, cut: cut.clone() }, cut)
    }

    fn local_addr(&self) -> io::Result<Cut> {
        Ok(Cut::default())
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.remote_addr().clone()
    }
}

struct CutStream {
    stream: TcpStream,
    cut: Cut,
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut.0.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
