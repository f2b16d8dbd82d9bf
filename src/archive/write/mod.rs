//! Writing a copy: entries in, synced drafts of content, list and manifest out, nothing published.
//!
//! This room writes archives; `tree_form` writes trees. `batches` cuts the work into tasks: small entries in batches,
//! large files piece by piece. `compress` opens, reads, hashes and compresses on any thread. `writer` writes members in
//! order, and cuts off what was written of a large file that changed meanwhile. `finish` ends both forms.
//! Invariant: the pipeline's window bounds the memory, not the number or size of files.

mod batches;
mod compress;
pub(super) mod finish;
mod task;
mod writer;

use super::error::CopyError;
use super::file_list::ListWriter;
use super::job::{WriteJob, WrittenCopy};
use super::read_source::SourceReader;
use super::{pipeline, tree_form};
use crate::model::Strategy;
use crate::tree::publish::Draft;
use batches::TaskCutter;
use compress::TaskCompressor;
use writer::ArchiveWriter;

pub fn write(job: &WriteJob<'_>) -> Result<WrittenCopy, CopyError> {
    match job.strategy {
        Strategy::Archive { level } => write_archive(job, level),
        Strategy::Copy => tree_form::write(job),
    }
}

fn write_archive(job: &WriteJob<'_>, level: u8) -> Result<WrittenCopy, CopyError> {
    let archive = Draft::create(job.destination, &job.name.archive())?;
    let list = ListWriter::new(Draft::create(job.destination, &job.name.list())?);
    let stop = || job.progress.stop();
    let reader = SourceReader::new(&stop);
    let compressor = TaskCompressor::new(job, &reader, level);
    let mut tasks = TaskCutter::new(&compressor);
    let mut writer = ArchiveWriter::new(&compressor, archive, list);
    pipeline::run(
        job.threads,
        4 * job.threads,
        || tasks.next(),
        |task| compressor.work(task),
        |done| writer.take(done),
    )?;
    writer.finish()
}
