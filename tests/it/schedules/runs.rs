//! The runs of a schedule, and the gaps between them.

use super::oracle::{CHANGES, Line, ZONES, ask, clock, field, line, near_a_change, policies, schedule, walk};
use chrono::{Days, Duration, NaiveDate};
use opsrun::model::schedule::{FoldPolicy, GapPolicy};
use proptest::prelude::*;

#[test]
fn every_zone_has_its_changes() {
    for (zone, changes) in ZONES.iter().zip(CHANGES.iter()) {
        assert_eq!(changes.is_empty(), zone.name() == "UTC", "{zone}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_200))]

    /// Nothing lost, nothing doubled, nothing out of order; and it does not matter from where one asks.
    #[test]
    fn the_runs_are_those_of_a_walk(
        text in line(),
        (zone, start) in near_a_change(),
        (gap, fold) in policies(),
        asked in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..60_000_000_000), 8),
    ) {
        let schedule = schedule(&text, &zone, gap, fold);
        let fixed = !text.starts_with('*') && !text.split(' ').nth(1).unwrap().starts_with('*');
        let (usual_gap, usual_fold) = if fixed {
            (GapPolicy::RunAfter, FoldPolicy::First)
        } else {
            (GapPolicy::Skip, FoldPolicy::Both)
        };
        prop_assert_eq!(clock(&schedule).gap, gap.unwrap_or(usual_gap));
        prop_assert_eq!(clock(&schedule).fold, fold.unwrap_or(usual_fold));
        let read = Line::read(&text);
        let end = start + Duration::minutes(2_000);
        let minute = Duration::minutes(1);
        let expected = walk(&read, clock(&schedule), start, end);
        let found: Vec<_> = schedule.between(start - minute, end).collect();
        prop_assert_eq!(&found, &expected, "{} {}", text, zone);

        // Backwards, the same.
        let mut back = Vec::new();
        let mut at = schedule.previous(end);
        while let Some(run) = at.filter(|run| *run >= start) {
            back.push(run);
            at = schedule.previous(run - Duration::nanoseconds(1));
        }
        back.reverse();
        prop_assert_eq!(&back, &expected, "backwards: {} {}", text, zone);

        // From anywhere within: the next one, and the one before.
        let minutes: Vec<_> = (0..2_000).map(|n| start + Duration::minutes(n)).collect();
        for (which, nanos) in asked {
            let from = *which.get(&minutes) + Duration::nanoseconds(nanos);
            let next = expected.iter().copied().find(|run| *run > from);
            let found = schedule.next(from);
            prop_assert!(found.is_none_or(|run| run > from));
            prop_assert_eq!(found.filter(|run| *run <= end), next, "next({}): {} {}", from, text, zone);
            let last = expected.iter().copied().rfind(|run| *run <= from);
            let found = schedule.previous(from);
            prop_assert_eq!(found.filter(|run| *run >= start), last, "previous({}): {} {}", from, text, zone);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Rare lines over years.
    #[test]
    fn rare_runs_are_those_of_the_calendar(
        hour in field(0, 23, 0..=4).prop_filter("few", |hour| !hour.contains(['*', '-'])),
        minute in 0..60_u32,
        day in prop_oneof![3 => field(1, 31, 28..=31), 1 => Just("L".to_owned()), 1 => Just("28,L".to_owned())],
        month in field(1, 12, 2..=4),
        weekday in field(0, 7, 0..=7),
        zone in prop::sample::select(ZONES.clone()),
        (gap, fold) in policies(),
        year in 1975..2095_i32,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let schedule = schedule(&text, &zone, gap, fold);
        let read = Line::read(&text);
        let start = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let end = NaiveDate::from_ymd_opt(year + 5, 12, 31).unwrap();
        let expected = ask(&read, clock(&schedule), start, end);
        // The edges belong to neither.
        let edge = |date: NaiveDate, days| (date + Days::new(days)).and_hms_opt(0, 0, 0).unwrap().and_utc();
        let (from, until) = (edge(start, 2), edge(end, 0) - Duration::days(2));
        let found: Vec<_> = schedule.between(from, until).collect();
        let expected: Vec<_> = expected.into_iter().filter(|run| *run > from && *run <= until).collect();
        prop_assert_eq!(&found, &expected, "{} {}", text, zone);
        for two in expected.windows(2) {
            prop_assert_eq!(schedule.previous(two[1] - Duration::seconds(1)), Some(two[0]));
        }

        // The gaps are those between the runs.
        if let [first, .., _] = expected.as_slice() {
            let gaps = || expected.windows(2).map(|two| (two[1] - two[0]).to_std().unwrap());
            let before = *first - Duration::seconds(1);
            let last = expected[expected.len() - 2];
            let horizon = (last - before).to_std().unwrap();
            prop_assert_eq!(schedule.shortest_gap(before, horizon), gaps().min(), "{} {}", text, zone);
            prop_assert_eq!(schedule.longest_gap(before, horizon), gaps().max(), "{} {}", text, zone);
        }
    }

    /// The gaps of frequent lines, over changes of clocks.
    #[test]
    fn gaps_are_those_of_a_walk(text in line(), (zone, start) in near_a_change(), (gap, fold) in policies()) {
        let schedule = schedule(&text, &zone, gap, fold);
        let runs: Vec<_> = schedule.between(start, start + Duration::days(9)).take(3_000).collect();
        if let [first, .., _, _] = runs.as_slice() {
            let gaps = || runs.windows(2).map(|two| (two[1] - two[0]).to_std().unwrap());
            let before = *first - Duration::seconds(1);
            // Gaps count that begin within the horizon.
            let horizon = (runs[runs.len() - 2] - before).to_std().unwrap();
            prop_assert_eq!(schedule.shortest_gap(before, horizon), gaps().min(), "{} {}", text, zone);
            prop_assert_eq!(schedule.longest_gap(before, horizon), gaps().max(), "{} {}", text, zone);
        }
    }
}
