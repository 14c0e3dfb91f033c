//! A writer that notes each step in the journal before it is sent, and what was called for it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use plan::{GroupId, Observed, Scope, Step};
use provider::{Applied, CloudWriter, ErrorKind, Failed, ProviderError};

use super::StateFolder;
use super::journal::Note;

/// Writes, and keeps the record. A step that cannot be noted is not sent.
pub struct Noting<'a> {
    /// Writes.
    pub writer: &'a dyn CloudWriter,
    /// Where the journal of the apply has been begun.
    pub state: &'a StateFolder,
}

#[async_trait]
impl CloudWriter for Noting<'_> {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        self.state.note(&Note::sent(step)).map_err(|error| not_noted(&error))?;
        let result = self.writer.apply(scope, step, current, ids).await;
        let answered = match &result {
            Ok(applied) => Note::answered(step.id, &applied.calls, None),
            Err(failed) => Note::answered(step.id, &failed.calls, Some(failed)),
        };
        if let Err(error) = self.state.note(&answered) {
            tracing::error!(%error, step = %step.title, "what was called could not be noted in the journal");
        }
        result
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        self.writer.document(scope, step, current, ids)
    }
}

fn not_noted(error: &std::io::Error) -> ProviderError {
    let message = format!("the step cannot be noted in the journal, so it is not sent: {error}");
    let mut error = ProviderError::new(ErrorKind::Rejected, "apply", message);
    error.hint = "make room in the state folder, and let it be written".to_owned();
    error
}
