//! Import circles: files that need one another in a loop.
//!
//! A file imports another one when it names an item that the other defines. Paths are followed through modules and
//! re-exports to the defining file; a re-export by itself is not an import.

use super::tokens::SourceFile;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Which names each file takes from which other file.
pub(super) type Imports = BTreeMap<usize, BTreeMap<usize, BTreeSet<String>>>;

/// The circles of a tree, each with the imports that tie it.
pub(super) fn circles(files: &[SourceFile]) -> Vec<String> {
    let imports = imports(files);
    let reaches: Vec<HashSet<usize>> = (0..files.len()).map(|file| reachable(file, &imports)).collect();
    let mut seen: HashSet<usize> = HashSet::new();
    let mut found = Vec::new();
    for file in 0..files.len() {
        if !reaches[file].contains(&file) || seen.contains(&file) {
            continue;
        }
        let members: Vec<usize> = (0..files.len())
            .filter(|&other| reaches[file].contains(&other) && reaches[other].contains(&file))
            .collect();
        seen.extend(&members);
        let mut lines = vec![format!("{} files import one another:", members.len())];
        for &from in &members {
            for (&to, names) in imports.get(&from).into_iter().flatten() {
                if members.contains(&to) {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    lines.push(format!(
                        "  {} -> {}: {}",
                        files[from].name(),
                        files[to].name(),
                        names.join(", ")
                    ));
                }
            }
        }
        found.push(lines.join("\n"));
    }
    found
}

/// The files that one reaches over one import or more.
fn reachable(from: usize, imports: &Imports) -> HashSet<usize> {
    let mut reached = HashSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for &next in imports.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

/// What is known of one module: its file, what it defines, and what it brings in by `use`.
struct Module {
    file: usize,
    defined: HashSet<String>,
    uses: Vec<Use>,
    /// Where the tokens of the `use` items begin and end.
    use_spans: Vec<(usize, usize)>,
}

impl Module {
    fn in_use_item(&self, at: usize) -> bool {
        self.use_spans.iter().any(|(start, end)| (*start..*end).contains(&at))
    }
}

/// One leaf of a `use` item.
struct Use {
    path: Vec<String>,
    /// The name that it gets here; `*` for a glob.
    alias: String,
    public: bool,
}

type Modules = HashMap<Vec<String>, Module>;

fn imports(files: &[SourceFile]) -> Imports {
    let modules: Modules = files
        .iter()
        .enumerate()
        .map(|(file, source)| (source.module().to_vec(), read_module(file, &source.tokens)))
        .collect();
    let mut imports = Imports::new();
    for (file, source) in files.iter().enumerate() {
        let own = source.module().to_vec();
        let module = &modules[&own];
        let body = names_in_body(module, &source.tokens);
        let leaves = module
            .uses
            .iter()
            .filter(|leaf| !leaf.public || body.contains(leaf.alias.as_str()))
            .map(|leaf| leaf.path.clone());
        for path in leaves.chain(paths_in_body(module, &source.tokens)) {
            if let Some((to, name)) = resolve(&modules, &own, &path, 0)
                && to != file
            {
                imports.entry(file).or_default().entry(to).or_default().insert(name);
            }
        }
    }
    imports
}

/// The names that a module uses outside of its `use` items: no fields, methods or declarations of modules.
fn names_in_body<'a>(module: &Module, tokens: &'a [String]) -> HashSet<&'a str> {
    let is = |at: Option<usize>, wanted: &[&str]| {
        let token = at.and_then(|at| tokens.get(at));
        token.is_some_and(|token| wanted.contains(&token.as_str()))
    };
    let used = |at: usize| {
        !module.in_use_item(at)
            && !is(at.checked_sub(1), &["mod", ".", "fn", "::"])
            && !is(Some(at + 1), &[":"])
            && is_identifier(&tokens[at])
    };
    (0..tokens.len())
        .filter(|&at| used(at))
        .map(|at| tokens[at].as_str())
        .collect()
}

fn read_module(file: usize, tokens: &[String]) -> Module {
    let is = |at: usize, wanted: &str| tokens.get(at).is_some_and(|token| token == wanted);
    let mut module = Module {
        file,
        defined: HashSet::new(),
        uses: Vec::new(),
        use_spans: Vec::new(),
    };
    let (mut depth, mut at) = (0_i32, 0);
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "use" if at == 0 || !is(at - 1, ".") => {
                let end = at + tokens[at..].iter().take_while(|token| *token != ";").count();
                let public = at > 0 && (is(at - 1, "pub") || is(at - 1, ")"));
                read_use(&tokens[at + 1..end], public, &mut module.uses);
                module.use_spans.push((at, end));
                at = end;
            }
            "struct" | "enum" | "trait" | "type" | "const" | "static" | "fn" | "union" | "mod" if depth == 0 => {
                let skip = usize::from(is(at + 1, "mut"));
                let inline = token != "mod" || is(at + 2, "{");
                if let Some(name) = tokens.get(at + 1 + skip)
                    && name != "fn"
                    && inline
                {
                    module.defined.insert(name.clone());
                }
            }
            "macro_rules" if is(at + 1, "!") => module.defined.extend(tokens.get(at + 2).cloned()),
            _ => {}
        }
        at += 1;
    }
    module
}

/// The leaves of `a::b::{c, d as e, f::*}`.
fn read_use(tokens: &[String], public: bool, leaves: &mut Vec<Use>) {
    fn tree(tokens: &[String], at: &mut usize, prefix: &[String], public: bool, leaves: &mut Vec<Use>) {
        let mut path = prefix.to_vec();
        while let Some(token) = tokens.get(*at) {
            *at += 1;
            match token.as_str() {
                "::" => {}
                "{" => {
                    while tokens.get(*at).is_some_and(|token| token != "}") {
                        tree(tokens, at, &path, public, leaves);
                        if tokens.get(*at).is_some_and(|token| token == ",") {
                            *at += 1;
                        }
                    }
                    *at += 1;
                    return;
                }
                "," | "}" => {
                    *at -= 1;
                    break;
                }
                "as" => {
                    let alias = tokens.get(*at).cloned().unwrap_or_default();
                    *at += 1;
                    leaves.push(Use { path, alias, public });
                    return;
                }
                name => path.push(name.to_owned()),
            }
        }
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(alias) = path.last().cloned()
            && path.len() >= prefix.len()
        {
            leaves.push(Use { path, alias, public });
        }
    }
    let mut at = 0;
    while at < tokens.len() {
        tree(tokens, &mut at, &[], public, leaves);
        at += 1;
    }
}

/// Every `a::b` in the code of a module that does not come from a `use` item.
fn paths_in_body(module: &Module, tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |back: usize, wanted: &str| at >= back && tokens[at - back] == wanted;
        let extent = is(1, "in") && is(2, "(") && is(3, "pub");
        if module.in_use_item(at) || extent || !is_identifier(&tokens[at]) {
            at += 1;
            continue;
        }
        let mut path = vec![tokens[at].clone()];
        while tokens.get(at + 1).is_some_and(|token| token == "::")
            && let Some(name) = tokens.get(at + 2).filter(|token| is_identifier(token))
        {
            path.push(name.clone());
            at += 2;
        }
        if path.len() > 1 {
            found.push(path);
        }
        at += 1;
    }
    found
}

/// The file that defines what a path names, as seen from a module, and the name taken from it.
fn resolve(modules: &Modules, from: &[String], path: &[String], hops: usize) -> Option<(usize, String)> {
    if hops > 16 {
        return None;
    }
    let (first, mut rest) = path.split_first()?;
    let mut module = from.to_vec();
    match first.as_str() {
        "crate" | "opsrun" => module.clear(),
        "self" => {}
        "super" => {
            module.pop();
            while let Some((next, after)) = rest.split_first()
                && next == "super"
            {
                module.pop();
                rest = after;
            }
        }
        _ => rest = path,
    }
    let rooted = rest.len() < path.len();
    for (at, name) in rest.iter().enumerate() {
        let mut child = module.clone();
        child.push(name.clone());
        if modules.contains_key(&child) {
            // To name a module is not yet to use what is in it.
            module = child;
            continue;
        }
        let here = modules.get(&module)?;
        if here.defined.contains(name) {
            return Some((here.file, name.clone()));
        }
        let after = &rest[at + 1..];
        for leaf in here.uses.iter().filter(|leaf| leaf.alias == *name) {
            let mut whole = leaf.path.clone();
            whole.extend_from_slice(after);
            if whole != path || module != from {
                return resolve(modules, &module, &whole, hops + 1);
            }
        }
        for leaf in here.uses.iter().filter(|leaf| leaf.alias == "*") {
            let mut whole = leaf.path[..leaf.path.len() - 1].to_vec();
            whole.extend_from_slice(&rest[at..]);
            if let Some(found) = resolve(modules, &module, &whole, hops + 1) {
                return Some(found);
            }
        }
        // A name from a macro belongs to the module that expands it; an unrooted one to another crate.
        return (rooted || at > 0).then(|| (here.file, name.clone()));
    }
    None
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
