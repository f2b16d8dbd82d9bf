//! Tests of schedules by example.

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(line: &str, zone: chrono_tz::Tz) -> Schedule {
    Schedule {
        name: "nightly".to_owned(),
        rhythm: Rhythm::Cron(Box::new(WallClock {
            cron: Cron::parse(line).unwrap(),
            zone,
            gap: Gap::RunAfter,
            fold: Fold::First,
            dst_given: false,
        })),
        jitter: None,
        missed: Missed::Latest { window: None },
    }
}

#[test]
fn a_line_fires() {
    let schedule = cron("30 2 * * *", chrono_tz::Europe::Berlin);
    let found: Vec<String> = schedule
        .between(at("2026-03-27T12:00:00Z"), at("2026-03-31T00:00:00Z"))
        .map(|at| at.to_rfc3339())
        .collect();
    // 2026-03-29 02:00 → 03:00.
    assert_eq!(
        found,
        [
            "2026-03-28T01:30:00+00:00",
            "2026-03-29T01:00:00+00:00",
            "2026-03-30T00:30:00+00:00"
        ]
    );
}
