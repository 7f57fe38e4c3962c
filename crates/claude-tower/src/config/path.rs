//! Paths of files. The loader joins a relative one from the file to the file's folder.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// The name under which a path asks the loader to be joined. Any other deserializer sees a plain newtype.
pub(super) const MARKER: &str = "claude_tower::config::path";

#[derive(Deserialize)]
#[serde(rename = "claude_tower::config::path")]
struct FilePath(PathBuf);

/// For `#[serde(deserialize_with = "path::optional")]` on an `Option<PathBuf>`.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<FilePath>::deserialize(deserializer)?.map(|path| path.0))
}

/// For `#[serde(deserialize_with = "path::list")]` on a `Vec<PathBuf>`.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(Vec::<FilePath>::deserialize(deserializer)?.into_iter().map(|path| path.0).collect())
}
