//! A folder or a prefix of a bucket, by its URL: where logs lie and where summaries are kept.
//!
//! Credentials come from where each cloud's own tools take them (environment, roles of the machine, of the pod or of the
//! function). What lies there is for `source` and `store` to know.

mod keys;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredentialProvider};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use provider::{ErrorKind, ProviderError};
use url::Url;

pub use keys::{AwsKeyChain, AwsKeys, signed_by};

use crate::failure::of_place;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing may come in the middle of an answer. Whole answers have no limit: they are as long as the objects.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a call is sent again before the next pass has to do it.
const RETRIES_MAX: usize = 3;
/// How long calls are sent again at most.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the URL does not say.
#[derive(Clone, Default)]
pub struct Settings {
    /// Another endpoint than the cloud's own, such as `http://127.0.0.1:9000`; then plain HTTP is let through.
    pub endpoint: Option<String>,
    /// The bucket is in the path and not in the host's name (S3).
    pub path_style: bool,
    /// The region (S3); the environment's, if none is given.
    pub region: Option<String>,
    /// The storage account (Azure); the environment's or the URL's, if none is given.
    pub account: Option<String>,
    /// Nobody signs: a public bucket.
    pub anonymous: bool,
    /// Who signs for S3 in place of the environment: the library does not read profiles.
    pub aws_credentials: Option<AwsCredentialProvider>,
}

/// Whether a place is a folder, in which a rename is atomic and a lock is the system's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket: a write can depend on what is there.
    Bucket,
}

/// An opened folder or bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Place {
    /// Opens `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` (with an account),
    /// `abfss://container@account.dfs.core.windows.net/prefix`, `https://account.blob.core.windows.net/container/prefix`,
    /// `file:///folder` or a path.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a URL that is none of them, [`ErrorKind::NotFound`] for a folder that is not there.
    /// Buckets are asked for only when they are used.
    pub fn open(location: &str, settings: &Settings) -> Result<Self, ProviderError> {
        let Ok(url) = Url::parse(location) else { return Self::folder(location.into(), location) };
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| not_a_place(location))?;
            return Self::folder(path, location);
        }
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| not_a_place(location))?;
        // Some other part of the program may have chosen already, and then it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store: Result<Arc<dyn ObjectStore>, _> = match scheme {
            ObjectStoreScheme::AmazonS3 => s3(&url, settings).build().map(|it| Arc::new(it) as _),
            ObjectStoreScheme::MicrosoftAzure => azure(&url, settings).build().map(|it| Arc::new(it) as _),
            ObjectStoreScheme::GoogleCloudStorage => gcs(&url, settings).build().map(|it| Arc::new(it) as _),
            _ => return Err(not_a_place(location)),
        };
        let store = store.map_err(|error| of_place("open", error))?;
        Ok(Self { store, prefix, kind: Kind::Bucket, name: location.to_owned() })
    }

    /// Opens a folder that need not be there yet, or a bucket as [`Place::open`] does.
    ///
    /// # Errors
    /// As [`Place::open`], and of making the folder.
    pub fn create(location: &str, settings: &Settings) -> Result<Self, ProviderError> {
        let folder = match Url::parse(location) {
            Err(_) => Some(PathBuf::from(location)),
            Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
            Ok(_) => None,
        };
        if let Some(folder) = folder {
            std::fs::create_dir_all(&folder).map_err(|error| no_folder("create", location, error))?;
        }
        Self::open(location, settings)
    }

    /// A place on a store that somebody else opened; a bucket as far as writing goes.
    pub fn on(store: Arc<dyn ObjectStore>, prefix: Path, name: &str) -> Self {
        Self { store, prefix, kind: Kind::Bucket, name: name.to_owned() }
    }

    /// The same place with another store in front of it, such as one that counts or fails.
    pub fn through(mut self, front: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        self.store = front(self.store);
        self
    }

    fn folder(path: PathBuf, name: &str) -> Result<Self, ProviderError> {
        let root = std::fs::canonicalize(&path).map_err(|error| no_folder("open", name, error))?;
        if !root.is_dir() {
            return Err(ProviderError::new(ErrorKind::Rejected, "open", format!("`{name}` is no folder")));
        }
        let store = LocalFileSystem::new_with_prefix(&root).map_err(|error| of_place("open", error))?;
        let store = Arc::new(store.with_fsync(true));
        Ok(Self { store, prefix: Path::default(), kind: Kind::Folder(root), name: name.to_owned() })
    }

    /// The place as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path below the prefix.
    pub(crate) fn path(&self, below: &str) -> Path {
        let below = below.split('/').filter(|part| !part.is_empty());
        below.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The path of an object that a listing named: it is not escaped again.
    pub(crate) fn listed(&self, below: &str) -> Result<Path, ProviderError> {
        let text = format!("{}/{below}", self.prefix);
        Path::parse(text).map_err(|error| of_place("read", error.into()))
    }

    /// What a path is called below the prefix.
    pub(crate) fn below(&self, path: &Path) -> String {
        let text = path.as_ref();
        let rest = text.strip_prefix(self.prefix.as_ref()).unwrap_or(text);
        rest.trim_start_matches('/').to_owned()
    }
}

fn client() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_timeout_disabled()
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

fn s3(url: &Url, settings: &Settings) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_client_options(client())
        .with_retry(retry())
        .with_virtual_hosted_style_request(!settings.path_style && settings.endpoint.is_none());
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(credentials) = &settings.aws_credentials {
        builder = builder.with_credentials(credentials.clone());
    }
    if settings.anonymous { builder.with_skip_signature(true) } else { builder }
}

fn azure(url: &Url, settings: &Settings) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(url.as_str())
        .with_client_options(client())
        .with_retry(retry());
    if let Some(account) = &settings.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &settings.endpoint {
        let plain = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint.clone()).with_allow_http(plain);
    }
    if settings.anonymous { builder.with_skip_signature(true) } else { builder }
}

fn gcs(url: &Url, settings: &Settings) -> GoogleCloudStorageBuilder {
    let plain = settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_url(url.as_str())
        .with_client_options(client().with_allow_http(plain))
        .with_retry(retry());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    if settings.anonymous { builder.with_skip_signature(true) } else { builder }
}

fn not_a_place(location: &str) -> ProviderError {
    let message = format!("`{location}` is no folder and no bucket");
    let mut failed = ProviderError::new(ErrorKind::Rejected, "open", message);
    failed.hint = "write a path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix".to_owned();
    failed
}

pub(crate) fn no_folder(action: &str, name: &str, error: std::io::Error) -> ProviderError {
    let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
    let mut failed = of_place(action, source);
    failed.message = format!("`{name}`: {}", failed.message);
    failed
}
