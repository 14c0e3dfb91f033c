//! A log that is asked by time, as a source: a driver gives one page of a window, and everything else is here.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::error::{ErrorKind, ProviderError};
use crate::flows::{FlowCursor, FlowSource, Piece, Windows};

/// The wall clock in Unix seconds, as a capability.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The entries of a stretch of time, page by page.
#[async_trait]
pub trait LogPages: Send + Sync {
    /// The call that reads a page, for errors.
    const ACTION: &'static str;

    /// The lines of one page of what is from the first Unix second to just before the second one, and the token of the
    /// next page, if there is one. A page without lines may have a next one.
    ///
    /// # Errors
    /// Of the call.
    async fn page(
        &self,
        span: (i64, i64),
        token: Option<String>,
    ) -> Result<(Vec<u8>, Option<String>), ProviderError>;
}

/// A log that is read window by window.
pub struct Windowed<P> {
    name: String,
    pages: Arc<P>,
    windows: Windows,
    now: Now,
}

/// Which page is next.
enum Next {
    First,
    After(String),
    None,
}

impl<P> Windowed<P> {
    /// The name is the source's.
    pub fn new(name: &str, pages: P, windows: Windows, now: Now) -> Self {
        Self { name: name.to_owned(), pages: Arc::new(pages), windows, now }
    }
}

#[async_trait]
impl<P: LogPages + 'static> FlowSource for Windowed<P> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pieces(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError> {
        Ok(self.windows.pieces(cursor, (self.now)(), max))
    }

    /// A window is listed when it is complete: none comes late.
    fn late_s(&self) -> Option<i64> {
        Some(0)
    }

    async fn open(
        &self,
        piece: &Piece,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, ProviderError>>, ProviderError> {
        let Some(span) = self.windows.span(piece) else {
            let message = format!("`{}` is not of the logs of `{}`", piece.key, self.windows.of);
            return Err(ProviderError::new(ErrorKind::Rejected, P::ACTION, message));
        };
        let pages = self.pages.clone();
        let step = move |next| {
            let pages = pages.clone();
            async move {
                let token = match next {
                    Next::First => None,
                    Next::After(token) => Some(token),
                    Next::None => return Ok(None),
                };
                let (lines, token) = pages.page(span, token).await?;
                Ok(Some((lines, token.map_or(Next::None, Next::After))))
            }
        };
        Ok(stream::try_unfold(Next::First, step).boxed())
    }
}
