//! Any graph of jobs becomes a plan that keeps every edge, and in which nothing deletes while anything else copies
//! or deletes.
#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

use opsrun::archive::Writer;
use opsrun::entry::{Entry, EntryKind, Identity};
use opsrun::model::command::{Command, Program};
use opsrun::model::pattern::Selection;
use opsrun::model::retention::Verdict;
use opsrun::model::{
    Backup, Budget, Class, Contents, InUse, JobKind, JobName, JobSettings, Keep, Matches, Model, Ops, Overlap,
    Retention, StepName, Strategy as Form, Target,
};
use opsrun::path::RelPath;
use opsrun::plan::facts::{BackupFacts, Destination, DestinationState, PlanFacts, Scan, SourceSize};
use opsrun::plan::{self, Action, Plan, RunRequest};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Kinds in an order of creation that every need points back along; retentions take a backup from before.
#[derive(Debug, Clone)]
struct Sketch {
    jobs: Vec<(u8, Vec<Index>, bool)>,
}

fn sketches() -> impl Strategy<Value = Sketch> {
    let job = (0_u8..3, proptest::collection::vec(any::<Index>(), 0..3), any::<bool>());
    proptest::collection::vec(job, 1..16).prop_map(|jobs| Sketch { jobs })
}

fn target(name: String, needs: Vec<JobName>) -> Target {
    Target {
        name,
        stdout: None,
        command: Command {
            program: Program::Argv(vec!["true".to_owned()]),
            cwd: PathBuf::from("/"),
            env: Vec::new(),
            run_as: None,
        },
        timeout: None,
        kill_after: Duration::from_secs(1),
        retry: None,
        back_off: None,
        ok_codes: vec![0],
        overlap: Overlap::Skip,
        job: JobSettings {
            needs,
            ..JobSettings::default()
        },
    }
}

fn backup(name: String, needs: Vec<JobName>, contents: Contents) -> Backup {
    Backup {
        source: PathBuf::from(format!("/data/{name}")),
        to: PathBuf::from(format!("/copies/{name}")),
        name,
        select: Selection::default(),
        strategy: Form::Archive { level: 6 },
        contents,
        keep: None,
        floor: 1,
        stall: None,
        cross_mounts: false,
        require_mount: false,
        timeout: None,
        job: JobSettings {
            needs,
            ..JobSettings::default()
        },
    }
}

fn retention(name: String, backup: String, needs: Vec<JobName>) -> Retention {
    Retention {
        name,
        backup,
        classes: vec![Class {
            name: "all".to_owned(),
            matches: Matches::Keyword("file".to_owned()),
            keep: Keep::For(Duration::from_secs(1)),
            keep_newest: 0,
        }],
        exclude: Vec::new(),
        max_delete: Budget::default(),
        remove_empty_dirs: false,
        in_use: InUse::Keep,
        timeout: None,
        job: JobSettings {
            needs,
            ..JobSettings::default()
        },
    }
}

impl Sketch {
    fn model(&self) -> Model {
        let mut model = Model {
            ops: Ops {
                name: "ops".to_owned(),
                timezone: opsrun::time_zone::Zone::utc(),
                zone_data: opsrun::time_zone::ZoneData::BuiltIn,
                zone_files: Vec::new(),
                state_dir: PathBuf::from("/state"),
                state_named: false,
                state_given: true,
                concurrency: None,
                history: opsrun::model::Keep::Forever,
                files: Vec::new(),
                digest: String::new(),
            },
            schedules: Vec::new(),
            channels: Vec::new(),
            checks: Vec::new(),
            targets: Vec::new(),
            backups: Vec::new(),
            retentions: Vec::new(),
        };
        let mut made: Vec<JobName> = Vec::new();
        for (at, (kind, picks, flag)) in self.jobs.iter().enumerate() {
            // Names against the order of creation, so that file order and edges disagree.
            let name = format!("n{:02}", 99 - at);
            let mut needs: Vec<JobName> = match made.len() {
                0 => Vec::new(),
                n => picks.iter().map(|pick| made[pick.index(n)].clone()).collect(),
            };
            needs.sort();
            needs.dedup();
            let backups: Vec<&Backup> = model.backups.iter().collect();
            let job = match kind {
                0 => JobKind::Target,
                2 if !backups.is_empty() => JobKind::Retention,
                _ => JobKind::Backup,
            };
            match job {
                JobKind::Retention => {
                    let of = picks.first().map_or(0, |pick| pick.index(backups.len()));
                    let of = backups[of].name.clone();
                    model.retentions.insert(0, retention(name.clone(), of, needs));
                }
                JobKind::Backup => {
                    let contents = if *flag { Contents::All } else { Contents::Expired };
                    model.backups.insert(0, backup(name.clone(), needs, contents));
                }
                _ => model.targets.insert(0, target(name.clone(), needs)),
            }
            made.push(JobName::new(job, name));
        }
        model
    }
}

/// Every source holds one file, which every retention wants to delete.
fn facts(model: &Model) -> PlanFacts {
    let entry = |name: &str| Entry {
        path: RelPath::new(name.as_bytes()).unwrap(),
        kind: EntryKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        nlink: 1,
        blocks: 8,
        identity: Identity {
            dev: 1,
            ino: 1,
            size: 10,
            mtime_ns: 0,
            ctime_ns: 0,
        },
    };
    let found = |_: &Backup| BackupFacts {
        source: Ok(Arc::new(Scan {
            entries: vec![entry("file")],
            selected: SourceSize { files: 1, bytes: 10 },
            ..Scan::default()
        })),
        destination: Destination {
            ops: "ops".to_owned(),
            state: DestinationState::Missing,
            known: false,
            free: None,
            same_file_system: false,
            unmounted: false,
            abilities: None,
            unwritable: None,
            copies: Vec::new(),
            broken: Vec::new(),
            highest_sequence: 0,
        },
        located: BTreeMap::new(),
        unclear: None,
        deleted_bytes: 0,
        emptied: Vec::new(),
    };
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    PlanFacts {
        now,
        clock: now,
        host: "box".to_owned(),
        writer: Writer::default(),
        uid: 0,
        may_lease_all: true,
        backups: model.backups.iter().map(|b| (b.name.clone(), found(b))).collect(),
        verdicts: model
            .retentions
            .iter()
            .map(|r| (r.name.clone(), vec![Verdict::Delete(0)]))
            .collect(),
    }
}

/// By step: all that is settled before it begins, by whatever way.
fn before(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut before: Vec<BTreeSet<usize>> = Vec::new();
    for step in plan.steps() {
        let mut all = BTreeSet::new();
        for earlier in step.needs.iter().chain(&step.after) {
            assert!(*earlier < step.id, "{} stands before what it waits for", step.name);
            all.insert(*earlier);
            all.extend(before[*earlier].iter().copied());
        }
        before.push(all);
    }
    before
}

proptest! {
    #[test]
    fn a_plan_keeps_every_edge_and_never_deletes_beside_anything(sketch in sketches()) {
        let model = sketch.model();
        let plan = plan::build(&model, &RunRequest::default(), &facts(&model)).unwrap();
        let before = before(&plan);
        let at = |name: &StepName| plan.steps().iter().find(|step| step.name == *name).unwrap().id;
        let mut seen = BTreeSet::new();
        for job in model.jobs() {
            let steps = job.name().steps();
            for name in &steps {
                prop_assert!(seen.insert(name.clone()));
                at(name);
            }
            let first = &plan.steps()[at(&steps[0])];
            for needed in job.needs() {
                let last = at(needed.steps().last().unwrap());
                prop_assert!(first.needs.contains(&last), "{} without {needed}", first.name);
            }
        }
        prop_assert_eq!(seen.len(), plan.steps().len());
        for step in plan.steps() {
            match &step.action {
                Action::Verify(verify) => prop_assert!(step.needs.contains(&verify.backup.step())),
                Action::Cleanup(cleanup) => {
                    prop_assert!(step.needs.contains(&cleanup.verify.step()));
                    for other in plan.steps() {
                        let files = matches!(other.action, Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_));
                        let ordered = before[step.id].contains(&other.id) || before[other.id].contains(&step.id);
                        prop_assert!(!files || other.id == step.id || ordered, "{} beside {}", step.name, other.name);
                    }
                }
                Action::Backup(backup) => {
                    let changes = |id: &usize| {
                        matches!(plan.steps()[*id].action, Action::Target(_) | Action::Cleanup(_))
                    };
                    // By the edges alone: what merely comes before it was asked for by nobody.
                    let mut needed = step.needs.clone();
                    let mut todo = step.needs.clone();
                    while let Some(id) = todo.pop() {
                        todo.extend(&plan.steps()[id].needs);
                        needed.extend(&plan.steps()[id].needs);
                    }
                    prop_assert_eq!(backup.looked_at_again, needed.iter().any(changes), "{}", step.name);
                }
                _ => {}
            }
        }
    }

    /// Whatever is selected: what a job needs is there as well, and what needs a dropped one is not.
    #[test]
    fn a_selection_is_closed(sketch in sketches(), only in any::<Index>(), except in any::<Index>(), paused in any::<Index>()) {
        let mut model = sketch.model();
        let names: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
        let pick = |index: Index| names[index.index(names.len())].clone();
        let asleep = pick(paused);
        let awake = model.clone();
        model.targets.iter_mut().for_each(|t| t.job.paused = JobName::new(JobKind::Target, &t.name) == asleep);
        let request = RunRequest {
            only: vec![pick(only).to_string()],
            except: vec![pick(except).to_string()],
            ..RunRequest::default()
        };
        let jobs = request.jobs(&model).unwrap();
        for job in model.jobs().filter(|job| jobs.contains(&job.name())) {
            for needed in job.needs() {
                prop_assert!(jobs.contains(&needed), "{} without {needed}", job.name());
            }
        }
        prop_assert!(!jobs.contains(&pick(except)));
        // Each is there for a reason: it is the one asked for, or needed by another that is there.
        for job in &jobs {
            let needed = model
                .jobs()
                .any(|other| jobs.contains(&other.name()) && other.needs().contains(job));
            prop_assert!(needed || *job == pick(only), "{job} without a reason");
        }
        // Whoever was asked for and depends on nothing that is left out is there.
        let all = RunRequest { only: vec![pick(only).to_string()], ..RunRequest::default() }.jobs(&model).unwrap();
        if !all.contains(&pick(except)) && all.contains(&pick(only)) {
            prop_assert!(jobs.contains(&pick(only)));
        }
        // Listed as paused is what would be there if nothing were, but for what nobody else needed.
        let all = request.jobs(&awake).unwrap();
        let paused = request.paused(&model);
        let missing: Vec<JobName> = names.iter().filter(|job| all.contains(*job) && !jobs.contains(*job)).cloned().collect();
        prop_assert_eq!(paused.is_empty(), missing.is_empty(), "{:?}", missing);
        for job in model.jobs().filter(|job| missing.contains(&job.name())) {
            let sleeps = job.paused() || job.needs().iter().any(|needed| paused.contains(needed));
            prop_assert_eq!(paused.contains(&job.name()), sleeps, "{}", job.name());
        }
        prop_assert!(paused.iter().all(|job| missing.contains(job)));
        // Whoever was asked for is there, or it is told why not, or it was excepted itself.
        let told = request.left_out(&model);
        let silent = jobs.contains(&pick(only)) || pick(only) == pick(except);
        prop_assert_eq!(told.is_empty(), silent, "{:?}", told);
        prop_assert!(told.iter().all(|note| note.starts_with(&format!("{} was selected", pick(only)))), "{:?}", told);
    }
}
