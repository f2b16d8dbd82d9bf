//! What a target prints, as a file: compressed by the suffix of its name, and published when it is whole.
//!
//! Takes a [`StdoutFile`] and the path that it has in this run; gives a writer for the output, then the [`WrittenFile`] or why
//! there is none. Masks nothing: a dump is stored as it came. Knows nothing of processes.
//! Invariant: no file has its name before all of it is durable and large enough.

use super::is_no_room;
use crate::blocking;
use crate::error_chain::error_chain;
use crate::model::StdoutFile;
use crate::model::stdout_file::Compression;
use crate::path::shown;
use crate::run::{State, WrittenFile};
use crate::tree::TreeError;
use crate::tree::output_file::OutputFile;
use crate::units::show_size;
use flate2::write::GzEncoder;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Formats by suffix, and how their files begin.
const FORMATS: [(&str, &[u8]); 10] = [
    ("gz", &[0x1f, 0x8b]),
    ("tgz", &[0x1f, 0x8b]),
    ("zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ("tzst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ("xz", &[0xfd, b'7', b'z', b'X', b'Z', 0]),
    ("txz", &[0xfd, b'7', b'z', b'X', b'Z', 0]),
    ("bz2", b"BZh"),
    ("lz4", &[0x04, 0x22, 0x4d, 0x18]),
    ("zip", b"PK"),
    ("7z", &[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c]),
];
/// The longest of these beginnings.
const MAX_BEGINNING: usize = 6;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StdoutError {
    #[error("`{0}` exists, and is not replaced")]
    Exists(String),
    #[error("{}", error_chain(.0))]
    Tree(#[from] TreeError),
    #[error("cannot write `{path}`: {}", crate::error_chain::with_reason(source))]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("it printed nothing, and `{0}` was not written")]
    Nothing(String),
    #[error("it printed {}, less than `min-size`, and `{path}` was not written", show_size(*printed))]
    TooSmall { path: String, printed: u64 },
    #[error("it printed more than `max-size`, and `{0}` was not written")]
    TooLarge(String),
    #[error("what it printed is not a `.{suffix}` file, and `{path}` was not written")]
    WrongFormat { path: String, suffix: &'static str },
    #[error("a process that it left behind keeps its output open, and `{0}` was not written")]
    HeldOpen(String),
    #[error("`{0}` was not written: its file system does not answer")]
    Hangs(String),
    #[error("cannot write `{0}`: {1}")]
    NoThread(String, blocking::BlockingError),
}

impl StdoutError {
    pub(super) fn state(&self) -> State {
        let errno = match self {
            Self::Tree(error) => error.errno(),
            Self::Write { source, .. } => Errno::from_io_error(source),
            _ => None,
        };
        if errno.is_some_and(is_no_room) {
            State::NoSpace
        } else {
            State::Failed
        }
    }

    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Exists(_) => {
                "write `{time}` or `{run}` in the name of `stdout`, so that every run has a file of its own"
            }
            Self::Nothing(_) => "run the command by hand: it must print the data on standard output",
            Self::TooSmall { .. } => "look at what it prints, or lower `min-size`",
            Self::TooLarge(_) => "look at what it prints, or raise `max-size`",
            Self::WrongFormat { .. } => "opsrun compresses `.zst` and `.gz`; end the name in one of these",
            Self::HeldOpen(_) => "let the command wait for what it starts, or send the output of that elsewhere",
            Self::Tree(_) | Self::Write { .. } if self.state() == State::NoSpace => {
                "free space there, or make it writable"
            }
            Self::Tree(_) | Self::Write { .. } | Self::Hangs(_) | Self::NoThread(..) => {
                "check the file system of the file"
            }
        }
    }

    /// True when another attempt may do better.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Exists(_) | Self::WrongFormat { .. } | Self::TooLarge(_))
    }
}

/// Marks an error of the writer that is none of the file system.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum OutputRefusal {
    #[error("too much")]
    TooLarge,
    #[error("not a {0} file")]
    WrongFormat(&'static str),
}

enum Encoder {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::stream::write::Encoder<'static, File>),
}

/// Takes the output. Dropped without [`Self::publish`], it leaves nothing.
pub(super) struct StdoutWriter {
    file: OutputFile,
    path: PathBuf,
    compression: Compression,
    /// Chosen when the beginning is known.
    encoder: Option<Encoder>,
    beginning: Vec<u8>,
    printed: u64,
    min_bytes: u64,
    max_bytes: Option<u64>,
}

impl StdoutWriter {
    pub(super) async fn create(file: &StdoutFile, path: &Path) -> Result<Self, StdoutError> {
        let at = shown(path).to_string();
        let made = blocking::call(&at, {
            let path = path.to_owned();
            move || OutputFile::create(&path)
        });
        let made = made.await.map_err(|e| StdoutError::NoThread(at.clone(), e))?;
        Ok(Self {
            file: made.map_err(|e| exists_or(e, &at))?,
            path: path.to_owned(),
            compression: file.compression,
            encoder: None,
            beginning: Vec::new(),
            printed: 0,
            min_bytes: file.min_bytes,
            max_bytes: file.max_bytes,
        })
    }

    /// Makes it durable under its name.
    pub(super) async fn publish(self) -> Result<WrittenFile, StdoutError> {
        let at = shown(&self.path).to_string();
        let done = blocking::call(&at, move || self.finish());
        done.await.unwrap_or_else(|e| Err(StdoutError::NoThread(at, e)))
    }

    fn finish(mut self) -> Result<WrittenFile, StdoutError> {
        let path = shown(&self.path).to_string();
        match self.printed {
            0 => return Err(StdoutError::Nothing(path)),
            printed if printed < self.min_bytes => return Err(StdoutError::TooSmall { path, printed }),
            _ => {}
        }
        let begun = if self.encoder.is_none() { self.begin() } else { Ok(()) };
        let ended = begun.and_then(|()| match self.encoder.take() {
            Some(Encoder::Gzip(encoder)) => encoder.finish().map(drop),
            Some(Encoder::Zstd(encoder)) => encoder.finish().map(drop),
            Some(Encoder::Plain(_)) | None => Ok(()),
        });
        ended.map_err(|e| write_error(&self.path, e))?;
        let bytes = self.file.publish().map_err(|e| exists_or(e, &path))?;
        Ok(WrittenFile {
            path,
            bytes,
            printed: self.printed,
        })
    }

    /// Writes the beginning, by which it is known whether the output is compressed already.
    fn begin(&mut self) -> io::Result<()> {
        let suffix = self
            .path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let format = FORMATS.iter().find(|(known, _)| *known == suffix);
        let is_format = format.is_some_and(|(_, beginning)| self.beginning.starts_with(beginning));
        let file = self.file.file().try_clone()?;
        let mut encoder = match (self.compression, format) {
            (Compression::None, Some((suffix, _))) if !is_format => {
                return Err(io::Error::other(OutputRefusal::WrongFormat(suffix)));
            }
            (Compression::Gzip, _) if !is_format => {
                Encoder::Gzip(GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL)))
            }
            (Compression::Zstd, _) if !is_format => {
                let mut encoder = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
            _ => Encoder::Plain(file),
        };
        encoder.write_all(&self.beginning)?;
        self.encoder = Some(encoder);
        Ok(())
    }
}

impl Write for StdoutWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.printed += piece.len() as u64;
        if self.max_bytes.is_some_and(|most| self.printed > most) {
            return Err(io::Error::other(OutputRefusal::TooLarge));
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.write_all(piece)?;
        } else {
            self.beginning.extend_from_slice(piece);
            if self.beginning.len() >= MAX_BEGINNING {
                self.begin()?;
                self.beginning = Vec::new();
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Encoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(piece),
            Self::Gzip(encoder) => encoder.write(piece),
            Self::Zstd(encoder) => encoder.write(piece),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an error of the writer means.
pub(super) fn write_error(path: &Path, source: io::Error) -> StdoutError {
    let path = shown(path).to_string();
    let refusal = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<OutputRefusal>())
        .copied();
    match refusal {
        Some(OutputRefusal::TooLarge) => StdoutError::TooLarge(path),
        Some(OutputRefusal::WrongFormat(suffix)) => StdoutError::WrongFormat { path, suffix },
        None => StdoutError::Write { path, source },
    }
}

fn exists_or(error: TreeError, path: &str) -> StdoutError {
    if error.errno() == Some(Errno::EXIST) {
        StdoutError::Exists(path.to_owned())
    } else {
        StdoutError::Tree(error)
    }
}
