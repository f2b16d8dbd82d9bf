//! The language in tables of Markdown.
//!
//! Takes a [`Vocabulary`] and its nodes, gives rows: setting, value, default, meaning. Also the reasons to keep a file, since
//! programs match on them.
//! Invariant: a row is one line and has as many cells as its heading.

use super::language::{AbsentEntry, ArgumentEntry, DefaultEntry, NodeEntry, PropertyEntry, ValueForm, Vocabulary};
use opsrun::keep_reason::KeepReason;

const HEADING: &str = "| setting | takes | default | meaning |\n|---|---|---|---|\n";

/// The node with that path of names, such as `check/http`.
pub(super) fn find_node<'a>(language: &'a Vocabulary, path: &str) -> Option<&'a NodeEntry> {
    let mut names = path.split('/');
    let first = names.next()?;
    let top = language.nodes.iter().find(|node| node.name == first)?;
    names.try_fold(top, |node, name| node.children.iter().find(|child| child.name == name))
}

/// A node, its properties and the settings in its block, without the settings that all jobs share, and without the
/// alternatives of a check or channel.
pub(super) fn settings(language: &Vocabulary, path: &str, node: &NodeEntry) -> String {
    let takes = takes(node);
    let takes = if takes.is_empty() { takes } else { format!(" {takes}") };
    let meaning = meaning(&node.summary, node.rule.as_deref());
    let mut text = format!("`{}`{takes}: {meaning}.\n\n{HEADING}", node.name);
    text.extend(node.properties.iter().map(|property| property_row(1, property)));
    let common = common(language);
    let chosen = matches!(path, "check" | "channel");
    let elsewhere = |child: &NodeEntry| {
        let everywhere = is_job(node) && common.contains(&child.name.as_str());
        everywhere || (chosen && is_choice(child))
    };
    let shown = node.children.iter().filter(|child| !elsewhere(child));
    text.extend(shown.map(|child| rows(1, child)));
    text
}

/// One of several alternatives, of which the parent needs one.
fn is_choice(node: &NodeEntry) -> bool {
    !node.required && !node.repeats && node.default.is_none()
}

/// The probes of a check, or the types of a channel.
pub(super) fn choices(node: &NodeEntry) -> String {
    let choices = node.children.iter().filter(|child| is_choice(child));
    HEADING.to_owned() + &choices.map(|choice| rows(1, choice)).collect::<String>()
}

/// The sources of secrets, listed once for all settings that accept one.
pub(super) fn sources(language: &Vocabulary) -> String {
    let env = find_node(language, "target/env");
    let properties = env
        .into_iter()
        .flat_map(|env| &env.properties)
        .filter(|property| is_source(&property.name));
    let children = env
        .into_iter()
        .flat_map(|env| &env.children)
        .filter(|child| is_source(&child.name));
    let properties = properties.map(|property| property_row(1, property)).collect::<String>();
    HEADING.to_owned() + &properties + &children.map(|child| rows(1, child)).collect::<String>()
}

fn is_source(name: &str) -> bool {
    name.starts_with("from-")
}

/// The settings that all jobs share.
pub(super) fn shared(language: &Vocabulary) -> String {
    let names = common(language);
    let first = jobs(language).next();
    let settings = first.into_iter().flat_map(|job| &job.children);
    let rows = settings
        .filter(|child| names.contains(&child.name.as_str()))
        .map(|child| rows(1, child));
    HEADING.to_owned() + &rows.collect::<String>()
}

/// The types of values, without numbers and words, which the tables show themselves.
pub(super) fn forms(language: &Vocabulary) -> String {
    fn all<'a>(nodes: &'a [NodeEntry], found: &mut Vec<&'a ValueForm>) {
        for node in nodes {
            found.extend(node.arguments.iter().map(|argument| &argument.form));
            found.extend(node.properties.iter().map(|property| &property.form));
            all(&node.children, found);
        }
    }
    let mut found = Vec::new();
    all(&language.nodes, &mut found);
    found.retain(|form| form.words.is_empty() && form.minimum.is_none() && form.ty != "secret");
    found.sort_by_key(|form| &form.ty);
    found.dedup();
    let row = |form: &&ValueForm| line(&[&form.ty, &form.form]);
    "| type | is |\n|---|---|\n".to_owned() + &found.iter().map(row).collect::<String>()
}

/// The parts of the language that are missing from this build.
pub(super) fn absent(language: &Vocabulary) -> String {
    let mut rows: Vec<(&AbsentEntry, Vec<&str>)> = Vec::new();
    for absent in &language.absent {
        let place = absent.within.as_deref().unwrap_or("the top of a file");
        let same = rows
            .iter_mut()
            .find(|(other, _)| (&other.name, &other.instead) == (&absent.name, &absent.instead));
        match same {
            Some((_, places)) => places.push(place),
            None => rows.push((absent, vec![place])),
        }
    }
    let row = |(absent, places): &(&AbsentEntry, Vec<&str>)| {
        line(&[&format!("`{}`", absent.name), &places.join(", "), &absent.instead])
    };
    "| missing | in | instead |\n|---|---|---|\n".to_owned() + &rows.iter().map(row).collect::<String>()
}

/// All reasons to keep a file.
pub(super) fn reasons() -> String {
    let row = |reason: KeepReason| {
        let exit = if reason.is_shortfall() { "4" } else { "" };
        line(&[&format!("`{}`", reason.word()), reason.meaning(), exit])
    };
    "| reason | means | exit |\n|---|---|---|\n".to_owned() + &KeepReason::ALL.map(row).concat()
}

fn jobs(language: &Vocabulary) -> impl Iterator<Item = &NodeEntry> {
    language.nodes.iter().filter(|node| is_job(node))
}

fn is_job(node: &NodeEntry) -> bool {
    node.children.iter().any(|child| child.name == "needs")
}

/// The settings that all jobs share.
fn common(language: &Vocabulary) -> Vec<&str> {
    let mut jobs = jobs(language);
    let settings = jobs.next().map(|job| job.children.as_slice()).unwrap_or_default();
    let others: Vec<&NodeEntry> = jobs.collect();
    let everywhere = |child: &&NodeEntry| others.iter().all(|job| job.children.contains(child));
    settings
        .iter()
        .filter(everywhere)
        .map(|child| child.name.as_str())
        .collect()
}

/// A node, its properties, and the nodes in its block.
fn rows(depth: usize, node: &NodeEntry) -> String {
    let mut about = meaning(&node.summary, node.rule.as_deref());
    if node.repeats {
        about += "; repeatable";
    }
    let name = format!("{}`{}`", before(depth), node.name);
    let mut text = line(&[
        &name,
        &takes(node),
        &unset(node.required, node.default.as_ref()),
        &about,
    ]);
    let properties = node.properties.iter().filter(|property| !is_source(&property.name));
    text.extend(properties.map(|property| property_row(depth + 1, property)));
    let children = node.children.iter().filter(|child| !is_source(&child.name));
    text.extend(children.map(|child| rows(depth + 1, child)));
    text
}

fn before(depth: usize) -> String {
    "… ".repeat(depth.saturating_sub(1))
}

fn property_row(depth: usize, property: &PropertyEntry) -> String {
    let name = format!("{}`{}=`", before(depth), property.name);
    let unset = unset(property.required, property.default.as_ref());
    let about = meaning(&property.summary, property.rule.as_deref());
    line(&[&name, &kind(&property.form), &unset, &about])
}

/// A row. `|` is escaped in cells.
pub(super) fn line(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn meaning(summary: &str, rule: Option<&str>) -> String {
    rule.map_or_else(|| summary.to_owned(), |rule| format!("{summary} ({rule})"))
}

fn unset(required: bool, unset: Option<&DefaultEntry>) -> String {
    match unset {
        _ if required => "required".to_owned(),
        Some(DefaultEntry::Value(value)) if value == "#false" => "no".to_owned(),
        Some(DefaultEntry::Value(value)) => format!("`{value}`"),
        Some(DefaultEntry::Words(words)) => words.to_owned(),
        None => String::new(),
    }
}

/// The arguments, or the sources of a possible secret.
fn takes(node: &NodeEntry) -> String {
    let may_be_secret = node.properties.iter().any(|property| is_source(&property.name));
    let one = |argument: &ArgumentEntry| {
        let kind = kind(&argument.form);
        match (argument.required, argument.repeats) {
            _ if argument.form.ty == "secret" => "a [source](#secrets)".to_owned(),
            (false, false) if may_be_secret => format!("{kind} or a [source](#secrets)"),
            (true, true) => format!("{kind}, one or more"),
            (false, true) => format!("{kind}, any number"),
            (false, false) if argument.form.ty != "flag" => format!("{kind} or nothing"),
            _ => kind,
        }
    };
    node.arguments.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn kind(form: &ValueForm) -> String {
    match (form.minimum, form.maximum) {
        (Some(least), Some(most)) if form.ty == "decimal" => format!("{least}.0 to {most}.0"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("{least} or more"),
        _ if form.words.is_empty() => form.ty.clone(),
        _ => {
            let words: Vec<String> = form.words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(" or ")
        }
    }
}
