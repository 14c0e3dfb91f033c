//! An object store that fails, or whose user dies, at a chosen call: before it, or after it took effect.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// What happens at the chosen call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails, nothing was done, and the next call goes well.
    Before,
    /// It is done, but the answer is lost.
    After,
    /// Nothing goes any more: the process died before the call.
    DeadBefore,
    /// The process died after it.
    DeadAfter,
}

/// All faults.
pub const FAULTS: [Fault; 4] = [Fault::Before, Fault::After, Fault::DeadBefore, Fault::DeadAfter];

/// When what happens; shared by all stores of one run.
#[derive(Clone, Default)]
pub struct Plan(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: u64,
    at: Option<(u64, Fault)>,
    is_dead: bool,
    hit: Option<String>,
}

impl Plan {
    /// Counts anew; at the call of that number the fault happens.
    pub fn arm(&self, at: Option<(u64, Fault)>) {
        *self.0.lock().unwrap() = State { at, ..State::default() };
    }

    /// Calls since then.
    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// Whether the process is dead.
    pub fn is_dead(&self) -> bool {
        self.0.lock().unwrap().is_dead
    }

    /// The call at which it happened.
    pub fn hit(&self) -> Option<String> {
        self.0.lock().unwrap().hit.clone()
    }

    /// Before a call: its number, or the failure.
    fn before(&self, name: &str, path: &str) -> Result<u64> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let call = state.calls;
        if state.is_dead {
            return Err(failure("dead"));
        }
        match state.at {
            Some((at, fault @ (Fault::Before | Fault::DeadBefore))) if at == call => {
                state.is_dead = fault == Fault::DeadBefore;
                state.hit = Some(format!("{name} {path}"));
                Err(failure("failed before"))
            }
            _ => Ok(call),
        }
    }

    /// After it took effect.
    fn after(&self, call: u64, name: &str, path: &str) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        match state.at {
            Some((at, fault @ (Fault::After | Fault::DeadAfter))) if at == call => {
                state.is_dead = fault == Fault::DeadAfter;
                state.hit = Some(format!("{name} {path}"));
                Err(failure("answer lost"))
            }
            _ => Ok(()),
        }
    }
}

fn failure(text: &'static str) -> Error {
    Error::Generic { store: "faulty", source: text.into() }
}

/// The store.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    plan: Plan,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Plan) -> Self {
        Self { inner, plan }
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, to: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let call = self.plan.before("put", to.as_ref())?;
        let result = self.inner.put_opts(to, payload, options).await?;
        self.plan.after(call, "put", to.as_ref())?;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, options).await
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        let call = self.plan.before("get", from.as_ref())?;
        let result = self.inner.get_opts(from, options).await?;
        self.plan.after(call, "get", from.as_ref())?;
        Ok(result)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, plan) = (self.inner.clone(), self.plan.clone());
        paths
            .and_then(move |path| {
                let (inner, plan) = (inner.clone(), plan.clone());
                async move {
                    let call = plan.before("delete", path.as_ref())?;
                    inner.delete(&path).await?;
                    plan.after(call, "delete", path.as_ref())?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.before("list", prefix.map_or("", |prefix| prefix.as_ref())) {
            Ok(_) => self.inner.list(prefix),
            Err(error) => futures_util::stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.plan.before("list", prefix.map_or("", |prefix| prefix.as_ref()))?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let call = self.plan.before("copy", to.as_ref())?;
        self.inner.copy_opts(from, to, options).await?;
        self.plan.after(call, "copy", to.as_ref())
    }

    // A bucket has no rename: the library's own copy and delete, so that a crash can come between them.
    async fn rename_opts(&self, from: &Path, to: &Path, _options: RenameOptions) -> Result<()> {
        self.copy_opts(from, to, CopyOptions::default()).await?;
        self.delete(from).await
    }
}
