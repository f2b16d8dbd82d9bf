//! The tar headers of an entry: a function of its [`FileEntry`] and of the format's major number, byte for byte.
//!
//! POSIX ustar; PAX records only for what ustar cannot hold: long paths, large numbers, times before 1970, holes
//! (GNU sparse format 1.0), extended attributes, long names of owners. Verify makes the headers again from the row and compares them, so
//! what `tar` will read and what the file list says cannot differ.
//! Invariant: the length is a multiple of [`BLOCK`].

use super::file_entry::{FileEntry, FileEntryKind};
use super::posix_acl::PosixAcl;
use crate::path::{RelPath, unshown};
use std::fmt::Write as _;
use tar::{EntryType, Header};

pub const BLOCK: usize = 512;

/// What ends an archive.
pub const TRAILER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const MAX_USTAR_ID: u64 = 0o7_777_777;
const MAX_USTAR_NUMBER: u64 = 0o77_777_777_777;

/// Zero bytes after `len` bytes of content.
pub fn padding(len: u64) -> usize {
    let over = usize::try_from(len % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// Everything before the content: PAX header, ustar header, map of the data segments. `format` is the major number.
pub fn header_bytes(row: &FileEntry, format: u32) -> Vec<u8> {
    let mut pax = Pax::default();
    let mut header = Header::new_ustar();
    let path = row.path.as_bytes();
    let mut name = path.to_vec();
    if row.kind == FileEntryKind::Dir {
        name.push(b'/');
    }
    let map = row.sparse.as_deref().map(sparse_map).unwrap_or_default();
    if row.sparse.is_some() {
        pax.add(b"GNU.sparse.major", b"1");
        pax.add(b"GNU.sparse.minor", b"0");
        pax.add(b"GNU.sparse.name", &name);
        pax.add(b"GNU.sparse.realsize", row.size.to_string().as_bytes());
        let mut short = b"GNUSparseFile.0/".to_vec();
        short.extend_from_slice(row.path.name().get(..80).unwrap_or(row.path.name()));
        set_name(&mut header, &short);
    } else if !set_name(&mut header, &name) {
        pax.text("path", &name);
        set_name(&mut header, name.get(..100).unwrap_or(&name));
    }
    let stored = row.stored().saturating_add(map.len() as u64);
    header.set_size(pax.number("size", stored.into(), MAX_USTAR_NUMBER));
    header.set_mode(row.mode);
    header.set_uid(pax.number("uid", row.uid.into(), MAX_USTAR_ID));
    header.set_gid(pax.number("gid", row.gid.into(), MAX_USTAR_ID));
    let seconds = row.mtime_ns.div_euclid(1_000_000_000);
    header.set_mtime(pax.number("mtime", seconds, MAX_USTAR_NUMBER));
    header.set_entry_type(match row.kind {
        FileEntryKind::File => EntryType::Regular,
        FileEntryKind::Dir => EntryType::Directory,
        FileEntryKind::Symlink => EntryType::Symlink,
        FileEntryKind::Hardlink => EntryType::Link,
    });
    if let Some(link) = &row.link {
        let link = link.to_bytes();
        if let Some(ustar) = header.as_ustar_mut() {
            if link.len() > ustar.linkname.len() {
                pax.text("linkpath", &link);
            } else {
                put(&mut ustar.linkname, &link);
            }
        }
    }
    if format < 3 {
        for (key, value) in &row.xattrs {
            pax.add(format!("SCHILY.xattr.{key}").as_bytes(), &value.to_bytes());
        }
    } else {
        if let Some(ustar) = header.as_ustar_mut() {
            pax.name("uname", row.names.owner.as_deref(), &mut ustar.uname);
            pax.name("gname", row.names.group.as_deref(), &mut ustar.gname);
        }
        for (key, value) in &row.xattrs {
            let value = value.to_bytes();
            // `tar` keeps access control lists as text.
            let acl = match key.as_str() {
                "system.posix_acl_access" => PosixAcl::parse(&value).map(|acl| ("SCHILY.acl.access", acl)),
                "system.posix_acl_default" => PosixAcl::parse(&value).map(|acl| ("SCHILY.acl.default", acl)),
                _ => None,
            };
            match acl {
                Some((key, acl)) => pax.add(key.as_bytes(), acl.text(&row.names).as_bytes()),
                None => pax.xattr(&unshown(key.as_bytes()), &value),
            }
        }
    }
    header.set_cksum();
    let mut out = pax.finish();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&map);
    out
}

/// Puts a path into name and prefix; false when it does not fit.
fn set_name(header: &mut Header, path: &[u8]) -> bool {
    let Some(ustar) = header.as_ustar_mut() else {
        return false;
    };
    if path.len() <= ustar.name.len() {
        put(&mut ustar.name, path);
        return true;
    }
    // The name part may hold slashes: the first cut that fits both fields will do.
    let cut = path.iter().enumerate().find_map(|(at, b)| {
        (*b == b'/'
            && at > 0
            && at <= ustar.prefix.len()
            && path.len() - at - 1 <= ustar.name.len()
            && at + 1 < path.len())
        .then_some(at)
    });
    let Some((prefix, name)) = cut.and_then(|at| path.split_at_checked(at)) else {
        return false;
    };
    put(&mut ustar.prefix, prefix);
    put(&mut ustar.name, name.get(1..).unwrap_or_default());
    true
}

fn put(field: &mut [u8], bytes: &[u8]) {
    for (to, from) in field.iter_mut().zip(bytes.iter().copied().chain(std::iter::repeat(0))) {
        *to = from;
    }
}

/// GNU sparse 1.0: count, then offset and length of each segment, in decimal lines, padded.
fn sparse_map(segments: &[(u64, u64)]) -> Vec<u8> {
    let mut text = format!("{}\n", segments.len());
    for (offset, length) in segments {
        // Writing to a string cannot fail.
        let _ = write!(text, "{offset}\n{length}\n");
    }
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len() + padding(bytes.len() as u64), 0);
    bytes
}

#[derive(Default)]
struct Pax {
    records: Vec<u8>,
    binary: bool,
}

impl Pax {
    /// `<length> <key>=<value>\n`, the length counting itself.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = 3 + key.len() + value.len();
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        self.records.extend_from_slice(format!("{length} ").as_bytes());
        self.records.extend_from_slice(key);
        self.records.push(b'=');
        self.records.extend_from_slice(value);
        self.records.push(b'\n');
    }

    /// The number for the ustar header; 0 when it does not fit there and becomes a record.
    fn number(&mut self, key: &str, number: i128, most: u64) -> u64 {
        let fits = u64::try_from(number).ok().filter(|number| *number <= most);
        fits.unwrap_or_else(|| {
            self.add(key.as_bytes(), number.to_string().as_bytes());
            0
        })
    }

    /// A path, which may not be UTF-8.
    fn text(&mut self, key: &str, value: &[u8]) {
        if !self.binary && std::str::from_utf8(value).is_err() {
            self.add(b"hdrcharset", b"BINARY");
            self.binary = true;
        }
        self.add(key.as_bytes(), value);
    }

    /// The name of an owner: in the header if it fits there.
    fn name(&mut self, key: &str, name: Option<&str>, field: &mut [u8]) {
        let Some(name) = name else { return };
        // The field ends with a zero.
        if name.is_ascii() && name.len() < field.len() {
            put(field, name.as_bytes());
        } else {
            self.text(key, name.as_bytes());
        }
    }

    /// An extended attribute; `=` and `%` in its name are written as GNU tar does.
    fn xattr(&mut self, name: &[u8], value: &[u8]) {
        let mut key = b"SCHILY.xattr.".to_vec();
        for byte in name {
            match byte {
                b'=' => key.extend_from_slice(b"%3D"),
                b'%' => key.extend_from_slice(b"%25"),
                other => key.push(*other),
            }
        }
        self.add(&key, value);
    }

    fn finish(self) -> Vec<u8> {
        if self.records.is_empty() {
            return Vec::new();
        }
        let mut header = Header::new_ustar();
        set_name(&mut header, b"././@PaxHeader");
        header.set_size(self.records.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(EntryType::XHeader);
        header.set_cksum();
        let mut out = header.as_bytes().to_vec();
        let pad = padding(self.records.len() as u64);
        out.extend(self.records);
        out.resize(out.len() + pad, 0);
        out
    }
}

/// The target of a hard link, if it is a path below the source.
pub fn link_path(row: &FileEntry) -> Option<RelPath> {
    RelPath::new(&row.link.as_ref()?.to_bytes())
}
