//! The pipeline under a source whose bytes come asynchronously: waiting here, reading on threads that may block.

use flow::Sink;
use futures_util::{Stream, StreamExt};
use provider::Piece;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::{Account, Pipeline, ReadError};

/// Pieces of bytes that may wait for the pipeline.
const WAITING_MAX: usize = 8;

impl<S: Sink + Send + 'static> Pipeline<S> {
    /// Reads one piece from its offset on as [`Pipeline::read`] does, and gives the pipeline back with the account. What comes
    /// faster than it is read waits at its source.
    ///
    /// # Errors
    /// A panic of a sink, or a runtime that shuts down.
    pub async fn read_piece<E: Send + 'static>(
        mut self,
        piece: &Piece,
        input: impl Stream<Item = Result<Vec<u8>, E>> + Unpin,
    ) -> Result<(Self, Result<Account, ReadError<E>>), JoinError> {
        let (sender, mut receiver) = mpsc::channel(WAITING_MAX);
        let (format, packing, is_begun) = (piece.format.clone(), piece.packing, piece.offset > 0);
        let reading = tokio::task::spawn_blocking(move || {
            let input = std::iter::from_fn(|| receiver.blocking_recv());
            let account = match is_begun {
                true => self.resume(&format, packing, input),
                false => self.read(&format, packing, input),
            };
            (self, account)
        });
        forward(input, sender).await;
        reading.await
    }
}

/// Hands bytes on until there are no more, or nobody wants them (a format without a reader, damage).
async fn forward<T>(mut input: impl Stream<Item = T> + Unpin, sender: mpsc::Sender<T>) {
    while let Some(item) = input.next().await {
        if sender.send(item).await.is_err() {
            return;
        }
    }
}
