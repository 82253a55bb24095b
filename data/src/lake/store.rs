//! The way to a lake's storage: local folders, and S3 with conditional PUTs.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
    object_store_factories,
};
use deltalake_core::{DeltaResult, DeltaTableError};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use url::Url;

/// A request that failed for so long is not tried again: a storage that is gone is told within a minute.
const RETRY: Duration = Duration::from_secs(30);

/// The `AWS_…` variables that the S3 client knows.
pub(super) fn options_from_env() -> HashMap<String, String> {
    std::env::vars()
        .filter(|(key, _)| key.starts_with("AWS_"))
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
        .filter(|(key, _)| AmazonS3ConfigKey::from_str(key).is_ok())
        .collect()
}

/// The store at `root` and the lake's prefix in it.
pub(super) fn open(
    root: &Url,
    options: &HashMap<String, String>,
) -> object_store::Result<(Arc<dyn ObjectStore>, Path)> {
    match root.scheme() {
        "s3" => Ok((open_s3(root, options)?, Path::from_url_path(root.path())?)),
        "file" => Ok((Arc::new(LocalFileSystem::new()), Path::from_url_path(root.path())?)),
        scheme => Err(object_store::Error::NotSupported { source: format!("{scheme}:// is not supported").into() }),
    }
}

fn open_s3(url: &Url, options: &HashMap<String, String>) -> object_store::Result<Arc<dyn ObjectStore>> {
    let known = options.iter().filter_map(|(key, value)| Some((AmazonS3ConfigKey::from_str(key).ok()?, value)));
    let builder = known.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let retry = RetryConfig { retry_timeout: RETRY, ..RetryConfig::default() };
    let builder = builder.with_url(url.as_str()).with_conditional_put(S3ConditionalPut::ETagMatch).with_retry(retry);
    Ok(Arc::new(builder.build()?))
}

/// Makes `s3://` known to the Delta tables; before that they take it for no address at all.
pub(super) fn register_s3() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        if let Ok(scheme) = Url::parse("s3://") {
            object_store_factories().insert(scheme.clone(), Arc::new(S3));
            logstore_factories().insert(scheme, Arc::new(S3));
        }
    });
}

/// S3 as the Delta tables need it: a commit is one PUT that fails when the version is there already.
struct S3;

impl ObjectStoreFactory for S3 {
    fn parse_url_opts(&self, url: &Url, config: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        let store = open_s3(url, &config.raw).map_err(|source| DeltaTableError::ObjectStore { source })?;
        let path =
            Path::from_url_path(url.path()).map_err(|source| DeltaTableError::ObjectStore { source: source.into() })?;
        Ok((store, path))
    }
}

impl LogStoreFactory for S3 {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}
