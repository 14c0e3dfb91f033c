//! A piece that must be read whole, because its format needs its end first (Parquet).

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use provider::{ErrorKind, ProviderError};

/// The largest piece that is read whole. AWS closes a file at 75 MB.
pub const WHOLE_BYTES_MAX: usize = 256 << 20;

/// All bytes of a stream, if they are at most `most`.
///
/// # Errors
/// Of the stream; [`ErrorKind::Rejected`] for what is longer.
pub async fn whole(
    mut stream: BoxStream<'static, Result<Vec<u8>, ProviderError>>,
    most: usize,
) -> Result<Bytes, ProviderError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        if bytes.len() + chunk.len() > most {
            let message = format!("it is longer than {most} bytes and must be read whole");
            return Err(ProviderError::new(ErrorKind::Rejected, "read", message));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
