//! `stdout` of a target: the file that its standard output becomes.
//!
//! Reports unknown placeholders, and names that are the same in every run.

use super::checked_node::CheckedNode;
use super::decoder::{Decoder, HostObject};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec, node, prop};
use crate::config::language::suggest::nearest;
use crate::config::language::types::Type;
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::StdoutFile;
use crate::model::stdout_file::{Compression, PLACEHOLDERS};

pub const STDOUT: Spec = node("stdout", Args::One(Type::File))
    .doc(
        "writes what the command prints on standard output to this file, which appears only when the command succeeds; \
         `.gz` and `.zst` are compressed",
    )
    .example("stdout \"dumps/shop-{time}.sql.zst\" min-size=\"1KiB\"")
    .with(&[
        prop(
            "min-size",
            Type::Size,
            "the least that must be printed, before compression",
        )
        .default("\"1B\"")
        .example("\"1KiB\""),
        prop(
            "max-size",
            Type::Size,
            "the most that may be printed, before compression",
        )
        .otherwise("no limit"),
    ])
    .rule("the file name holds `{time}`, `{date}` or `{run}`; an existing file is never replaced")
    .otherwise("the output is kept in the history");

pub fn stdout_file(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<StdoutFile> {
    let child = node.child("stdout")?;
    let path = decoder.path_of(node, "stdout")?;
    let size = |name: &str| child.get_prop(name, Datum::number);
    let min_bytes = size("min-size").unwrap_or(1);
    let max_bytes = size("max-size");
    if let (Some(max), Some(value)) = (max_bytes, child.prop("max-size"))
        && max < min_bytes
    {
        let message = "`max-size=` is smaller than `min-size=`";
        let finding = Finding::new(Code::BadValue, value.span, message, "no output has such a size");
        decoder.report(finding.help("write a larger `max-size=`, or a smaller `min-size=`"));
    }
    let written = child.text().map(|text| text.value).unwrap_or_default();
    let fine = name_of(&written, path.span, decoder);
    decoder.refer(
        path.span,
        HostObject::OutputDirectory(path.value.parent()?.to_path_buf()),
    );
    let name = path.value.file_name()?.to_string_lossy().into_owned();
    fine.then_some(StdoutFile {
        compression: Compression::of(&name),
        path: path.value,
        min_bytes,
        max_bytes,
    })
}

/// Whether the name can be used, as it is written.
fn name_of(written: &str, span: Span, decoder: &mut Decoder<'_>) -> bool {
    let report = |decoder: &mut Decoder<'_>, message: String, label: &str, help: String| {
        decoder.report(Finding::new(Code::BadValue, span, message, label).help(help));
        false
    };
    let (directory, name) = written
        .rsplit_once('/')
        .map_or(("", written), |(above, name)| (above, name));
    if name.is_empty() || matches!(name, "." | "..") {
        let message = format!("`{}` is a directory, not a file", excerpt(written));
        let help = format!(
            "write `stdout \"{}/dump-{{time}}.zst\"`",
            excerpt(written.trim_end_matches('/'))
        );
        return report(decoder, message, "needs a file name", help);
    }
    if directory.contains(['{', '}']) {
        let message = "a placeholder is in a directory".to_owned();
        let help = "write it in the file name, such as `stdout \"dumps/shop-{date}.sql.zst\"`".to_owned();
        return report(decoder, message, "all files are in one directory", help);
    }
    if name.contains("$(") || name.contains('`') || name.contains('%') {
        let message = format!("`{}` is not expanded", excerpt(name));
        let help = "`{time}` is the time in UTC, `{date}` the date, `{run}` the run".to_owned();
        return report(decoder, message, "no shell reads it", help);
    }
    let mut known = 0;
    let mut rest = name;
    while let Some(at) = rest.find(['{', '}']) {
        let after = rest.get(at + 1..).unwrap_or_default();
        let inside = after
            .split_once('}')
            .filter(|_| rest.get(at..).is_some_and(|rest| rest.starts_with('{')));
        let Some((inside, behind)) = inside else {
            let message = "a brace in a file name does not belong to a placeholder".to_owned();
            let help = "placeholders are `{time}`, `{date}` and `{run}`".to_owned();
            return report(decoder, message, "not closed, or not opened", help);
        };
        if !PLACEHOLDERS.contains(&inside) {
            let near = nearest(inside, PLACEHOLDERS.into_iter()).or(match inside {
                "timestamp" | "now" | "datetime" | "stamp" | "ts" => Some("time"),
                "day" | "today" => Some("date"),
                "id" | "run-id" | "run_id" | "ulid" => Some("run"),
                _ => None,
            });
            let help = match near {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => "placeholders are `{time}`, `{date}` and `{run}`".to_owned(),
            };
            let message = format!("unknown placeholder `{{{}}}`", excerpt(inside));
            return report(decoder, message, "not a placeholder", help);
        }
        known += 1;
        rest = behind;
    }
    if known == 0 {
        let (stem, suffix) = name
            .split_once('.')
            .filter(|(stem, _)| !stem.is_empty())
            .unwrap_or((name, ""));
        let dot = if suffix.is_empty() { "" } else { "." };
        let above = if directory.is_empty() && !written.starts_with('/') {
            String::new()
        } else {
            format!("{directory}/")
        };
        let meant = excerpt(&format!("{above}{stem}-{{time}}{dot}{suffix}"));
        let message = "the file has the same name in every run".to_owned();
        let label = "an existing file is never replaced: the second run would fail";
        return report(decoder, message, label, format!("write `stdout \"{meant}\"`"));
    }
    true
}
