//! What a retention may delete, and whether that is what was meant.
//!
//! `path_sets` decides, exactly, whether a path can meet several conditions; `deletable` has the conditions of a retention.

pub(super) mod assertions;
pub(super) mod class_overlap;
pub(super) mod copies_kept;
pub(super) mod deletable;
pub(super) mod delete_limits;
pub(super) mod empty_class;
pub(super) mod empty_selection;
mod keyword_regex;
pub(super) mod path_cache;
pub(super) mod path_sets;
pub(super) mod protected_paths;
pub(super) mod retention_overlap;
