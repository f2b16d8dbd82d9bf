//! One time zone, as a value: its name and the row of its clock changes.
//!
//! Invariant: clock changes are at least three days apart, and no offset reaches a day. So any two days meet at most one
//! change, and a local time is at most two instants.

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset as _, TimeDelta, Utc};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// More than any offset, and any clock change but those over the date line, which are a day.
const SPAN: i64 = 26 * 3_600;

/// A time zone. Cheap to clone.
#[derive(Clone)]
pub struct Zone(Arc<ZoneParts>);

struct ZoneParts {
    name: String,
    origin: ZoneOrigin,
    /// Before the first change.
    first: FixedOffset,
    shifts: Vec<ClockShift>,
}

/// The clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockShift {
    /// First second of the new offset, since 1970.
    pub at: i64,
    pub offset: FixedOffset,
}

/// Where the clock changes of a zone come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneOrigin {
    /// A zone file of the host.
    Host,
    /// The data of this build; with the file of the host that could not be used.
    BuiltIn(Option<RefusedFile>),
}

/// A zone file, or a directory of them, that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFile {
    pub path: PathBuf,
    /// `it is a directory`, for example.
    pub reason: String,
}

impl fmt::Display for RefusedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use `{}`: {}", crate::path::shown(&self.path), self.reason)
    }
}

static UTC: LazyLock<Zone> = LazyLock::new(|| {
    let origin = ZoneOrigin::BuiltIn(None);
    Zone::new("UTC", origin, Utc.fix(), Vec::new())
});

impl Zone {
    pub(super) fn new(name: &str, origin: ZoneOrigin, first: FixedOffset, shifts: Vec<ClockShift>) -> Self {
        Self(Arc::new(ZoneParts {
            name: name.to_owned(),
            origin,
            first,
            shifts,
        }))
    }

    pub fn utc() -> Self {
        UTC.clone()
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn origin(&self) -> &ZoneOrigin {
        &self.0.origin
    }

    /// All clock changes from 1970 to 2100, oldest first.
    pub fn shifts(&self) -> &[ClockShift] {
        &self.0.shifts
    }

    /// Seconds that its clocks are ahead of UTC.
    pub fn offset(&self, at: i64) -> i64 {
        i64::from(self.fixed(at).local_minus_utc())
    }

    fn fixed(&self, at: i64) -> FixedOffset {
        let known = self.0.shifts.partition_point(|shift| shift.at <= at);
        let last = known.checked_sub(1).and_then(|last| self.0.shifts.get(last));
        last.map_or(self.0.first, |shift| shift.offset)
    }

    /// The first change of its clocks later than `from`, up to `until`.
    pub fn first_shift(&self, from: i64, until: i64) -> Option<i64> {
        let next = self.0.shifts.partition_point(|shift| shift.at <= from);
        let at = self.0.shifts.get(next)?.at;
        (at <= until).then_some(at)
    }

    /// The last change of its clocks later than `from`, up to `until`.
    pub fn last_shift(&self, from: i64, until: i64) -> Option<i64> {
        let next = self.0.shifts.partition_point(|shift| shift.at <= until);
        let at = self.0.shifts.get(next.checked_sub(1)?)?.at;
        (at > from).then_some(at)
    }

    /// The local time of an instant.
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        at.with_timezone(&self.fixed(at.timestamp()))
    }

    /// The instants of a local time: none in a gap, two where an hour occurs twice.
    pub fn instants(&self, wall: NaiveDateTime) -> LocalResult<DateTime<Utc>> {
        let at = |offset: i64| {
            let instant = wall.and_utc().checked_sub_signed(TimeDelta::seconds(offset))?;
            (self.offset(instant.timestamp()) == offset).then_some(instant)
        };
        let wall = wall.and_utc().timestamp();
        let (before, after) = (self.offset(wall - SPAN), self.offset(wall + SPAN));
        match (at(before), at(after)) {
            (Some(one), Some(two)) if one != two => LocalResult::Ambiguous(one.min(two), one.max(two)),
            (Some(one), _) | (_, Some(one)) => LocalResult::Single(one),
            (None, None) => LocalResult::None,
        }
    }

    /// The first instant of a local time; of one in a gap, the end of the gap.
    pub fn first_instant(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        self.instants(wall).earliest().unwrap_or_else(|| {
            let second = wall.and_utc().timestamp();
            let end = self.first_shift(second - SPAN, second + SPAN);
            end.and_then(|end| DateTime::from_timestamp(end, 0))
                .unwrap_or_else(|| wall.and_utc())
        })
    }

    /// The local time of this instant occurs twice.
    pub fn repeats(&self, at: DateTime<Utc>) -> bool {
        matches!(self.instants(self.local(at).naive_local()), LocalResult::Ambiguous(..))
    }
}

/// The same name and the same clock changes, wherever they come from.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &ZoneParts, b: &ZoneParts| (&a.name, a.first, &a.shifts) == (&b.name, b.first, &b.shifts);
        Arc::ptr_eq(&self.0, &other.0) || same(&self.0, &other.0)
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
