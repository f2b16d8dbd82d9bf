//! Jobs or steps and their edges: as text, for Graphviz, and for Mermaid.
//!
//! Takes a model (the declared jobs) or a plan (the steps of one run), gives one [`Graph`] for all formats. An edge goes
//! from a node to the one that needs it.
//! Invariant: labels are escaped for each format. The same graph gives the same text.

use crate::model::{Job, JobName, Model};
use crate::plan::{Plan, RunRequest, StepId};
use crate::report::plan::step_summary::{REFUSED_FOR_NOW, blocked_by, step_summary};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::words;
use crate::units::plural;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    pub title: String,
    pub noun: (&'static str, &'static str),
    /// In the order of the file or of the run.
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNode {
    pub name: String,
    pub label: String,
    pub mark: NodeMark,
}

/// A highlighted state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NodeMark {
    #[default]
    None,
    Paused,
    Refused(String),
    /// A guard refuses it now, and it is decided again when its turn comes; why.
    RefusedForNow(String),
    /// It needs a step that will not run.
    Blocked(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphEdge {
    pub from: usize,
    pub to: usize,
    /// `to` runs only if `from` succeeds; otherwise only the order matters.
    pub needs: bool,
}

impl Graph {
    pub fn of_model(model: &Model) -> Self {
        let paused: HashSet<JobName> = RunRequest::default().paused(model).into_iter().collect();
        let jobs: Vec<_> = model.jobs().collect();
        let node = |job: &Job<'_>| {
            let paused = paused.contains(&job.name());
            GraphNode {
                name: job.name().to_string(),
                label: words::job(job),
                mark: if paused { NodeMark::Paused } else { NodeMark::None },
            }
        };
        let nodes = jobs.iter().map(node).collect();
        let place: BTreeMap<JobName, usize> = jobs.iter().enumerate().map(|(at, job)| (job.name(), at)).collect();
        let mut edges = Vec::new();
        for (to, job) in jobs.iter().enumerate() {
            let needed = job.needs();
            let known = needed.iter().filter_map(|name| place.get(name).copied());
            edges.extend(known.map(|from| GraphEdge { from, to, needs: true }));
        }
        Self {
            title: model.ops.name.clone(),
            noun: ("job", "jobs"),
            nodes,
            edges,
        }
    }

    /// The steps of a plan. Edges for order only are left out if they follow from other edges.
    pub fn of_plan(plan: &Plan) -> Self {
        let nodes = plan.steps().iter().map(|step| GraphNode {
            name: step.name.to_string(),
            label: step_summary(plan, step),
            mark: match (step.refusals.first(), blocked_by(plan, step)) {
                (Some(refusal), _) if plan.refused_for_now(step) => NodeMark::RefusedForNow(refusal.message.clone()),
                _ if plan.will_run(step) => NodeMark::None,
                (Some(refusal), _) => NodeMark::Refused(refusal.message.clone()),
                (None, Some(why)) => NodeMark::Blocked(why),
                (None, None) => NodeMark::None,
            },
        });
        let mut edges = Vec::new();
        // Whether an edge follows from others matters only for steps that others merely come after.
        let loose: HashSet<StepId> = plan.steps().iter().flat_map(|step| &step.after).copied().collect();
        let mut loose: Vec<StepId> = loose.into_iter().collect();
        loose.sort_unstable();
        let bit: HashMap<StepId, usize> = loose.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut above: Vec<StepSet> = Vec::new();
        for step in plan.steps() {
            // Everything before the direct predecessors of this step.
            let mut implied = StepSet::default();
            let before = || step.needs.iter().chain(&step.after);
            for above in before().filter_map(|before| above.get(*before)) {
                implied.add_all(above);
            }
            let edge = |from: &StepId, needs| GraphEdge {
                from: *from,
                to: step.id,
                needs,
            };
            edges.extend(step.needs.iter().map(|from| edge(from, true)));
            let follows = |from: &StepId| bit.get(from).is_some_and(|at| implied.has(*at));
            let order = step
                .after
                .iter()
                .filter(|from| !step.needs.contains(from) && !follows(from));
            edges.extend(order.map(|from| edge(from, false)));
            for at in before().filter_map(|before| bit.get(before)) {
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

    /// Each node with the nodes that it needs and the nodes that need it.
    pub fn text(&self, style: Style) -> String {
        let (one, many) = self.noun;
        let count = plural(self.nodes.len() as u64, one, many);
        let mut text = format!("{}: {}\n", one_line(&self.title), style.bold(count));
        let (around, alone) = (self.neighbours(), Neighbours::default());
        for (at, node) in self.nodes.iter().enumerate() {
            let mark = match &node.mark {
                NodeMark::None => String::new(),
                NodeMark::Paused => format!("  {}", style.warn("paused")),
                NodeMark::Refused(_) => format!("  {}", style.bad("refused")),
                NodeMark::RefusedForNow(_) => format!("  {}", style.warn(REFUSED_FOR_NOW)),
                NodeMark::Blocked(_) => format!("  {}", style.warn("blocked")),
            };
            let label = one_line(&node.label);
            let _ = writeln!(text, "\n{}  {label}{mark}", style.name(&node.name));
            let names = |at: &[usize]| {
                let nodes = at.iter().filter_map(|at| self.nodes.get(*at));
                nodes.map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let near = around.get(at).unwrap_or(&alone);
            let mut lists = vec![
                ("needs", names(&near.needs)),
                ("after", names(&near.after)),
                ("needed by", names(&near.needed_by)),
            ];
            lists.retain(|(_, names)| !names.is_empty());
            for (at, (word, names)) in lists.iter().enumerate() {
                let branch = if at + 1 == lists.len() { "└─" } else { "├─" };
                let _ = writeln!(text, "{branch} {}  {names}", style.dim(format!("{word:<9}")));
            }
        }
        text
    }

    fn neighbours(&self) -> Vec<Neighbours> {
        let mut around = vec![Neighbours::default(); self.nodes.len()];
        for GraphEdge { from, to, needs } in &self.edges {
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

    pub fn dot(&self) -> String {
        let mut text = format!("digraph {} {{\n", dot_string(&[&self.title]));
        text.push_str("    rankdir=LR;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
        for node in &self.nodes {
            let look = match &node.mark {
                NodeMark::None => "",
                NodeMark::Paused => ", style=\"rounded,dashed\"",
                NodeMark::Refused(_) => ", color=red, fontcolor=red, penwidth=2",
                NodeMark::RefusedForNow(_) => ", color=orange, penwidth=2",
                NodeMark::Blocked(_) => ", color=orange",
            };
            let label = dot_string(&node.lines(node.mark.text().as_deref()));
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

    pub fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        let mut looks: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let look = match &node.mark {
                NodeMark::None => None,
                NodeMark::Paused => Some(("paused", "stroke-dasharray:4")),
                NodeMark::Refused(_) => Some(("refused", "stroke:#d00,stroke-width:3px")),
                NodeMark::RefusedForNow(_) => Some(("for_now", "stroke:#e80,stroke-width:3px")),
                NodeMark::Blocked(_) => Some(("blocked", "stroke:#e80")),
            };
            let label = mermaid_string(&node.lines(node.mark.text().as_deref()));
            let _ = writeln!(text, "    n{at}[{label}]");
            if let Some(look) = look {
                looks.entry(look).or_default().push(format!("n{at}"));
            }
        }
        for GraphEdge { from, to, needs } in &self.edges {
            let arrow = if *needs { "-->" } else { "-.->" };
            let _ = writeln!(text, "    n{from} {arrow} n{to}");
        }
        for ((class, style), nodes) in looks {
            let nodes = nodes.join(",");
            let _ = writeln!(text, "    classDef {class} {style}\n    class {nodes} {class}");
        }
        text
    }
}

#[derive(Debug, Clone, Default)]
struct Neighbours {
    needs: Vec<usize>,
    after: Vec<usize>,
    needed_by: Vec<usize>,
}

impl NodeMark {
    fn text(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Paused => Some("paused".to_owned()),
            Self::Refused(why) => Some(format!("refused: {why}")),
            Self::RefusedForNow(why) => Some(format!("{REFUSED_FOR_NOW}: {why}")),
            Self::Blocked(why) => Some(format!("blocked: {why}")),
        }
    }
}

impl GraphNode {
    fn lines<'a>(&'a self, more: Option<&'a str>) -> Vec<&'a str> {
        let lines = [self.name.as_str(), self.label.as_str()].into_iter().chain(more);
        lines.filter(|line| !line.is_empty()).collect()
    }
}

/// Lines as one quoted string, in which only backslash and quote are special.
fn dot_string(lines: &[&str]) -> String {
    let quoted = |line: &&str| one_line(line).replace('\\', "\\\\").replace('"', "\\\"");
    let lines: Vec<String> = lines.iter().map(quoted).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// Lines as one quoted string. Characters that are special in Mermaid, Markdown or HTML become numeric entities.
fn mermaid_string(lines: &[&str]) -> String {
    let mut text = "\"".to_owned();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            text.push_str("<br/>");
        }
        for c in one_line(line).chars() {
            // The name is the first line; it may contain underscores.
            if "\"#&<>`;\\*_~%".contains(c) && !(at == 0 && c == '_') {
                let _ = write!(text, "#{};", c as u32);
            } else {
                text.push(c);
            }
        }
    }
    text + "\""
}

/// A set of steps, one bit each.
#[derive(Debug, Clone, Default)]
struct StepSet(Vec<u64>);

impl StepSet {
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
