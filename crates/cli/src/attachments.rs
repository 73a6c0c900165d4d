//! Where recordings are kept: in a folder, or in a bucket of S3 or of what speaks like it.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, ObjectStore};
use sotto_server::Recordings;
use sotto_storage::transfer::Attachments;

use crate::error::{CliError, Result};

/// How long a request to a bucket may take in all, and how long the bucket may say nothing meanwhile.
const LONGEST: &str = "1 day";
const SILENCE: &str = "30 seconds";

/// A folder, or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what the names of objects in it begin with, if anything.
    Bucket(String, String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(format!("it is a folder or s3://bucket/prefix, and not {scheme}://")),
                None if text.is_empty() => Err("it is a folder or s3://bucket/prefix".into()),
                None => Ok(Self::Folder(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("s3:// needs the name of a bucket behind it".into());
        }
        Ok(Self::Bucket(bucket.to_owned(), prefix.trim_matches('/').to_owned()))
    }
}

impl Place {
    /// For the server. A folder is made if it is missing; a bucket is asked whether it answers.
    pub async fn recordings(&self) -> Result<Recordings> {
        let wrong = |reason: object_store::Error| CliError::Attachments { place: self.to_string(), reason };
        let recordings = match self {
            Self::Folder(folder) => Recordings::in_folder(folder).map_err(wrong)?,
            Self::Bucket(bucket, prefix) => Recordings::in_store(self.open(bucket, prefix)?),
        };
        recordings.check().await.map_err(wrong)?;
        Ok(recordings)
    }

    /// For backup and restore.
    pub fn attachments(&self) -> Result<Attachments> {
        Ok(match self {
            Self::Folder(folder) => Attachments::Folder(folder.clone()),
            Self::Bucket(bucket, prefix) => Attachments::Store(self.open(bucket, prefix)?, self.to_string()),
        })
    }

    /// Keys, region and address come from the usual variables, `AWS_…`.
    fn open(&self, bucket: &str, prefix: &str) -> Result<Arc<dyn ObjectStore>> {
        let client = AmazonS3ConfigKey::Client;
        let built = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            // A recording takes as long as whoever gets it is slow. Only a store that says nothing is given up.
            .with_config(client(ClientConfigKey::Timeout), LONGEST)
            .with_config(client(ClientConfigKey::ReadTimeout), SILENCE)
            .build();
        let store = built.map_err(|reason| CliError::Attachments { place: self.to_string(), reason })?;
        Ok(if prefix.is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
    }
}

impl std::fmt::Display for Place {
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
    fn a_place_is_a_folder_or_a_bucket() {
        for (text, place) in [
            ("/srv/sound", Place::Folder("/srv/sound".into())),
            ("sound", Place::Folder("sound".into())),
            ("s3://journal", Place::Bucket("journal".into(), String::new())),
            ("s3://journal/", Place::Bucket("journal".into(), String::new())),
            ("s3://journal/a/b/", Place::Bucket("journal".into(), "a/b".into())),
        ] {
            assert_eq!(text.parse::<Place>().unwrap(), place);
            assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
        // How long a request may take is written as the library wants it.
        let bucket = Place::Bucket("journal".into(), "a".into());
        assert!(bucket.open("journal", "a").is_ok());
        for wrong in ["", "s3://", "s3:///a", "gs://journal", "https://example.org/x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
