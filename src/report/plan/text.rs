//! A plan as text.
//!
//! Takes a [`Plan`], gives text: the summary first and last, place and time, then the steps as a tree with reasons; `classes`
//! writes what a cleanup deletes and keeps. Decides nothing.
//! Invariant: every path is escaped by its own `Display`; the same plan gives the same text.

use crate::model::check::{ProbeSetting, Worst};
use crate::model::{Check, StepName, Target};
use crate::path::shown;
use crate::plan::{Action, BackupStep, Plan, Step, StepId};
use crate::report::plan::step_summary::{blocked_by, step_summary};
use crate::report::plan::summary::plan_summary;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::wrap::wrap;
use crate::report::shared::{times, words};
use crate::time_zone::Zone;
use crate::units::{joined, show_duration, show_size};
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::fmt::Display;

#[derive(Debug, Clone, Copy, Default)]
pub struct PlanTextOptions {
    /// List all deleted and kept files, not samples.
    pub files: bool,
    pub style: Style,
    /// Line length of prose; `None` for no wrapping. Paths are never cut.
    pub width: Option<usize>,
}

pub fn plan_text(plan: &Plan, how: &PlanTextOptions) -> String {
    let mut page = PlanPage {
        text: String::new(),
        plan,
        how: *how,
    };
    let summary = page.painted_summary();
    page.line("", &summary);
    page.line("", "");
    page.field("", "ops", format!("{}, {}", plan.ops, shown(&plan.file)));
    page.field("", "host", &plan.host);
    page.field("", "time", page.moment(plan.at));
    if plan.timezone != Zone::utc() {
        page.field("", "zones", &plan.zone_data);
    }
    if !plan.paused.is_empty() {
        page.field("", "paused", joined(&plan.paused));
    }
    for note in &plan.notes {
        page.prose("", "note", note);
    }
    page.trees();
    page.line("", "");
    page.line("", &summary);
    page.text
}

pub(super) struct PlanPage<'a> {
    text: String,
    pub(super) plan: &'a Plan,
    pub(super) how: PlanTextOptions,
}

const LABEL_WIDTH: usize = 8;

/// Depth of a tree. Deeper steps start a tree of their own, so that the indentation stays readable.
const MAX_TREE_DEPTH: usize = 10;

/// A step and its position in a tree.
struct TreeBranch {
    step: StepId,
    depth: usize,
    /// Indentation of its first line.
    head: String,
    /// Indentation of its other lines.
    body: String,
}

impl PlanPage<'_> {
    fn line(&mut self, indent: &str, text: &str) {
        let line = format!("{indent}{text}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// `label   value`; the value is prose, and wrapped.
    pub(super) fn prose(&mut self, indent: &str, label: &str, value: &str) {
        let room = indent.chars().count() + LABEL_WIDTH;
        let width = self.how.width.map(|width| width.saturating_sub(room).max(20));
        for (at, line) in wrap(&one_line(value), width).into_iter().enumerate() {
            self.field(indent, if at == 0 { label } else { "" }, line);
        }
    }

    /// `label   value`; the value contains paths, and is not wrapped.
    pub(super) fn field(&mut self, indent: &str, label: &str, value: impl Display) {
        let label = format!("{label:<LABEL_WIDTH$}");
        let painted = match label.trim_end() {
            "" => label,
            "refused" => self.how.style.bad(&label),
            "note" | "blocked" => self.how.style.warn(&label),
            _ => self.how.style.dim(&label),
        };
        self.line(indent, &format!("{painted}{value}"));
    }

    fn painted_summary(&self) -> String {
        let (text, style) = (plan_summary(self.plan), self.how.style);
        let steps = self.plan.steps().iter();
        let refused: Vec<&Step> = steps.filter(|step| !step.refusals.is_empty()).collect();
        if refused.is_empty() {
            style.bold(text)
        } else if refused.iter().all(|step| self.plan.refused_for_now(step)) {
            style.warn(text)
        } else {
            style.bad(text)
        }
    }

    fn moment(&self, at: DateTime<Utc>) -> String {
        times::with_zone(at, &self.plan.timezone)
    }

    /// Every step below the first step that it needs: for a cleanup that is the verification.
    fn trees(&mut self) {
        let plan = self.plan;
        let mut below: Vec<Vec<StepId>> = vec![Vec::new(); plan.steps().len()];
        let mut roots = Vec::new();
        for step in plan.steps() {
            match step.needs.first().and_then(|id| below.get_mut(*id)) {
                Some(children) => children.push(step.id),
                None => roots.push(step.id),
            }
        }
        for root in roots {
            let mut trees = VecDeque::from([root]);
            while let Some(top) = trees.pop_front() {
                self.line("", "");
                self.tree(top, &below, &mut trees);
            }
        }
    }

    /// One tree; steps that would be too deep, and those below them, go to `deeper`.
    fn tree(&mut self, top: StepId, below: &[Vec<StepId>], deeper: &mut VecDeque<StepId>) {
        let plan = self.plan;
        let mut open = vec![TreeBranch {
            step: top,
            depth: 0,
            head: String::new(),
            body: String::new(),
        }];
        while let Some(TreeBranch {
            step,
            depth,
            head,
            body,
        }) = open.pop()
        {
            let children = below.get(step).map_or(&[][..], Vec::as_slice);
            let Some(step) = plan.steps().get(step) else { continue };
            if depth == MAX_TREE_DEPTH && !children.is_empty() {
                let name = self.how.style.name(&step.name);
                self.line(&head, &format!("{name}  continues below"));
                deeper.push_back(step.id);
                continue;
            }
            self.step(
                step,
                depth == 0,
                &head,
                &format!("{body}{} ", if children.is_empty() { " " } else { "│" }),
            );
            for (at, child) in children.iter().enumerate().rev() {
                let (head, rest) = if at + 1 == children.len() {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                open.push(TreeBranch {
                    step: *child,
                    depth: depth + 1,
                    head: format!("{body}{head}"),
                    body: format!("{body}{rest}"),
                });
            }
        }
    }

    /// A step without those below it. `head` indents its first line, `indent` the others.
    fn step(&mut self, step: &Step, top: bool, head: &str, indent: &str) {
        let plan = self.plan;
        let summary = step_summary(plan, step);
        self.line(head, &format!("{}  {summary}", self.how.style.name(&step.name)));
        match &step.action {
            Action::Backup(backup) => self.backup_places(backup, indent),
            Action::Check(check) => self.check(check, indent),
            Action::Target(target) => self.target(target, indent),
            Action::Verify(_) => {}
            Action::Cleanup(cleanup) => self.field(indent, "from", shown(&cleanup.source)),
        }
        // The step above this one is already visible as one that it needs.
        if step.needs.len() > usize::from(!top) {
            let needed = step.needs.iter().filter_map(|id| plan.steps().get(*id));
            let names: Vec<&StepName> = needed.map(|needed| &needed.name).collect();
            self.prose(indent, "needs", &joined(&names));
        }
        self.prose(indent, "why", &step.because);
        for refusal in &step.refusals {
            self.prose(indent, "refused", &refusal.message);
            self.prose(indent, "help", &refusal.help);
        }
        if plan.refused_for_now(step) {
            self.prose(indent, "note", "refused for now; decided again when its turn comes");
        }
        if let Some(why) = blocked_by(plan, step) {
            self.prose(indent, "blocked", &format!("because {why}"));
        }
        for note in &step.notes {
            self.prose(indent, "note", note);
        }
        match &step.action {
            Action::Check(_) | Action::Target(_) | Action::Backup(_) => {}
            Action::Verify(verify) => {
                for copy in &verify.older {
                    self.field(indent, "again", &copy.name);
                }
            }
            Action::Cleanup(cleanup) => self.cleanup(cleanup, indent),
        }
    }

    fn backup_places(&mut self, step: &BackupStep, indent: &str) {
        self.field(indent, "from", shown(&step.backup.source));
        let free = step
            .free
            .map(|free| format!(" ({} free)", show_size(free)))
            .unwrap_or_default();
        self.field(indent, "to", format!("{}{free}", shown(&step.backup.to)));
        if let Some(parent) = &step.parent {
            self.field(indent, "after", parent);
        }
    }

    fn settings(&mut self, settings: &[ProbeSetting], indent: &str) {
        for ProbeSetting { label, text, is_path } in settings {
            if *is_path {
                self.field(indent, label, text);
            } else {
                self.prose(indent, label, text);
            }
        }
    }

    fn target(&mut self, target: &Target, indent: &str) {
        self.settings(&ProbeSetting::of_command(&target.command), indent);
        if let Some(file) = &target.stdout {
            let mut more = file.compression.to_string();
            if file.min_bytes > 1 {
                more.extend([", at least ", &show_size(file.min_bytes)]);
            }
            if let Some(most) = file.max_bytes {
                more.extend([", at most ", &show_size(most)]);
            }
            self.field(indent, "stdout", format!("{} ({more})", shown(&file.path)));
        }
        if let Some(limit) = target.timeout {
            let mut limit = show_duration(limit);
            if target.retry.is_some() {
                limit += " for each attempt";
            }
            self.prose(indent, "timeout", &words::time_limit(&limit, target.kill_after));
        }
        if let Some(retry) = &target.retry {
            self.prose(indent, "retry", &words::retries(retry));
        }
        if target.ok_codes != [0] {
            let codes: Vec<String> = target.ok_codes.iter().map(u8::to_string).collect();
            self.prose(indent, "ok", &format!("with exit code {}", codes.join(" or ")));
        }
    }

    fn check(&mut self, check: &Check, indent: &str) {
        let probe = check.probe.text();
        self.settings(&probe.settings, indent);
        for (at, line) in probe.levels.iter().enumerate() {
            self.prose(indent, if at == 0 { "levels" } else { "" }, line);
        }
        self.prose(indent, "timeout", &words::check_limit(check));
        if check.worst == Worst::Warning {
            self.prose(indent, "worst", "warning, even if it would be critical");
        }
    }
}
