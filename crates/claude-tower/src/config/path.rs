//! Paths of files. The loader joins a relative one from the file to the file's folder.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error as _};

/// The name under which a path asks the loader to be joined. Any other deserializer sees a plain newtype.
pub(super) const MARKER: &str = "claude_tower::config::path";

#[derive(Deserialize)]
#[serde(rename = "claude_tower::config::path")]
struct FilePath(PathBuf);

/// For `#[serde(deserialize_with = "path::optional")]` on an `Option<PathBuf>`.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<FilePath>::deserialize(deserializer)?.map(|path| path.0))
}

/// The same for the file of a secret, in whose place the secret itself may have been written: many are bare UUIDs.
pub(super) fn optional_of_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    let path = optional(deserializer)?;
    if path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str).is_some_and(is_uuid) {
        // In words of our own, because the value would be the secret.
        return Err(D::Error::custom(
            "must be the path of a file, but has the form of a secret id; write it into a file and name that (the value is \
             not shown)",
        ));
    }
    Ok(path)
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// For `#[serde(deserialize_with = "path::list")]` on a `Vec<PathBuf>`.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(Vec::<FilePath>::deserialize(deserializer)?.into_iter().map(|path| path.0).collect())
}
