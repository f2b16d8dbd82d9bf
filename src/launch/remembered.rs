//! What the store knows of earlier runs, as far as a survey needs it.

use super::error::LaunchError;
use crate::exec::survey::Remembered;
use crate::model::Model;
use crate::store::Store;

pub(super) fn remembered(model: &Model, store: &Store) -> Result<Remembered, LaunchError> {
    let mut found = Remembered {
        relied_on: store.relied_on()?,
        ..Remembered::default()
    };
    let now = crate::clock::now();
    for backup in &model.backups {
        if let Some(id) = store.marker_of(&backup.name, &backup.to)? {
            found.markers.insert(backup.name.clone(), id);
        }
        let holds = store.holds(&backup.source, now)?;
        if !holds.is_empty() {
            found.holds.insert(backup.name.clone(), holds.into_iter().collect());
        }
    }
    Ok(found)
}
