//! What is due, and what is left out.

use super::oracle::{ZONES, near_a_change, schedule};
use chrono::{DateTime, Duration, Utc};
use opsrun::model::schedule::due::{Due, SkipReason, due};
use opsrun::model::schedule::{FoldPolicy, GapPolicy, Missed, Rhythm, Schedule};
use proptest::prelude::*;

/// Decides as the policy says, by looking at every instant.
fn decided(
    schedule: &Schedule,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (Vec<DateTime<Utc>>, Vec<(SkipReason, u64)>) {
    let grace = match schedule.rhythm {
        Rhythm::Cron(_) => Duration::seconds(60),
        Rhythm::Every(period) => Duration::from_std(period).unwrap().min(Duration::seconds(60)),
    };
    let mut all: Vec<_> = schedule.between(last, now).collect();
    let on_time = all.pop_if(|newest| now - *newest <= grace);
    let fresh = |window: Option<std::time::Duration>, at: &DateTime<Utc>| {
        window.is_none_or(|window| now - *at <= Duration::from_std(window).unwrap())
    };
    let (wanted, window, reason) = match schedule.missed {
        Missed::Skip => (0, None, SkipReason::Missed),
        Missed::Latest { .. } if on_time.is_some() => (0, None, SkipReason::Superseded),
        Missed::Latest { window } => (1, window, SkipReason::Superseded),
        Missed::All { max, window } => (max as usize, window, SkipReason::TooMany),
    };
    let mut run: Vec<_> = all.iter().copied().filter(|at| fresh(window, at)).collect();
    run.drain(..run.len().saturating_sub(wanted));
    all.retain(|at| !run.contains(at));
    // With one that runs in its place, it does not matter how old an instant of `latest` is.
    let old = |at: &DateTime<Utc>| match schedule.missed {
        Missed::Latest { .. } => run.is_empty() && on_time.is_none(),
        _ => !fresh(window, at),
    };
    let too_old = all.iter().filter(|at| old(at)).count() as u64;
    let rest = all.len() as u64 - too_old;
    run.extend(on_time);
    let skipped = [(SkipReason::TooOld, too_old), (reason, rest)];
    (run, skipped.into_iter().filter(|(_, count)| *count > 0).collect())
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let lines = prop::sample::select(vec![
        "* * * * *",
        "*/7 * * * *",
        "0 * * * *",
        "30 2,3 * * *",
        "0 3 * * MON",
    ]);
    let rhythm = prop_oneof![
        (lines, 0..ZONES.len()).prop_map(|(line, zone)| schedule(
            line,
            &ZONES[zone],
            GapPolicy::RunAfter,
            FoldPolicy::First
        )
        .rhythm),
        prop::sample::select(vec![700_u64, 1_000, 45_000, 90_000, 3_600_000])
            .prop_map(|millis| Rhythm::Every(std::time::Duration::from_millis(millis))),
    ];
    let window = || prop::option::of((30..100_000_u64).prop_map(std::time::Duration::from_secs));
    let missed = prop_oneof![
        Just(Missed::Skip),
        window().prop_map(|window| Missed::Latest { window }),
        (0..5_u32, window()).prop_map(|(max, window)| Missed::All { max, window }),
    ];
    (rhythm, missed).prop_map(|(rhythm, missed)| Schedule {
        name: "x".to_owned(),
        rhythm,
        jitter: None,
        missed,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A clock that is asked now and then, stands still for hours and is set back: every instant is decided about once,
    /// as the policy says.
    #[test]
    fn every_instant_is_decided_about_once(
        schedule in any_schedule(),
        (_, start) in near_a_change(),
        steps in prop::collection::vec(prop_oneof![
            4 => 1_i64..120_000,
            2 => 60_000_i64..3_600_000,
            1 => 3_600_000_i64..40_000_000,
            1 => -10_000_000_i64..0,
        ], 1..12),
    ) {
        let first = due(&schedule, None, start);
        prop_assert_eq!(&first, &Due { handled: Some(start), next: schedule.next(start), ..Due::default() });
        let (mut now, mut last, mut furthest) = (start, start, start);
        let (mut ran, mut left_out) = (Vec::new(), 0);
        for step in steps {
            now += Duration::milliseconds(step);
            let answer = due(&schedule, Some(last), now);
            if now < last {
                prop_assert!(answer.run.is_empty() && answer.skipped.is_empty());
                prop_assert_eq!(answer.handled, Some(last));
                prop_assert_eq!(answer.next, schedule.next(last));
                prop_assert_eq!(answer.clock_behind, (last - now).to_std().ok());
                continue;
            }
            let (run, skipped) = decided(&schedule, last, now);
            let counts: Vec<_> = answer.skipped.iter().map(|group| (group.reason, group.count)).collect();
            prop_assert_eq!(&answer.run, &run);
            prop_assert_eq!(counts, skipped);
            prop_assert_eq!(answer.next, schedule.next(now));
            for group in &answer.skipped {
                let within = schedule.between(group.first - Duration::nanoseconds(1), group.last);
                prop_assert_eq!(within.count() as u64, group.count);
                prop_assert!(!group.more);
            }
            ran.extend(answer.run);
            left_out += answer.skipped.iter().map(|group| group.count).sum::<u64>();
            last = answer.handled.unwrap();
            furthest = furthest.max(now);
        }
        let all: Vec<_> = schedule.between(start, furthest).collect();
        prop_assert!(ran.windows(2).all(|two| two[0] < two[1]), "once each, in order");
        prop_assert!(ran.iter().all(|run| all.contains(run)));
        prop_assert_eq!(ran.len() as u64 + left_out, all.len() as u64);
    }
}
