//! `ops`: settings of the whole file.

use super::checked_node::CheckedNode;
use super::decoder::Decoder;
use super::schedule::zone;
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Spec, node, prop, required_prop};
use crate::config::language::types::Type;
use crate::config::source::{SourceMap, Span, Spanned};
use crate::config::values::{Datum, as_name};
use crate::model::{Keep, Ops};
use crate::time_zone::{Zone, ZoneDatabase};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the language that this build reads.
pub const VERSION: u64 = 1;

/// How long the history is kept by default: long enough to compare with last month.
const DEFAULT_HISTORY: Duration = Duration::from_secs(90 * 86_400);
/// `why` and `status` answer about the last day at least.
const MIN_HISTORY: Duration = Duration::from_secs(86_400);

pub const OPS: Spec = node("ops", Args::None)
    .doc("settings of the whole file")
    .example("ops version=1 { name \"observer\"; }")
    .with(&[
        prop("version", Type::Integer(0, u64::MAX), "the version of the language")
            .default("1")
            .rule("1 is the only version")
            .example("1"),
    ])
    .block(&[&[
        node("name", Args::One(Type::Name))
            .doc("the name of this set of jobs, recorded in every copy")
            .example("name \"observer\"")
            .otherwise("the file's stem"),
        node("timezone", Args::One(Type::Zone))
            .doc("the time zone in which times are shown and days are counted")
            .example("timezone \"Europe/Berlin\"")
            .default("\"UTC\""),
        node("state-dir", Args::One(Type::Path))
            .doc("the directory of the history and the locks; `--state-dir` and `OPSRUN_STATE_DIR` override it")
            .example("state-dir \".opsrun/observer\"")
            .otherwise("`/var/lib/opsrun/NAME` for a file below `/etc`, else `.opsrun/NAME` beside the first file"),
        node("concurrency", Args::One(Type::Integer(1, 1024)))
            .doc("the maximum number of steps at once, over all runs of the process, and of checks beside them; `--threads` overrides it")
            .example("concurrency 4")
            .otherwise("the number of cores, at least 4"),
        node("history", Args::None)
            .doc("what the state remembers of past runs")
            .example("history keep=\"90d\"")
            .with(&[required_prop(
                "keep",
                Type::Age,
                "how long a run is kept; the last results of every job stay longer",
            )
            .rule("at least one day")
            .example("\"90d\"")])
            .otherwise("`history keep=\"90d\"`"),
    ]])
    .otherwise("every setting at its default");

#[derive(Debug)]
pub struct OpsNode {
    pub span: Span,
    pub name: Option<String>,
    pub timezone: Option<Spanned<Zone>>,
    pub state_dir: Option<PathBuf>,
    pub concurrency: Option<u32>,
    pub history: Option<Keep>,
}

pub fn ops(node: &CheckedNode, decoder: &mut Decoder<'_>) -> OpsNode {
    if let Some(version) = node.prop_value("version", Datum::number)
        && version.value != VERSION
    {
        decoder.report(
            Finding::new(
                Code::Version,
                version.span,
                format!("this build does not support version {} of the language", version.value),
                "unknown version",
            )
            .help(format!("write `ops version={VERSION}`, or use a newer opsrun")),
        );
    }
    OpsNode {
        span: node.name_span,
        name: node.get("name", Datum::string),
        timezone: node
            .arg("timezone")
            .and_then(|value| zone(value, " ", decoder.findings)),
        state_dir: decoder.path_of(node, "state-dir").map(|path| path.value),
        concurrency: node.get("concurrency", Datum::small),
        history: history(node, decoder),
    }
}

fn history(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Keep> {
    let keep = node.child("history")?.prop("keep")?;
    match &keep.value {
        Datum::Forever => Some(Keep::Forever),
        Datum::Duration(duration) if *duration < MIN_HISTORY => {
            let finding = Finding::new(
                Code::BadValue,
                keep.span,
                "the history is kept for less than one day",
                "too short",
            );
            decoder.report(finding.help("write `keep=\"1d\"` or longer"));
            None
        }
        Datum::Duration(duration) => Some(Keep::For(*duration)),
        _ => None,
    }
}

/// With defaults where there is no `ops` node. `digest` is of all files that were read.
pub fn lower_ops(node: Option<&OpsNode>, sources: &SourceMap, digest: String, zones: &ZoneDatabase) -> Ops {
    let root = sources.files().first();
    let root_path = root.map_or(Path::new("/ops.kdl"), |file| file.path.as_path());
    let name = node
        .and_then(|node| node.name.clone())
        .or_else(|| as_name(&root_path.file_stem()?.to_string_lossy()))
        .unwrap_or_else(|| "ops".to_owned());
    Ops {
        state_named: false,
        state_given: node.is_some_and(|node| node.state_dir.is_some()),
        state_dir: node
            .and_then(|node| node.state_dir.clone())
            .unwrap_or_else(|| default_state_dir(root_path, &name)),
        name,
        zone_data: zones.data().clone(),
        zone_files: zones.files(),
        timezone: node
            .and_then(|node| node.timezone.as_ref())
            .map_or_else(Zone::utc, |zone| zone.value.clone()),
        concurrency: node.and_then(|node| node.concurrency),
        history: node.and_then(|node| node.history).unwrap_or(Keep::For(DEFAULT_HISTORY)),
        files: sources.files().iter().map(|file| file.path.clone()).collect(),
        digest,
    }
}

/// Where the state of an ops file is when it does not say. `/etc` has no place for it.
fn default_state_dir(file: &Path, name: &str) -> PathBuf {
    if file.starts_with("/etc") {
        return Path::new("/var/lib/opsrun").join(name);
    }
    file.parent().unwrap_or(Path::new("/")).join(".opsrun").join(name)
}
