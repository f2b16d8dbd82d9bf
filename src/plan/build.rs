//! stub
use super::facts::Facts;
use super::graph::Plan;
use crate::model::Model;
/// Which jobs, and which guards the user switched off.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--only`: jobs and globs; empty is all.
    pub only: Vec<String>,
    /// `--except`.
    pub except: Vec<String>,
    /// `--accept-clock`.
    pub accept_clock: bool,
    /// `--accept-shrink`.
    pub accept_shrink: bool,
    /// `--accept-destination`.
    pub accept_destination: bool,
    /// `--over-budget retention:R`.
    pub over_budget: Vec<String>,
}
/// The plan.
#[must_use]
pub fn build(model: &Model, _request: &Request, facts: &Facts) -> Plan {
    Plan::new(&model.ops, facts.host.clone(), facts.now)
}
