//! Secrets that stand in the file: found, reported, and kept out of everything that is shown.
//!
//! Takes the text of a file and its nodes, gives the stretches that must not be shown, findings for what is surely a
//! secret (OPS7001), and findings without what they would have echoed. What may be a secret is only hidden: a word too
//! much behind stars does no harm.
//! Invariant: no text of a finding holds a secret that [`stretches`] or [`judge`] found near its labels.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::decode::{suggested_variable, usual_variable};
use crate::config::nodes::schema::{Args, ROOT, Spec, WAYS};
use crate::config::secrets::command_line::{self, Way};
use crate::config::secrets::patterns::{self, holds_secret, trivial};
use crate::config::source::{SourceMap, Span};
use crate::config::syntax::lexer::{self, Token, TokenKind};
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxValue};
use std::collections::HashSet;

/// Nodes of a name and a value. Those that the language does not have are taken for one of them.
const NAMED: &[&str] = &["env", "header"];

/// A setting of a channel that is a secret whatever stands there. Of what lies outside of a way that the language has
/// (`None`) its name alone must tell.
fn is_secret_setting(way: Option<&str>, name: &str) -> bool {
    let settings = |way: &'static Spec| way.child(name).map(Spec::is_secret);
    if let Some(way) = way.and_then(|way| WAYS.iter().find(|spec| spec.name == way)) {
        return settings(way).unwrap_or(false);
    }
    let mut all = WAYS.iter().filter_map(settings).peekable();
    all.peek().is_some() && all.all(|secret| secret)
}

/// The same where names may be misspelt: those that a way does not have, those in a way that the language does not have,
/// and values before the block that they belong into.
fn may_be_secret_setting(block: Option<&str>, name: &str, names: &HashSet<&str>) -> bool {
    let way = block.and_then(|block| WAYS.iter().find(|spec| spec.name == block));
    let strange = block.is_some_and(|block| !names.contains(block));
    let some_way = || WAYS.iter().filter_map(|way| way.child(name)).any(Spec::is_secret);
    // `slack "https://…"`: what belongs into its block.
    let own = WAYS.iter().any(|way| way.name == name && way.args == Args::None);
    own || is_secret_setting(block, name) || way.is_some_and(|way| way.child(name).is_none()) || strange && some_way()
}

/// What stands around a value without being part of it.
const QUOTES: &[char] = &[
    '"', '\'', '`', '#', '[', ']', ',', ';', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}',
];

/// The stretches of a text that are not to be shown, well-formed or not.
pub(in crate::config) fn stretches(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = patterns::all(text).map(|form| (form.start, form.end)).collect();
    found.extend(command_line::in_text(text).iter().map(|found| (found.start, found.end)));
    let names = known_names();
    let mut statement: Vec<Token> = Vec::new();
    // The first words of the nodes whose blocks are open.
    let mut open: Vec<&str> = Vec::new();
    // The line before names a secret, and its value may have slipped to this one.
    let mut expected = false;
    let mut ended = |statement: &mut Vec<Token>, block: Option<&str>| {
        if let Some(first) = statement.first() {
            if expected && matches!(first.kind, TokenKind::Text { .. }) {
                found.extend(inside(text, first));
            }
            expected = in_statement(text, statement, &names, block, &mut found);
            statement.clear();
        }
    };
    // Where no statements are seen.
    let mut unread: Vec<Token> = Vec::new();
    for token in lexer::tokens(text) {
        if let TokenKind::Text { closed: false, .. } | TokenKind::Comment { .. } = token.kind {
            unread.push(token);
        }
        match token.kind {
            TokenKind::Newline | TokenKind::Semicolon => ended(&mut statement, open.last().copied()),
            TokenKind::Open => {
                let first = statement.first().and_then(|first| text.get(first.start..first.end));
                let block = open.last().copied();
                open.push(first.unwrap_or_default().trim_matches(QUOTES));
                ended(&mut statement, block);
            }
            TokenKind::Close => {
                ended(&mut statement, open.last().copied());
                open.pop();
            }
            TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Equals => statement.push(token),
            _ => {}
        }
    }
    ended(&mut statement, open.last().copied());
    let mut unread = unread.into_iter().peekable();
    let mut next = 0;
    for line in text.split_inclusive(lexer::is_newline) {
        let start = next;
        next += line.len();
        let mut odd = line.matches('"').count() % 2 == 1;
        while unread.next_if(|token| token.end <= start).is_some() {}
        odd |= unread.peek().is_some_and(|token| token.start < next);
        if odd {
            found.extend(in_odd_line(line).map(|(from, to)| (start + from, start + to)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The text with all of these behind stars; lines stay lines.
pub(in crate::config) fn masked(text: &str) -> String {
    let mut hidden = stretches(text);
    hidden.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in hidden {
        let start = start.max(at);
        let (Some(before), Some(secret)) = (text.get(at..start), text.get(start..end)) else {
            continue;
        };
        out.push_str(before);
        let star = |c: char| if matches!(c, '\n' | '\r' | '\t' | '"') { c } else { '*' };
        out.extend(secret.chars().map(star));
        at = end;
    }
    out + text.get(at..).unwrap_or_default()
}

/// A line that is commented out, or has a quote too few or too many, so that nobody knows where values begin and end:
/// all behind the name of a secret. In a sentence such a name alone says nothing.
fn in_odd_line(line: &str) -> Option<(usize, usize)> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut named = false;
    let mut first = true;
    let mut at = 0;
    while let Some(rest) = line.get(at..) {
        let start = at + rest.find(word)?;
        let rest = line.get(start..)?;
        at = start + rest.find(|c| !word(c)).unwrap_or(rest.len());
        let found = line.get(start..at)?;
        let setting = is_secret_setting(None, found) && (first || line.get(at..)?.contains('"'));
        first = false;
        if named && holds_secret(found) || setting {
            let value = line.get(at..)?.trim_end();
            let from = at + value.find(word)?;
            return (!value.contains("from-")).then_some((from, at + value.len()));
        }
        named |= NAMED.contains(&found);
    }
    None
}

/// The names of all nodes that may stand somewhere.
fn known_names() -> HashSet<&'static str> {
    fn of(spec: &Spec, names: &mut HashSet<&'static str>) {
        for child in spec.all_children() {
            names.insert(child.name);
            of(child, names);
        }
    }
    let mut names = HashSet::new();
    of(&ROOT, &mut names);
    names
}

/// The same within one node's line: what a name says is a secret. True when there is such a name, and nothing else.
fn in_statement(
    text: &str,
    tokens: &[Token],
    names: &HashSet<&str>,
    block: Option<&str>,
    found: &mut Vec<(usize, usize)>,
) -> bool {
    let shown = |token: &Token| {
        text.get(token.start..token.end)
            .unwrap_or_default()
            .trim_matches(QUOTES)
    };
    let is_key = |at: usize| tokens.get(at + 1).is_some_and(|next| next.kind == TokenKind::Equals);
    let Some(first) = tokens.first() else {
        return false;
    };
    let unknown = !names.contains(shown(first));
    // From which token on all values are secret.
    let mut secret_from = if may_be_secret_setting(block, shown(first), names) {
        1
    } else {
        usize::MAX
    };
    let mut named = unknown;
    for (at, token) in tokens.iter().enumerate() {
        if secret_from == 1 {
            break;
        }
        let word = shown(token);
        // A node by that name, a name behind `env`, or an option of a program.
        if !word.contains('=')
            && (named || at == 0 || word.starts_with('-'))
            && holds_secret(word.trim_end_matches(':'))
        {
            secret_from = at + 1;
            break;
        }
        named |= NAMED.contains(&word);
    }
    for (at, token) in tokens.iter().enumerate() {
        // Behind a secret's name even what looks like a key may be its value.
        let plain_key = is_key(at) && (at < secret_from || matches!(token.kind, TokenKind::Word { .. }));
        if token.kind == TokenKind::Equals || plain_key {
            continue;
        }
        let key = at
            .checked_sub(2)
            .filter(|key| is_key(*key))
            .and_then(|key| tokens.get(key))
            .map(shown);
        let whole = match key {
            // What is no name there is what the name should stand for.
            Some("from-env") => !is_variable(shown(token).trim_start_matches('$').trim_matches(['{', '}'])),
            Some(key) if key.starts_with("from-") => false,
            Some(key) => holds_secret(key) || at > secret_from,
            None => at >= secret_from,
        };
        if whole {
            found.extend(inside(text, token));
        } else if let Some(value) = ["=", ": "].iter().find_map(|sign| {
            let (name, _) = shown(token).split_once(sign)?;
            let (_, value) = text.get(token.start..token.end)?.split_once(sign)?;
            (!trivial(value.trim_matches(QUOTES)) && holds_secret(name)).then_some(value)
        }) {
            let from = token.end - value.trim_start().len();
            found.extend(inside(text, token).map(|(_, end)| (from.min(end), end)));
        }
    }
    secret_from == tokens.len()
}

pub(in crate::config) fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(letter) && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A token without what surrounds its value.
fn inside(text: &str, token: &Token) -> Option<(usize, usize)> {
    let raw = text.get(token.start..token.end)?;
    let value = raw.trim_matches(QUOTES);
    let start = token.start + (raw.len() - raw.trim_start_matches(QUOTES).len());
    (!trivial(value)).then_some((start, start + value.len()))
}

/// OPS7001. Gives the values that it is about.
pub(in crate::config) fn judge(nodes: &[SyntaxNode], findings: &mut Vec<Finding>) -> Vec<Span> {
    judge_in(None, nodes, findings)
}

fn judge_in(block: Option<&str>, nodes: &[SyntaxNode], findings: &mut Vec<Finding>) -> Vec<Span> {
    let mut spans = Vec::new();
    for node in nodes {
        let named = if is_secret_setting(block, &node.name) {
            secret_setting(block, node, findings, &mut spans)
        } else {
            named_secret(node, findings, &mut spans)
        };
        let values = node.args.iter().chain(node.props.iter().map(|prop| &prop.value));
        let mut said = named.clone();
        for value in values.filter(|value| !named.contains(&value.span)) {
            let Data::Text(text) = &value.data else {
                continue;
            };
            if let Some(form) = patterns::all(text).next() {
                spans.push(value.span);
                said.push(value.span);
                findings.push(by_form(block, node, value, form.what));
            }
        }
        arguments(node, &said, findings, &mut spans);
        let inside = node.children.as_deref().unwrap_or_default();
        spans.extend(judge_in(Some(&node.name), inside, findings));
    }
    spans
}

/// Values that [`judge`] reported and [`stretches`] did not see, because an escape hid what they are.
pub(in crate::config) fn unseen(judged: Vec<Span>, hidden: &[Span], escaped: impl Fn(Span) -> bool) -> Vec<Span> {
    let mut hidden = hidden.to_vec();
    hidden.sort_unstable();
    let seen = |span: Span| {
        let after = hidden.partition_point(|mask| mask.start < span.end);
        hidden
            .get(after.saturating_sub(8)..after)
            .is_some_and(|near| near.iter().any(|mask| mask.touches(span)))
    };
    judged
        .into_iter()
        .filter(|span| escaped(*span) || !seen(*span))
        .collect()
}

/// A variable or header that by its name holds a secret: the values that were reported.
fn named_secret(node: &SyntaxNode, findings: &mut Vec<Finding>, spans: &mut Vec<Span>) -> Vec<Span> {
    let name = match node.args.first().map(|value| &value.data) {
        Some(Data::Text(name)) if matches!(node.name.as_str(), "env" | "header") && holds_secret(name) => name,
        _ => return Vec::new(),
    };
    // Name and value may have been written as one text.
    let name = name.split(['=', ':']).next().unwrap_or_default().trim_end();
    let mut said = Vec::new();
    for value in node.args.iter().skip(1) {
        match &value.data {
            Data::Text(text) if !trivial(text) => {}
            _ => continue,
        }
        spans.push(value.span);
        said.push(value.span);
        findings.push(
            Finding::new(
                Code::SecretLiteral,
                value.span,
                format!("`{}` holds a secret, and it stands in the file", excerpt(name)),
                "everybody who reads the file knows it",
            )
            .help(sourced(&node.name, name)),
        );
    }
    said
}

/// A setting of a channel that must not stand in the file: the values that were reported.
fn secret_setting(
    block: Option<&str>,
    node: &SyntaxNode,
    findings: &mut Vec<Finding>,
    spans: &mut Vec<Span>,
) -> Vec<Span> {
    let name = node.name.as_str();
    let mut said = Vec::new();
    for value in &node.args {
        if !matches!(value.data, Data::Text(_) | Data::Integer(_) | Data::Float(_)) {
            continue;
        }
        spans.push(value.span);
        said.push(value.span);
        findings.push(
            Finding::new(
                Code::SecretLiteral,
                value.span,
                format!("`{name}` is a secret, and it stands in the file"),
                "everybody who reads the file knows it",
            )
            .help(format!(
                "write `{name} from-env=\"{}\"`, or say `from-file=\"…\"` or `{{ from-command \"…\"; }}`",
                usual_variable(block.unwrap_or_default(), name)
            )),
        );
    }
    said
}

/// Secrets that a program is given as arguments.
fn arguments(node: &SyntaxNode, said: &[Span], findings: &mut Vec<Finding>, spans: &mut Vec<Span>) {
    if !matches!(node.name.as_str(), "command" | "shell" | "from-command") {
        return;
    }
    let text = |value: &SyntaxValue| match &value.data {
        Data::Text(text) => Some(text.clone()),
        _ => None,
    };
    let words: Vec<String> = node.args.iter().map(|value| text(value).unwrap_or_default()).collect();
    let mut found = Vec::new();
    if node.name != "shell" {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        found.extend(command_line::in_command(&words));
    }
    for (number, word) in words.iter().enumerate() {
        if node.name == "shell" || word.contains(char::is_whitespace) {
            let inner = command_line::in_text(word).into_iter();
            found.extend(inner.map(|argument| command_line::Argument {
                word: number,
                ..argument
            }));
        }
    }
    found.sort_by_key(|argument| argument.word);
    found.dedup_by(|b, a| a.word == b.word && a.of == b.of);
    for argument in found.into_iter().filter(|argument| argument.sure) {
        let Some(value) = node.args.get(argument.word).filter(|value| !said.contains(&value.span)) else {
            continue;
        };
        let of = excerpt(&argument.of);
        let (message, help) = match argument.way {
            _ if node.name == "from-command" => (
                format!("`{of}` is given a secret, and it stands in the file"),
                "let the program take it from a file that only its user can read".to_owned(),
            ),
            Way::Reads(variable) => (
                format!("`{of}` is given a secret, and it stands in the file"),
                format!(
                    "take it out and write `env \"{variable}\" from-env=\"{variable}\"`: `{of}` reads that variable"
                ),
            ),
            Way::Named(variable) => (
                format!("`{of}` holds a secret, and it stands in the file"),
                format!("take it out and write `env \"{variable}\" from-env=\"{variable}\"`"),
            ),
            Way::Shell(variable) => (
                format!("`{of}` is given a secret, and it stands in the file"),
                format!(
                    "write `env \"{variable}\" from-env=\"{variable}\"`, and `${variable}` in its place, in a `shell` line"
                ),
            ),
        };
        spans.push(value.span);
        findings.push(
            Finding::new(
                Code::SecretLiteral,
                value.span,
                message,
                "everybody who reads the file knows it",
            )
            .help(help),
        );
    }
}

fn sourced(node: &str, name: &str) -> String {
    format!(
        "write `{node} \"{}\" from-env=\"{}\"`, or say `from-file=\"…\"` or `{{ from-command \"…\"; }}`",
        excerpt(name),
        suggested_variable(name)
    )
}

fn by_form(block: Option<&str>, node: &SyntaxNode, value: &SyntaxValue, what: patterns::Form) -> Finding {
    let finding = Finding::new(
        Code::SecretLiteral,
        value.span,
        format!("{} stands in the file", what.words()),
        "everybody who reads the file knows it",
    );
    let name = node.args.first().and_then(|arg| match &arg.data {
        Data::Text(name) if arg.span != value.span => Some(name.as_str()),
        _ => None,
    });
    finding.help(match (node.name.as_str(), name) {
        (node @ ("env" | "header"), Some(name)) => sourced(node, name),
        ("url" | "api-url", _) => format!(
            "write `{} from-env=\"{}\"`, and put the whole URL into that variable",
            node.name,
            usual_variable(block.unwrap_or_default(), &node.name)
        ),
        ("http", _) => "write `http from-env=\"CHECK_URL\"`, and put the whole URL into that variable".to_owned(),
        ("command" | "shell", _) => format!(
            "let the program read a variable: `env \"{0}\" from-env=\"{0}\"`",
            what.variable()
        ),
        _ => "take it out of the file, and replace it: others may have read it".to_owned(),
    })
}

/// How far from a label a secret can stand that the finding's text echoes.
const NEAR: usize = 2_000;
/// How many secrets are looked for on either side of a label.
const MOST_NEAR: usize = 24;
/// How many characters of a secret are enough to know it by.
const KNOWN_BY: usize = 12;

/// So many bytes before a secret may hang together with it.
const ATTACHED: usize = 3;

/// Takes secrets out of the texts of findings.
pub(in crate::config) fn redact(findings: &mut [Finding], sources: &SourceMap) {
    let masks = sources.masks();
    if masks.is_empty() {
        return;
    }
    for finding in findings {
        let mut spans: Vec<Span> = Vec::new();
        for label in &finding.labels {
            let span = label.span;
            let after = masks.partition_point(|mask| mask.start < span.end);
            let before = masks.get(..after).unwrap_or_default().iter().rev();
            let before = before.take(MOST_NEAR).filter(|mask| mask.end + NEAR > span.start);
            let behind = masks.get(after..).unwrap_or_default().iter();
            let behind = behind.take(MOST_NEAR).filter(|mask| mask.start < span.end + NEAR);
            // What is echoed is often cut: then it is the beginning of the line that is seen.
            let line = sources.line_start(span);
            let first = masks.partition_point(|mask| mask.end <= line);
            let first = masks.get(first..).unwrap_or_default().iter();
            let first = first.take(MOST_NEAR).filter(|mask| mask.start < line + NEAR);
            spans.extend(before.chain(behind).chain(first));
        }
        if let Some(fix) = &mut finding.fix {
            // What a fix writes is made of what it takes out.
            fix.secret = fix.edits.iter().any(|(span, _)| {
                let after = masks.partition_point(|mask| mask.start < span.end);
                let last = masks.get(after.saturating_sub(64)..after).unwrap_or_default();
                last.iter().any(|mask| mask.touches(*span))
            });
        }
        spans.sort_unstable();
        spans.dedup();
        let mut near: Vec<String> = Vec::new();
        for span in spans {
            let raw = sources.text(span).trim_matches(QUOTES);
            // `-phunter2`: with what it hangs on it stands alone.
            let lead = sources.text(Span::new(span.start.saturating_sub(ATTACHED), span.start));
            let hung = lead
                .rfind(|c: char| !c.is_alphanumeric())
                .map_or("", |at| lead.get(at..).unwrap_or_default());
            let hung = hung.trim_start_matches(|c: char| !c.is_alphanumeric());
            if !hung.is_empty() {
                near.push(format!("{hung}{raw}"));
            }
            if raw.contains('\\') {
                near.push(unescaped(raw));
            }
            near.push(raw.to_owned());
        }
        near.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        near.dedup();
        for secret in near.iter().filter(|secret| !secret.is_empty()) {
            without(&mut finding.message, secret);
            if let Some(help) = &mut finding.help {
                without(help, secret);
            }
            if let Some(fix) = &mut finding.fix {
                fix.secret |= secret.len() > 3 && fix.edits.iter().any(|(_, text)| text.contains(secret.as_str()));
                without(&mut fix.title, secret);
            }
            for label in &mut finding.labels {
                without(&mut label.text, secret);
            }
        }
    }
}

/// The text behind the escapes of a string.
fn unescaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('s') => out.push(' '),
            Some('u') => {
                let code = chars.as_str().strip_prefix('{').and_then(|code| code.split_once('}'));
                if let Some((hex, tail)) = code {
                    out.extend(u32::from_str_radix(hex, 16).ok().and_then(char::from_u32));
                    rest = tail;
                    continue;
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// Replaces every occurrence of a secret, whole or cut short, by an ellipsis.
fn without(text: &mut String, secret: &str) {
    let known = secret.char_indices().nth(KNOWN_BY).map_or(secret.len(), |(at, _)| at);
    let known = secret.get(..known).unwrap_or_default();
    // A short one is a word like others: it counts where it stands alone in what is quoted.
    let short = secret.chars().count() < KNOWN_BY;
    let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let mut out = String::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..).and_then(|rest| rest.find(known)) {
        let (before, from) = text.split_at(at + offset);
        out.push_str(before.get(at..).unwrap_or_default());
        let same: usize = from
            .chars()
            .zip(secret.chars())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        // What was cut or escaped goes with it up to the end of what is quoted.
        let end = if same < secret.len() {
            let tail = from.get(same..).unwrap_or_default();
            same + tail.find(['`', '"']).unwrap_or(tail.len())
        } else {
            same
        };
        let quoted = ['`', '"'].iter().any(|sign| before.matches(*sign).count() % 2 == 1);
        let alone = edge(before.chars().next_back()) && edge(from.get(end..).and_then(|after| after.chars().next()));
        let gone = !short || quoted && alone;
        out.push_str(if gone {
            "…"
        } else {
            from.get(..end).unwrap_or_default()
        });
        at = before.len() + end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    *text = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        stretches(text)
            .into_iter()
            .map(|(start, end)| &text[start..end])
            .collect()
    }

    #[test]
    fn values_of_secret_names_are_hidden_however_they_are_written() {
        for text in [
            "env \"DB_PASSWORD\" \"hunter2\"",
            "env DB_PASSWORD hunter2",
            "env DB_PASSWORD=\"hunter2\"",
            "env \"DB_PASSWORD\" 'hunter2'",
            "env DB_PASSWORD: hunter2",
            "env \"DB_PASSWORD=hunter2\"",
            "env \"DB_PASSWORD\" value=\"hunter2\"",
            "/- env \"DB_PASSWORD\" \"hunter2\"",
            "header \"Authorization\" #\"hunter2\"#",
            "command \"x\" \"--password=hunter2\"",
            "command \"x\" \"-H\" \"Authorization: hunter2\"",
            "header \"Cookie: hunter2\"",
            "command \"x\" \"--password\" \"hunter2\"",
            "timeout \"5m\" env \"DB_PASSWORD\" \"hunter2\"",
            "x env \"DB_PASSWORD\" \"hunter2\"",
            "env \"DB_PASSWORD\" \"hunter2\"=",
            "env \"DB_PASSWORD hunter2",
            "env #\"DB_PASSWORD\" hunter2",
            "a // env DB_PASSWORD hunter2",
            "/*\n env \"DB_PASSWORD\" hunter2\n*/",
            "password \"hunter2\"",
            "evn \"DB_PASSWORD\" \"hunter2\"",
            "env \"DB_PASSWORD\"\n    \"hunter2\"",
            "env \"DB_PASSWORD\"; \"hunter2\"",
            "a { env \"DB_PASSWORD\" \u{201c}hunter2\u{201d}; }",
        ] {
            assert_eq!(hidden(text), ["hunter2"], "{text}");
        }
        for text in [
            "slack { url \"hunter2\"; }",
            "slack {\n    url hunter2\n}",
            "telegram { token \"hunter2\"; chat \"-100123\"; }",
            "token \"hunter2\"",
            "telegram { tokn \"hunter2\"; chat \"-100123\"; }",
            "slak { url \"hunter2\"; }",
            "slack \"hunter2\"",
            "hmac #\"hunter2\"#",
            "a { routing-key \"hunter2\"",
            "// password hunter2",
            "// telegram { token \"hunter2",
        ] {
            assert_eq!(hidden(text), ["hunter2"], "{text}");
        }
        for text in [
            "// The token is a secret: it is written elsewhere.",
            "ntfy { url \"https://ntfy.example.com/ops\"; }",
            "slack { url from-env=\"SLACK_URL\"; }",
            "env \"DB_PASSWORD\" from-env=\"DB_PASSWORD\"",
            "env \"MODE\" \"hunter2\"",
            "class \"token\" \"raw/token/**\" keyword=\"token\" keep=\"3d\"",
            "command \"make\" \"-j=3\"",
            "command \"ask\" \"--max-token=5\"",
            "env \"USE_TOKEN\" \"true\"",
            "tcp \"token-service:8080\"",
            "command \"print\" \"token\" \"hunter2\"",
        ] {
            assert_eq!(hidden(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn texts_lose_secrets_whole_or_cut() {
        let said = |text: &str, secret: &str| {
            let mut text = text.to_owned();
            without(&mut text, secret);
            text
        };
        assert_eq!(
            said("write `env \"A\" \"hunter2\"`", "hunter2"),
            "write `env \"A\" \"…\"`"
        );
        assert_eq!(said("`0123456789abcdef…` is bad", "0123456789abcdefghij"), "`…` is bad");
        assert_eq!(said("a value `a` in a file", "a"), "a value `…` in a file");
        assert_eq!(
            said("`X` holds a secret: `x secret`", "secret"),
            "`X` holds a secret: `x …`"
        );
        assert_eq!(unescaped(r#"a\u{41}\"b"#), "aA\"b");
    }
}
