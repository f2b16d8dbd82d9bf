//! How fresh and how slow another job is.
//!
//! Reports a `job` that checks nothing.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::{MAX_TIMES, ONE_THRESHOLD, times_of};
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

pub const JOB: KindRow<Probe> = KindRow {
    spec: node("job", Args::One(Type::Job))
        .doc("how fresh and how slow another job is, by the history")
        .example("job \"backup:data\" { age critical=\"26h\"; }")
        .rule("`age`, `duration` or both")
        .block(&[&[
            node("age", Args::None)
                .doc("how long ago its last success was")
                .example("age warn=\"25h\" critical=\"26h\"")
                .with(MAX_TIMES)
                .rule(ONE_THRESHOLD),
            node("duration", Args::None)
                .doc("how long its last finished run took")
                .example("duration warn=\"2h\"")
                .with(MAX_TIMES)
                .rule(ONE_THRESHOLD),
        ]]),
    decode: job,
};

fn job(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let age = times_of(node, "age", "age warn=\"25h\" critical=\"26h\"", decoder.findings);
    let duration = times_of(node, "duration", "duration warn=\"2h\"", decoder.findings);
    let job = node.text()?;
    if node.child("age").is_none() && node.child("duration").is_none() && !node.damaged && !node.lost {
        decoder.report(
            Finding::new(
                Code::Missing,
                node.head,
                "`job` checks nothing",
                "needs `age`, `duration` or both",
            )
            .help(format!(
                "for example `job \"{}\" {{ age critical=\"26h\"; }}`",
                excerpt(&job.value)
            )),
        );
    }
    let name = job.value.parse();
    decoder.asked_job = Some(job);
    Some(Probe::Job {
        job: name.ok()?,
        age,
        duration,
    })
}
