//! Who makes copies here: an id that distinguishes machines which put copies into one destination.
//!
//! It is a hash of the machine id and the ops name, so that it survives a lost state; the machine id itself is never
//! shown or stored, as systemd asks. A machine without one gets a random id in its state.

use crate::archive::{OwnWriter, Writer};
use crate::exec::survey;
use crate::model::Model;
use crate::store::{Store, StoreError};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

const MACHINE_ID: &str = "/etc/machine-id";

/// With its id, if it has one already: a random one is made by the first run.
pub fn known(model: &Model, store: &Store) -> Result<OwnWriter, StoreError> {
    let id = match machine_id() {
        Some(machine) => writer_id(&machine, &model.ops.name),
        None => store.writer()?.unwrap_or_default(),
    };
    own(model, store, id)
}

/// With its id, which is made where it lacks.
pub fn ensured(model: &Model, store: &Store) -> Result<OwnWriter, StoreError> {
    let id = match machine_id() {
        Some(machine) => writer_id(&machine, &model.ops.name),
        None => store.writer_or(&writer_id(&ulid::Ulid::new().to_string(), &model.ops.name))?,
    };
    own(model, store, id)
}

fn own(model: &Model, store: &Store, id: String) -> Result<OwnWriter, StoreError> {
    let host = survey::host();
    Ok(OwnWriter {
        writer: Writer { id, host },
        ops: model.ops.name.clone(),
        published: store.published_copies()?,
    })
}

fn machine_id() -> Option<String> {
    let text = std::fs::read_to_string(MACHINE_ID).ok()?;
    valid(&text).map(str::to_owned)
}

/// 32 hexadecimal digits. An image that was not started yet has an empty file, or one that says `uninitialized`.
fn valid(text: &str) -> Option<&str> {
    let id = text.trim_end();
    let digits = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (digits && id.bytes().any(|b| b != b'0')).then_some(id)
}

/// 16 hexadecimal digits, from which the machine id cannot be found.
fn writer_id(machine: &str, ops: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["opsrun: the id of a writer", machine, ops] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    hash.iter().take(8).fold(String::new(), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_machine_id_is_one() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        assert_eq!(valid(&format!("{id}\n")), Some(id));
        let zeros = "0".repeat(32);
        for text in [
            "",
            "\n",
            "uninitialized\n",
            &id[1..],
            &zeros,
            "3d1219c7-c4c5-404a-aa1f-6d2a48adfda",
        ] {
            assert_eq!(valid(text), None, "{text}");
        }
    }

    /// Another id for the same machine would part it from all its copies.
    #[test]
    fn the_id_of_a_machine_and_an_ops_never_changes() {
        let machine = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        assert_eq!(writer_id(machine, "observer"), "e642e9e657d59d1b");
        assert_ne!(writer_id(machine, "observer"), writer_id(machine, "observe"));
    }
}
