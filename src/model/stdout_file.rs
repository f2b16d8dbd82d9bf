//! [`StdoutFile`]: the file that a target's standard output becomes.
//!
//! Invariant: the name differs from run to run, so that no file is ever in the way of the next.

use crate::path::serialize_path;
use crate::time_zone::Zone;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The standard output of a target as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StdoutFile {
    /// Its path; the name holds `{time}`, `{date}` or `{run}`.
    #[serde(serialize_with = "serialize_path")]
    #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
    pub path: PathBuf,
    /// How it is compressed: `none`, `gzip` or `zstd`.
    pub compression: Compression,
    /// Fewer bytes than this, before compression, are a failure.
    pub min_bytes: u64,
    /// More bytes than this, before compression, are a failure; null for no limit.
    pub max_bytes: Option<u64>,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// One gzip stream.
    Gzip,
    /// One Zstandard frame, with a checksum.
    Zstd,
}

impl Compression {
    /// What the suffix of a file name means.
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("gz" | "tgz") => Self::Gzip,
            Some("zst" | "zstd" | "tzst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// The placeholders in the name of a [`StdoutFile`], without the braces. Two runs of one day have the same `date`.
pub const PLACEHOLDERS: [&str; 3] = ["time", "date", "run"];

impl StdoutFile {
    /// Its path in a run. `{time}` is in UTC: in a zone, an hour comes twice in autumn.
    pub fn at(&self, now: DateTime<Utc>, zone: &Zone, run: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let name = name
            .replace("{time}", &now.format("%Y%m%dT%H%M%SZ").to_string())
            .replace("{date}", &zone.local(now).format("%Y-%m-%d").to_string())
            .replace("{run}", run);
        self.directory().join(name)
    }

    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_the_time_the_date_and_the_run() {
        let file = |path: &str| StdoutFile {
            path: path.into(),
            compression: Compression::of(path),
            min_bytes: 1,
            max_bytes: None,
        };
        let at = |path: &str| {
            file(path).at(
                "2026-11-30T23:30:05Z".parse().unwrap(),
                &crate::time_zone::built_in("Europe/Berlin").unwrap(),
                "01ABC",
            )
        };
        assert_eq!(at("/d/x-{time}.sql.zst"), Path::new("/d/x-20261130T233005Z.sql.zst"));
        assert_eq!(at("/d/{date}-{run}.gz"), Path::new("/d/2026-12-01-01ABC.gz"));
        for (name, compression) in [
            ("a.sql", Compression::None),
            ("a.sql.GZ", Compression::Gzip),
            ("a.tgz", Compression::Gzip),
            ("a.zst", Compression::Zstd),
            ("zst", Compression::None),
        ] {
            assert_eq!(Compression::of(name), compression, "{name}");
        }
    }
}
