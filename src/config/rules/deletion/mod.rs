//! What a retention may delete, and whether that is what was meant.

pub(in crate::config) mod assertions;
pub(in crate::config) mod deletable;
pub(in crate::config) mod empty_selection;
pub(in crate::config) mod path_sets;
pub(in crate::config) mod protected_paths;
pub(in crate::config) mod reasons;
