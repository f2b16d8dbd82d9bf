//! The newest copy of a backup in its destination: what there is to go by when the history has lost its success.
//!
//! Reads directories, and may hang with them. A copy has its manifest only after it was verified, so each was proven once.
//! Invariant: only copies of this ops, this backup with its present source, and this writer count.

use crate::archive::{Catalogue, OwnWriter};
use crate::error_chain::error_chain;
use crate::file_system::is_on_own_mount;
use crate::model::{Backup, Model};
use crate::path::shown;
use crate::tree::Dir;
use chrono::{DateTime, Utc};
use rustix::io::Errno;

#[derive(Debug, Clone, Default)]
pub struct OwnCopies {
    /// `None` only where there are no backups.
    own: Option<OwnWriter>,
    backups: Vec<Backup>,
}

/// What a destination says of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewestCopy {
    Found {
        name: String,
        /// The run that made it.
        run: String,
        at: DateTime<Utc>,
    },
    /// The destination was read, and has none.
    Nothing,
    /// The destination does not exist: it was never made, or its disk is not there.
    Absent(String),
    /// Why it cannot be read.
    Unreachable(String),
}

impl OwnCopies {
    pub fn new(model: &Model, own: OwnWriter) -> Self {
        Self {
            own: Some(own),
            backups: model.backups.clone(),
        }
    }

    pub fn newest(&self, backup: &str) -> NewestCopy {
        let found = self.backups.iter().find(|known| known.name == backup);
        let (Some(backup), Some(own)) = (found, &self.own) else {
            return NewestCopy::Nothing;
        };
        let place = shown(&backup.to);
        if backup.require_mount && !is_on_own_mount(&backup.to, &backup.source) {
            return NewestCopy::Unreachable(format!("no disk is mounted at `{place}`"));
        }
        let catalogue = match Dir::open(&backup.to) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => {
                return NewestCopy::Absent(format!("`{place}` does not exist"));
            }
            Err(error) => return NewestCopy::Unreachable(error_chain(&error)),
            Ok(dir) => Catalogue::read(&dir),
        };
        let mut catalogue = match catalogue {
            Ok(catalogue) => catalogue,
            Err(error) => return NewestCopy::Unreachable(error_chain(&error)),
        };
        catalogue.assign(Some(own));
        let newest = catalogue.of_group(own, &backup.name, &backup.source).next();
        newest.map_or(NewestCopy::Nothing, |copy| NewestCopy::Found {
            name: copy.name.to_string(),
            run: copy.name.run().to_owned(),
            at: copy.manifest.backup_at,
        })
    }
}
