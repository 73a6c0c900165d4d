//! The location of attachments: a folder, or a bucket of S3 or a compatible service.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, ObjectStore};
use sotto_server::AttachmentStore;
use sotto_storage::transfer::Attachments;

use crate::error::{CliError, Result};

/// The longest duration of a request to a bucket. A slow client may take long to download a recording.
const REQUEST_TIMEOUT: &str = "1 day";
/// The longest time in which a bucket may send nothing.
const READ_TIMEOUT: &str = "30 seconds";

/// A folder, or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentLocation {
    Folder(PathBuf),
    /// A bucket, and the prefix of the names of objects in it, which may be empty.
    Bucket(String, String),
}

impl FromStr for AttachmentLocation {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(format!("expected a folder or s3://bucket/prefix, not {scheme}://")),
                None if text.is_empty() => Err("expected a folder or s3://bucket/prefix".into()),
                None => Ok(Self::Folder(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("s3:// must be followed by the name of a bucket".into());
        }
        Ok(Self::Bucket(bucket.to_owned(), prefix.trim_matches('/').to_owned()))
    }
}

impl AttachmentLocation {
    /// Opens the store for the server. Creates a missing folder; checks that a bucket responds.
    pub async fn recordings(&self) -> Result<AttachmentStore> {
        let unusable = |reason: object_store::Error| CliError::Attachments { place: self.to_string(), reason };
        let recordings = match self {
            Self::Folder(folder) => AttachmentStore::in_folder(folder).map_err(unusable)?,
            Self::Bucket(bucket, prefix) => AttachmentStore::in_store(self.open(bucket, prefix)?),
        };
        recordings.check().await.map_err(unusable)?;
        Ok(recordings)
    }

    /// Opens the store for backup and restore.
    pub fn attachments(&self) -> Result<Attachments> {
        Ok(match self {
            Self::Folder(folder) => Attachments::Folder(folder.clone()),
            Self::Bucket(bucket, prefix) => Attachments::Store(self.open(bucket, prefix)?, self.to_string()),
        })
    }

    /// Opens a bucket. Keys, region and address come from the usual `AWS_…` variables.
    fn open(&self, bucket: &str, prefix: &str) -> Result<Arc<dyn ObjectStore>> {
        let client = AmazonS3ConfigKey::Client;
        let built = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_config(client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
            .with_config(client(ClientConfigKey::ReadTimeout), READ_TIMEOUT)
            .build();
        let store = built.map_err(|reason| CliError::Attachments { place: self.to_string(), reason })?;
        Ok(if prefix.is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
    }
}

impl std::fmt::Display for AttachmentLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket, prefix) if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket(bucket, prefix) => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_or_a_bucket() {
        for (text, place) in [
            ("/srv/sound", AttachmentLocation::Folder("/srv/sound".into())),
            ("sound", AttachmentLocation::Folder("sound".into())),
            ("s3://journal", AttachmentLocation::Bucket("journal".into(), String::new())),
            ("s3://journal/", AttachmentLocation::Bucket("journal".into(), String::new())),
            ("s3://journal/a/b/", AttachmentLocation::Bucket("journal".into(), "a/b".into())),
        ] {
            assert_eq!(text.parse::<AttachmentLocation>().unwrap(), place);
            assert_eq!(place.to_string().parse::<AttachmentLocation>().unwrap(), place);
        }
        // Checks that the library accepts the format of the durations.
        let bucket = AttachmentLocation::Bucket("journal".into(), "a".into());
        assert!(bucket.open("journal", "a").is_ok());
        for wrong in ["", "s3://", "s3:///a", "gs://journal", "https://example.org/x"] {
            assert!(wrong.parse::<AttachmentLocation>().is_err(), "{wrong}");
        }
    }
}
