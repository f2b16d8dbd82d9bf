//! The bytes of a zone file (TZif, RFC 9636) → its clock changes.
//!
//! `jiff` reads the format; what a schedule relies on is checked here. Invariant: bounded work for any bytes.

use super::zone::ClockShift;
use chrono::FixedOffset;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Some days before 1970, and after 2100: schedules end there.
const FIRST: i64 = -4 * 86_400;
const LAST: i64 = 4_135_000_000;
/// What a zone may be: every real one is far from these limits.
const MIN_BETWEEN: i64 = 3 * 86_400;
const MAX_SHIFT: i32 = 26 * 3_600;
/// A header, and where its counts start.
const HEADER: usize = 44;
const COUNTS: usize = 20;

/// The offset before the first clock change, and the changes, oldest first. The error is a sentence for people.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<(FixedOffset, Vec<ClockShift>), String> {
    if !bytes.starts_with(b"TZif") {
        return Err("it is not a zone file (TZif)".to_owned());
    }
    let damaged = || "it is damaged, or cut short".to_owned();
    if leap_seconds(bytes).ok_or_else(damaged)? > 0 {
        return Err("it counts leap seconds, but the clocks of computers do not".to_owned());
    }
    let zone = TimeZone::tzif(name, bytes).map_err(|_| damaged())?;
    let start = Timestamp::from_second(FIRST).map_err(|_| damaged())?;
    let fixed = |offset: jiff::tz::Offset| {
        FixedOffset::east_opt(offset.seconds()).ok_or("it has an offset of a day or more".to_owned())
    };
    let first = fixed(zone.to_offset(start))?;
    let mut shifts: Vec<ClockShift> = Vec::new();
    let mut seen = i64::MIN;
    for change in zone.following(start) {
        let (at, offset) = (change.timestamp().as_second(), fixed(change.offset())?);
        // Without a rule at the end of the file, `jiff` gives the last change again and again.
        if at > LAST || at == seen {
            break;
        }
        if at < seen {
            return Err(damaged());
        }
        seen = at;
        let last = shifts.last();
        let before = last.map_or(first, |last| last.offset);
        if offset == before {
            continue;
        }
        if last.is_some_and(|last| at < last.at.saturating_add(MIN_BETWEEN)) {
            return Err("its clocks change twice within three days".to_owned());
        }
        if (offset.local_minus_utc() - before.local_minus_utc()).abs() > MAX_SHIFT {
            return Err("its clocks change by more than a day".to_owned());
        }
        shifts.push(ClockShift { at, offset });
    }
    Ok((first, shifts))
}

/// How many leap seconds the part of the file has that is read. `None`: the file ends before that.
fn leap_seconds(bytes: &[u8]) -> Option<u32> {
    let header = |at: usize| -> Option<[usize; 6]> {
        let counts = bytes.get(at + COUNTS..at + HEADER)?.chunks_exact(4);
        let counts: Vec<usize> = counts
            .filter_map(|four| usize::try_from(u32::from_be_bytes(four.try_into().ok()?)).ok())
            .collect();
        counts.try_into().ok()
    };
    let [utc, standard, leap, times, types, names] = header(0)?;
    if *bytes.get(4)? == 0 {
        return u32::try_from(leap).ok();
    }
    // The first part is for readers of version 1; the second one has the same form.
    let sizes = [(utc, 1), (standard, 1), (leap, 8), (times, 5), (types, 6), (names, 1)];
    let mut second = HEADER;
    for (count, size) in sizes {
        second = second.checked_add(count.checked_mul(size)?)?;
    }
    let [_, _, leap, ..] = header(second)?;
    u32::try_from(leap).ok()
}
