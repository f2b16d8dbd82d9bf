//! Jobs or steps and their edges, as text, for Graphviz and for Mermaid.
//!
//! Takes a model (the jobs as declared) or a plan (the steps of one run), gives one [`Graph`] that every form is
//! printed from. An edge goes from what comes first to what needs it. Looks at nothing besides.
//! Invariant: whatever a label holds, it stays a label: what means something to a format is escaped there. The same
//! graph gives the same text.

use crate::model::JobName;
use crate::model::Model;
use crate::plan::{Plan, Request, StepId};
use crate::report::plan::step_summary;
use crate::report::plan::step_summary::FOR_NOW;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::words;
use crate::units::plural;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    pub title: String,
    pub noun: (&'static str, &'static str),
    /// In an order that people know: that of the file or of the run.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub label: String,
    /// What is to be seen at once.
    pub mark: Mark,
}

/// What is to be seen of a node at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mark {
    #[default]
    None,
    Paused,
    Refused(String),
    /// A guard refuses it as things are now, and it is judged again when its turn comes; why.
    RefusedForNow(String),
    /// It needs what will not be done.
    Blocked(String),
}

/// One before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: usize,
    /// What comes after.
    pub to: usize,
    /// The latter only if the former succeeds; otherwise it is a matter of order alone.
    pub needs: bool,
}

impl Graph {
    #[must_use]
    pub fn of_model(model: &Model) -> Self {
        let paused: HashSet<JobName> = Request::default().paused(model).into_iter().collect();
        let jobs: Vec<_> = model.jobs().collect();
        let nodes: Vec<Node> = jobs
            .iter()
            .map(|job| {
                let name = job.name();
                Node {
                    label: words::job(job),
                    mark: if paused.contains(&name) {
                        Mark::Paused
                    } else {
                        Mark::None
                    },
                    name: name.to_string(),
                }
            })
            .collect();
        let place: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(at, n)| (n.name.as_str(), at)).collect();
        let mut edges = Vec::new();
        for (to, job) in jobs.iter().enumerate() {
            let needed = job.needs();
            let known = needed.iter().filter_map(|name| place.get(name.to_string().as_str()));
            edges.extend(known.map(|from| Edge {
                from: *from,
                to,
                needs: true,
            }));
        }
        Self {
            title: model.ops.name.clone(),
            noun: ("job", "jobs"),
            nodes,
            edges,
        }
    }

    /// The steps of a plan. Of the edges that are about order alone only those that say something are there: not those
    /// that follow from others.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let nodes = plan.steps().iter().map(|step| Node {
            name: step.name.to_string(),
            label: step_summary::deed(plan, step),
            mark: match (step.refusals.first(), step_summary::blocked_by(plan, step)) {
                (Some(refusal), _) if plan.refused_for_now(step) => Mark::RefusedForNow(refusal.message.clone()),
                _ if plan.will_run(step) => Mark::None,
                (Some(refusal), _) => Mark::Refused(refusal.message.clone()),
                (None, Some(why)) => Mark::Blocked(why),
                (None, None) => Mark::None,
            },
        });
        let mut edges = Vec::new();
        // Only of what some step merely comes after it must be known whether that follows from other edges.
        let loose: HashSet<StepId> = plan.steps().iter().flat_map(|step| &step.after).copied().collect();
        let mut loose: Vec<StepId> = loose.into_iter().collect();
        loose.sort_unstable();
        let bit: HashMap<StepId, usize> = loose.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut above: Vec<Steps> = Vec::new();
        for step in plan.steps() {
            // Everything that comes before what this step comes after.
            let mut implied = Steps::default();
            for before in step.needs.iter().chain(&step.after) {
                if let Some(above) = above.get(*before) {
                    implied.add_all(above);
                }
            }
            let edge = |from: &StepId, needs| Edge {
                from: *from,
                to: step.id,
                needs,
            };
            edges.extend(step.needs.iter().map(|from| edge(from, true)));
            let order = step
                .after
                .iter()
                .filter(|from| !step.needs.contains(from) && bit.get(from).is_none_or(|at| !implied.has(*at)));
            edges.extend(order.map(|from| edge(from, false)));
            for at in step
                .needs
                .iter()
                .chain(&step.after)
                .filter_map(|before| bit.get(before))
            {
                implied.add(*at);
            }
            above.push(implied);
        }
        Self {
            title: plan.ops.clone(),
            noun: ("step", "steps"),
            nodes: nodes.collect(),
            edges,
        }
    }

    /// For people: each node with what it needs and what needs it.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let (one, many) = self.noun;
        let count = plural(self.nodes.len() as u64, one, many);
        let mut text = format!("{}: {}\n", one_line(&self.title), style.bold(count));
        let (around, alone) = (self.around(), Around::default());
        for (at, node) in self.nodes.iter().enumerate() {
            let mark = match &node.mark {
                Mark::None => String::new(),
                Mark::Paused => format!("  {}", style.warn("paused")),
                Mark::Refused(_) => format!("  {}", style.bad("refused")),
                Mark::RefusedForNow(_) => format!("  {}", style.warn(FOR_NOW)),
                Mark::Blocked(_) => format!("  {}", style.warn("blocked")),
            };
            let label = one_line(&node.label);
            let _ = writeln!(text, "\n{}  {label}{mark}", style.name(&node.name));
            let names = |at: &[usize]| {
                let nodes = at.iter().filter_map(|at| self.nodes.get(*at));
                nodes.map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let near = around.get(at).unwrap_or(&alone);
            let lists = [
                ("needs", &near.needs),
                ("after", &near.after),
                ("needed by", &near.needed_by),
            ];
            let lists: Vec<(&str, String)> = lists
                .into_iter()
                .map(|(word, at)| (word, names(at)))
                .filter(|(_, names)| !names.is_empty())
                .collect();
            for (at, (word, names)) in lists.iter().enumerate() {
                let branch = if at + 1 == lists.len() { "└─" } else { "├─" };
                let _ = writeln!(text, "{branch} {}  {names}", style.dim(format!("{word:<9}")));
            }
        }
        text
    }

    /// By node: what its edges lead to.
    fn around(&self) -> Vec<Around> {
        let mut around = vec![Around::default(); self.nodes.len()];
        for Edge { from, to, needs } in &self.edges {
            if let Some(near) = around.get_mut(*to) {
                let list = if *needs { &mut near.needs } else { &mut near.after };
                list.push(*from);
            }
            if let Some(near) = around.get_mut(*from).filter(|_| *needs) {
                near.needed_by.push(*to);
            }
        }
        around
    }

    #[must_use]
    pub fn dot(&self) -> String {
        let mut text = format!("digraph {} {{\n", dot_string(&[&self.title]));
        text.push_str("    rankdir=LR;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
        for node in &self.nodes {
            let (more, look) = match &node.mark {
                Mark::None => (None, ""),
                Mark::Paused => (Some("paused".to_owned()), ", style=\"rounded,dashed\""),
                Mark::Refused(why) => (
                    Some(format!("refused: {why}")),
                    ", color=red, fontcolor=red, penwidth=2",
                ),
                Mark::RefusedForNow(why) => (Some(format!("{FOR_NOW}: {why}")), ", color=orange, penwidth=2"),
                Mark::Blocked(why) => (Some(format!("blocked: {why}")), ", color=orange"),
            };
            let label = dot_string(&node.lines(more.as_deref()));
            let name = dot_string(&[&node.name]);
            let _ = writeln!(text, "    {name} [label={label}{look}];");
        }
        for edge in &self.edges {
            if let (Some(from), Some(to)) = (self.nodes.get(edge.from), self.nodes.get(edge.to)) {
                let look = if edge.needs { "" } else { " [style=dashed]" };
                let (from, to) = (dot_string(&[&from.name]), dot_string(&[&to.name]));
                let _ = writeln!(text, "    {from} -> {to}{look};");
            }
        }
        text + "}\n"
    }

    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        let mut looks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let (more, look) = match &node.mark {
                Mark::None => (None, None),
                Mark::Paused => (Some("paused".to_owned()), Some("paused")),
                Mark::Refused(why) => (Some(format!("refused: {why}")), Some("refused")),
                Mark::RefusedForNow(why) => (Some(format!("{FOR_NOW}: {why}")), Some("for_now")),
                Mark::Blocked(why) => (Some(format!("blocked: {why}")), Some("blocked")),
            };
            let _ = writeln!(text, "    n{at}[{}]", mermaid_string(&node.lines(more.as_deref())));
            if let Some(look) = look {
                looks.entry(look).or_default().push(format!("n{at}"));
            }
        }
        for Edge { from, to, needs } in &self.edges {
            let arrow = if *needs { "-->" } else { "-.->" };
            let _ = writeln!(text, "    n{from} {arrow} n{to}");
        }
        for (look, nodes) in looks {
            let how = match look {
                "paused" => "stroke-dasharray:4",
                "refused" => "stroke:#d00,stroke-width:3px",
                "for_now" => "stroke:#e80,stroke-width:3px",
                _ => "stroke:#e80",
            };
            let _ = writeln!(text, "    classDef {look} {how}\n    class {} {look}", nodes.join(","));
        }
        text
    }
}

/// Where the edges of a node lead, by index.
#[derive(Debug, Clone, Default)]
struct Around {
    needs: Vec<usize>,
    after: Vec<usize>,
    needed_by: Vec<usize>,
}

impl Node {
    fn lines<'a>(&'a self, more: Option<&'a str>) -> Vec<&'a str> {
        let lines = [self.name.as_str(), self.label.as_str()].into_iter().chain(more);
        lines.filter(|line| !line.is_empty()).collect()
    }
}

/// Lines as one quoted string: there a backslash and a quote mean something, and nothing else.
fn dot_string(lines: &[&str]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| one_line(line).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// Lines as one quoted string. What Mermaid, Markdown or HTML would read something into stands as its number.
fn mermaid_string(lines: &[&str]) -> String {
    let mut text = "\"".to_owned();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            text.push_str("<br/>");
        }
        for c in one_line(line).chars() {
            if matches!(
                c,
                '"' | '#' | '&' | '<' | '>' | '`' | ';' | '\\' | '*' | '_' | '~' | '%'
            ) && !in_name(at, c)
            {
                let _ = write!(text, "#{};", c as u32);
            } else {
                text.push(c);
            }
        }
    }
    text + "\""
}

/// A name is the first line; its underscores are its own.
fn in_name(line: usize, c: char) -> bool {
    line == 0 && c == '_'
}

/// A set of steps, each by its bit.
#[derive(Debug, Clone, Default)]
struct Steps(Vec<u64>);

impl Steps {
    fn has(&self, step: usize) -> bool {
        self.0.get(step / 64).is_some_and(|bits| bits >> (step % 64) & 1 == 1)
    }

    fn add(&mut self, step: usize) {
        if self.0.len() <= step / 64 {
            self.0.resize(step / 64 + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(step / 64) {
            *bits |= 1 << (step % 64);
        }
    }

    fn add_all(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        for (bits, more) in self.0.iter_mut().zip(&others.0) {
            *bits |= more;
        }
    }
}
