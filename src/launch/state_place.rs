//! Where the state of an ops file is, when the file does not say.
//!
//! Takes what was read from the file; gives the place of the state that exists. Earlier versions kept it elsewhere for a
//! file below `/etc`: a state that is there is used there.
//! Invariant: no new state begins beside one of the same ops name.

use crate::model::Ops;
use crate::path::shown;
use crate::store::{FILE_NAME, Store};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the units of earlier versions kept it.
const SHARED: &str = "/var/lib/opsrun";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are several states of `{name}`: {}", .places.iter().map(|place| format!("`{}`", shown(place))).collect::<Vec<_>>().join(" and "))]
pub struct SeveralStates {
    pub name: String,
    pub places: Vec<PathBuf>,
}

impl SeveralStates {
    pub fn help(&self) -> String {
        let first = self.places.first().map_or(Path::new("DIR"), PathBuf::as_path);
        format!(
            "choose the one to go on with: write `state-dir \"{}\"` in `ops`, or move the other one away",
            shown(first)
        )
    }
}

/// The place where an earlier version kept the state, if it is still there; `None` for the present default.
pub fn earlier(ops: &Ops) -> Result<Option<PathBuf>, SeveralStates> {
    let Some(file) = ops
        .files
        .first()
        .filter(|file| !ops.state_given && file.starts_with("/etc"))
    else {
        return Ok(None);
    };
    let beside = file.parent().unwrap_or(Path::new("/")).join(".opsrun").join(&ops.name);
    chosen(ops, [PathBuf::from(SHARED), beside])
}

/// For people: where the state is.
pub fn note(place: &Path) -> String {
    format!(
        "note: the state is in `{}`, where earlier versions kept it\n",
        shown(place)
    )
}

/// True when the state is used where an earlier version kept it.
pub fn is_earlier(ops: &Ops) -> bool {
    let below_etc = ops.files.first().is_some_and(|file| file.starts_with("/etc"));
    !ops.state_given && below_etc && ops.state_dir != Path::new(SHARED).join(&ops.name)
}

fn chosen(ops: &Ops, [shared, beside]: [PathBuf; 2]) -> Result<Option<PathBuf>, SeveralStates> {
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(has_state(&ops.state_dir).then(|| ops.state_dir.clone()));
    places.extend((has_state(&shared) && is_of(&shared, &ops.name)).then_some(shared));
    places.extend(has_state(&beside).then_some(beside));
    match places.as_slice() {
        [] => Ok(None),
        [one] => Ok((*one != ops.state_dir).then(|| one.clone())),
        _ => Err(SeveralStates {
            name: ops.name.clone(),
            places,
        }),
    }
}

fn has_state(dir: &Path) -> bool {
    fs::metadata(dir.join(FILE_NAME)).is_ok_and(|found| found.len() > 0)
}

/// One that cannot be read is taken for it: a new state beside it would be worse.
fn is_of(dir: &Path, name: &str) -> bool {
    let store = Store::open_read_only(dir);
    store
        .and_then(|store| store.map_or(Ok(None), |store| store.ops_name()))
        .map_or(true, |found| found.is_none_or(|found| found == name))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test: it moves its own directories")]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_used_where_it_is_and_two_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let ops = Ops {
            name: "x".to_owned(),
            timezone: crate::time_zone::Zone::utc(),
            zone_data: crate::time_zone::ZoneData::BuiltIn,
            zone_files: Vec::new(),
            state_dir: at("default"),
            state_named: false,
            state_given: false,
            concurrency: None,
            history: crate::model::Keep::Forever,
            files: vec![PathBuf::from("/etc/opsrun/ops.kdl")],
            digest: String::new(),
        };
        let ask = || chosen(&ops, [at("shared"), at("beside")]);
        assert_eq!(ask(), Ok(None));
        drop(Store::open(&at("beside")).unwrap());
        assert_eq!(ask(), Ok(Some(at("beside"))));
        drop(Store::open(&at("shared")).unwrap());
        let several = ask().unwrap_err();
        assert_eq!(several.places, [at("shared"), at("beside")]);
        assert!(several.help().contains("state-dir"));
        fs::rename(at("beside"), at("default")).unwrap();
        assert_eq!(ask().unwrap_err().places, [at("default"), at("shared")]);
        fs::rename(at("shared"), at("away")).unwrap();
        assert_eq!(ask(), Ok(None));
    }
}
