//! Forged copies: list, manifest or receipt of a committed copy replaced by others that are sealed as by their writer.

use opsrun::archive::file_entry::hex;
use opsrun::archive::{CopyName, Manifest};
use opsrun::path::RelPath;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

/// The only copy in a destination.
pub fn copy_name(destination: &Path) -> CopyName {
    let names = fs::read_dir(destination).unwrap().map(|item| item.unwrap().file_name());
    let mut copies = names.filter_map(|name| name.to_str()?.strip_suffix(".manifest.json").and_then(CopyName::parse));
    copies.next().unwrap()
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(plain).unwrap();
    packer.finish().unwrap()
}

pub fn rows(destination: &Path) -> Vec<serde_json::Value> {
    let list = fs::File::open(destination.join(copy_name(destination).list())).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(list)
        .read_to_string(&mut text)
        .unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Puts other rows into the list, and what `seal` makes of it into the manifest.
pub fn replace_rows(destination: &Path, rows: &[serde_json::Value], seal: impl Fn(&mut Manifest)) {
    let text: String = rows.iter().map(|row| row.to_string() + "\n").collect();
    let first = serde_json::from_value(rows[0]["path"].clone()).unwrap_or_else(|_| RelPath::new(b"a").unwrap());
    replace_members(
        destination,
        &[(gzip(text.as_bytes()), text.len() as u64, first)],
        |manifest| {
            manifest.record_count = rows.len() as u64;
            manifest.files = rows.iter().filter(|row| row["type"] != "dir").count() as u64;
            let sizes = rows.iter().map(|row| row["size"].as_u64().unwrap_or(0));
            manifest.bytes = sizes.fold(0, u64::wrapping_add);
            seal(manifest);
        },
    );
}

/// Replaces the list by packed members, each with its plain size and its first path.
pub fn replace_members(destination: &Path, members: &[(Vec<u8>, u64, RelPath)], seal: impl Fn(&mut Manifest)) {
    let name = copy_name(destination);
    let packed: Vec<u8> = members.iter().flat_map(|(packed, ..)| packed).copied().collect();
    reseal(destination, |manifest| {
        let mut at = 0;
        let mut table = Vec::new();
        for (packed, plain, first) in members {
            let mut member = manifest.list_members[0].clone();
            (member.0, member.1, member.2) = (at, packed.len() as u64, *plain);
            member.3 = first.clone();
            at += packed.len() as u64;
            table.push(member);
        }
        manifest.list_members = table;
        manifest.list_bytes = packed.len() as u64;
        manifest.list_checksum = hex(&Sha256::digest(&packed));
        seal(manifest);
    });
    fs::write(destination.join(name.list()), packed).unwrap();
}

/// Changes the manifest and seals it anew.
pub fn reseal(destination: &Path, change: impl FnOnce(&mut Manifest)) {
    let path = destination.join(copy_name(destination).manifest());
    let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap(), "m").unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_bytes()).unwrap();
}
