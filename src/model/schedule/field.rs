//! One of the five fields of a cron line: its grammar, its values, and what is wrong with it.
//!
//! Takes the text of a field and its position in the line, gives the set of its values. Knows no calendar.
//! Invariant: a field is either wholly understood or an error with its place: a typo never becomes another time.

use std::ops::Range;

/// Something wrong with a part of a cron line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    /// Where in the line, in bytes, on character boundaries.
    pub at: Range<usize>,
    pub message: String,
    pub label: String,
    pub help: String,
    /// What to write in its place, where that is known.
    pub(super) fix: Option<String>,
    /// The whole line that is meant, where only one can be.
    pub line: Option<String>,
}

#[derive(Debug)]
pub(super) struct FieldKind {
    pub one: &'static str,
    pub many: &'static str,
    /// A list of values in even steps, as far as there is one.
    list: &'static str,
    low: u32,
    /// The largest number; 7 for Sunday is taken as 0.
    high: u32,
    /// How many different values there are.
    size: u32,
    /// Names of values, the first one for `low`.
    names: &'static [&'static str],
}

pub(super) const KINDS: [FieldKind; 5] = [
    kind(["a minute", "minutes", "0,20,40"], (0, 59), 60, &[]),
    kind(["an hour", "hours", "0,6,12,18"], (0, 23), 24, &[]),
    kind(
        ["a day of the month", "days of the month", "1,8,15,22"],
        (1, 31),
        31,
        &[],
    ),
    kind(["a month", "months", "1,4,7,10"], (1, 12), 12, &MONTHS),
    kind(
        ["a day of the week", "days of the week", "MON,WED,FRI"],
        (0, 7),
        7,
        &WEEKDAYS,
    ),
];

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn kind(
    [one, many, list]: [&'static str; 3],
    (low, high): (u32, u32),
    size: u32,
    names: &'static [&'static str],
) -> FieldKind {
    FieldKind {
        one,
        many,
        list,
        low,
        high,
        size,
        names,
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Field {
    pub values: u64,
    /// `L`: the last day of the month too.
    pub last: bool,
    /// It starts with `*`.
    pub starred: bool,
    /// Steps that are not what they seem, with what they really do.
    pub uneven: Vec<UnevenStep>,
}

/// A step that is not what it seems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnevenStep {
    /// Where in the line, in bytes.
    pub at: Range<usize>,
    /// What it really does.
    pub label: String,
    /// A list of values of this field, as an example.
    pub list: &'static str,
}

impl Field {
    pub fn list(&self) -> impl Iterator<Item = u32> {
        let values = self.values;
        (0..64).filter(move |n| values >> n & 1 == 1)
    }
}

impl FieldKind {
    /// Reads a field that starts at byte `start` of the line. Every mistake is reported.
    pub fn parse(&self, text: &str, start: usize, mistakes: &mut Vec<CronError>) -> Field {
        let mut field = Field {
            starred: text.starts_with('*'),
            ..Field::default()
        };
        let alone = !text.contains(',');
        let mut at = start;
        for item in text.split(',') {
            let place = at..at + item.len();
            at = place.end + 1;
            if item.is_empty() {
                // The comma beside it: the one before, at the end of the field, else the one after.
                let last = place.end == start + text.len();
                let comma = place.start.saturating_sub(usize::from(last));
                if mistakes.last().is_none_or(|last| last.at != (comma..comma + 1)) {
                    mistakes.push(CronError {
                        at: comma..comma + 1,
                        message: "a value beside a comma is missing".to_owned(),
                        label: "one value is missing here".to_owned(),
                        help: "leave out the comma, or write the missing value".to_owned(),
                        fix: Some(String::new()),
                        line: None,
                    });
                }
                continue;
            }
            if self.size == 31 && item.eq_ignore_ascii_case("L") {
                field.last = true;
                continue;
            }
            match self.item(item, place.clone(), alone) {
                Ok((values, uneven)) => {
                    field.values |= values;
                    field.uneven.extend(uneven.map(|label| UnevenStep {
                        at: place,
                        label,
                        list: self.list,
                    }));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        field
    }

    /// One item of a list: `*`, a value or a range, each perhaps with a step.
    fn item(&self, text: &str, place: Range<usize>, alone: bool) -> Result<Item, CronError> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        if range == "*" && step.is_none() && !alone {
            let message = format!("`*` in a list is every one of the {} already", self.many);
            let help = "write `*` alone, or the list without it";
            return Err(wrong(place, message, "the rest of the list changes nothing", help));
        }
        let (first, last) = if range == "*" {
            (self.low, self.low + self.size - 1)
        } else if let Some((first, last)) = range.split_once('-') {
            let middle = place.start + first.len() + 1;
            let from = self.value(first, place.start..middle - 1, &place, text)?;
            let to = self.value(last, middle..middle + last.len(), &place, text)?;
            // A week that ends on Sunday.
            let sunday = to < from && last.eq_ignore_ascii_case("SUN");
            let to = if sunday { 7 } else { to };
            if to < from {
                return Err(self.backwards(range, from, to, step, place));
            }
            (from, to)
        } else {
            let value = self.value(range, place.start..place.start + range.len(), &place, text)?;
            if let Some(step) = step {
                let fix = format!("{range}-{}/{step}", self.low + self.size - 1);
                return Err(CronError {
                    at: place,
                    message: format!("`{text}` has a step, and no range to step through"),
                    label: "a step follows `*` or a range".to_owned(),
                    help: format!("write `{fix}` for every {step} from {range} on"),
                    fix: Some(fix),
                    line: None,
                });
            }
            (value, value)
        };
        let end = place.end;
        let step = step.map(|text| self.step(text, end - text.len()..end)).transpose()?;
        Ok(self.collect(first, last, step))
    }

    fn collect(&self, first: u32, last: u32, step: Option<u32>) -> Item {
        let stepped: Vec<u32> = (first..=last).step_by(step.unwrap_or(1) as usize).collect();
        let values = stepped.iter().fold(0, |bits, value| {
            bits | 1 << if self.size == 7 { value % 7 } else { *value }
        });
        let uneven = step.and_then(|step| self.unevenness(first, last, step, &stepped));
        (values, uneven)
    }

    /// What a step really does, where one could think otherwise.
    fn unevenness(&self, first: u32, last: u32, step: u32, stepped: &[u32]) -> Option<String> {
        let whole = last - first + 1 >= self.size;
        let shown = self.show_list(stepped);
        if whole && step > 1 && !self.size.is_multiple_of(step) {
            let rest = self.size - (stepped.len() as u32 - 1) * step;
            let end = if self.many == "days of the month" {
                "and then starts again at the 1st, whatever the length of the month".to_owned()
            } else {
                let unit = self.many.split(' ').next().unwrap_or(self.many);
                let unit = if rest == 1 { unit.trim_end_matches('s') } else { unit };
                format!("and then starts again: the last step is {rest} {unit} long, not {step}")
            };
            Some(format!("it means the {} {shown}, {end}", self.many))
        } else if !whole && step > 1 && stepped.len() == 1 {
            Some(format!("it means {shown} alone: the step is longer than the range"))
        } else {
            None
        }
    }

    fn show_list(&self, values: &[u32]) -> String {
        let show = |value: &u32| match self.names.get((value % 7) as usize) {
            Some(name) if self.size == 7 => (*name).to_owned(),
            _ => value.to_string(),
        };
        match values {
            [first, second, third, .., last] if values.len() > 8 => {
                format!("{}, {}, {}, …, {}", show(first), show(second), show(third), show(last))
            }
            _ => values.iter().map(show).collect::<Vec<_>>().join(", "),
        }
    }

    fn step(&self, text: &str, at: Range<usize>) -> Result<u32, CronError> {
        let help = "write `/` and a number, such as `*/5`, or leave out the `/`";
        let label = "a step is a whole number";
        if text.is_empty() {
            let slash = at.start - 1..at.end;
            return Err(wrong(slash, "the step after `/` is missing", label, help));
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong(at, format!("`{text}` is not a step"), label, help));
        }
        match text.parse::<u32>() {
            Ok(0) => Err(CronError {
                at: at.start - 1..at.end,
                message: "a step of 0 goes nowhere".to_owned(),
                label: "a step is 1 or more".to_owned(),
                help: format!("leave out `/{text}` for every one of them"),
                fix: Some(String::new()),
                line: None,
            }),
            Ok(step) if step <= self.size => Ok(step),
            _ => Err(wrong(
                at,
                format!("a step of {text} is longer than the whole field"),
                format!("a step through the {} is 1 to {}", self.many, self.size),
                match (self.many, text.parse::<u32>()) {
                    ("minutes", Ok(n)) => format!("for every {n} minutes write `every \"{n}m\"` instead of `cron`"),
                    ("hours", Ok(n)) => format!("for every {n} hours write `every \"{n}h\"` instead of `cron`"),
                    _ => "write a smaller step, or the values as a list".to_owned(),
                },
            )),
        }
    }

    fn value(&self, text: &str, at: Range<usize>, whole: &Range<usize>, item: &str) -> Result<u32, CronError> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let value = text.parse::<u32>().ok();
            if let Some(value) = value.filter(|n| (self.low..=self.high).contains(n)) {
                return Ok(value);
            }
            // Within a range another end would mean something else.
            let fix = match (self.many, value.filter(|_| item == text)) {
                ("minutes", Some(60)) => Some(("0", "for the full hour")),
                ("hours", Some(24)) => Some(("0", "for midnight")),
                ("days of the month", Some(0)) => Some(("1", "for the first day")),
                ("months", Some(0)) => Some(("1", "for January")),
                _ => None,
            };
            return Err(CronError {
                at,
                message: format!("`{text}` is not {}", self.one),
                label: format!("{} are {} to {}", self.many, self.low, self.high),
                help: fix.map_or_else(
                    || format!("write {} from {} to {}", self.one, self.low, self.high),
                    |(fix, why)| format!("write `{fix}` {why}"),
                ),
                fix: fix.map(|(fix, _)| fix.to_owned()),
                line: None,
            });
        }
        if let Some(at) = self.names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
            return Ok(self.low + at as u32);
        }
        Err(self.no_value(text, at, whole.clone(), item))
    }

    fn no_value(&self, text: &str, at: Range<usize>, whole: Range<usize>, item: &str) -> CronError {
        let fixed = |at, message, label: &str, help, fix| CronError {
            at,
            message,
            label: label.to_owned(),
            help,
            fix: Some(fix),
            line: None,
        };
        let begins = |name: &&&str| text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let written_out = self.names.iter().find(begins);
        let rest = text.strip_prefix('*').unwrap_or_default();
        let upper = item.to_ascii_uppercase();
        if let Some(name) = written_out.filter(|_| text.bytes().all(|b| b.is_ascii_alphabetic())) {
            let message = format!("`{text}` is not {}", self.one);
            let label = format!("names have three letters: {}", self.names.join(", "));
            fixed(at, message, &label, format!("write `{name}`"), (*name).to_owned())
        } else if text.is_empty() && item.starts_with('-') {
            wrong(
                whole,
                format!("`{item}` is not {}", self.one),
                format!("{} are {} to {}", self.many, self.low, self.high),
                "write a number without a sign, or a range with both ends",
            )
        } else if text.is_empty() {
            wrong(
                whole,
                format!("`{item}` lacks a value"),
                "a range has two ends, and a step follows `*` or a range",
                format!("write both ends, such as `{}-{}`", self.low, self.low + self.size - 1),
            )
        } else if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) && item == text {
            let message = format!("`{text}` is neither `*/{rest}` nor `{rest}`");
            let help = format!("write `*/{rest}` for every {rest}, or `{rest}` for that one alone");
            fixed(at, message, "a `/` seems to be missing", help, format!("*/{rest}"))
        } else if item == "?" {
            let message = "`?` is not known here".to_owned();
            let help = "write `*`".to_owned();
            fixed(whole, message, "any day is `*`, as in crontab", help, "*".to_owned())
        } else if item.contains('#') {
            wrong(
                whole,
                format!("`{item}` is not known here"),
                "the nth weekday of a month has no form in crontab",
                "name the weekday alone, and let the command look at the date",
            )
        } else if self.many.starts_with("days") && (upper.starts_with('L') || upper.ends_with('L')) {
            wrong(
                whole,
                format!("`{item}` is not known here"),
                "only the last day of the month has a form, `L`",
                "write `L` as the day of the month; for other days name them, and let the command look at the date",
            )
        } else if self.many.starts_with("days") && upper.ends_with('W') {
            wrong(
                whole,
                format!("`{item}` is not known here"),
                "the nearest working day has no form in crontab",
                "write the day itself, or `MON-FRI` as the day of the week",
            )
        } else if upper == "H" || upper.starts_with("H/") || upper.starts_with("H(") {
            wrong(
                whole,
                format!("`{item}` is not known here"),
                "it would spread the load",
                "write a value, and `jitter \"5m\"` in the schedule to spread the load",
            )
        } else {
            let or = if self.names.is_empty() { "" } else { ", or " };
            let names = format!("{or}{}", self.names.join(", "));
            wrong(
                at,
                format!("`{text}` is not {}", self.one),
                format!("{} are {} to {}{names}", self.many, self.low, self.high),
                "write a value, a range `1-5`, a list `1,3,5`, a step `*/2`, or `*`",
            )
        }
    }

    fn backwards(&self, range: &str, from: u32, to: u32, step: Option<&str>, place: Range<usize>) -> CronError {
        let end = self.low + self.size - 1;
        let span = |first: u32, last: u32| match last.saturating_sub(first) {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        };
        // With a step, the second part would have to go on where the first one ended.
        let over_the_end = || format!("{},{}", span(from, end), span(self.low, to));
        let fix = step.is_none().then(over_the_end);
        CronError {
            at: place,
            message: format!("the range `{range}` goes backwards"),
            label: "a range goes from low to high".to_owned(),
            help: match &fix {
                Some(fix) => format!("write `{fix}` to go over the end"),
                None => "write the values as a list".to_owned(),
            },
            fix,
            line: None,
        }
    }
}

/// A mistake that has no one text to write in its place.
pub(super) fn wrong(
    at: Range<usize>,
    message: impl Into<String>,
    label: impl Into<String>,
    help: impl Into<String>,
) -> CronError {
    CronError {
        at,
        message: message.into(),
        label: label.into(),
        help: help.into(),
        fix: None,
        line: None,
    }
}

/// The values of an item, and what its step really does.
type Item = (u64, Option<String>);

/// The words of a line, with where each one starts.
pub(super) fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split(char::is_whitespace) {
        if !word.is_empty() {
            found.push((at, word));
        }
        at += word.len();
        let between = text.get(at..).and_then(|rest| rest.chars().next());
        at += between.map_or(0, char::len_utf8);
    }
    found
}

pub(super) fn line(words: &[(usize, &str)]) -> String {
    words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}
