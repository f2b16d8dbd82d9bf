//! The types of values: their names, forms, bounds and examples.
//!
//! How a value is checked against its type is in `values`.
//! Invariant: no two types have the same name.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    /// `[a-z0-9][a-z0-9_-]{0,62}`.
    Name,
    /// A path; not empty.
    Path,
    /// `"90s"`.
    Duration,
    /// `"30d"` or `"forever"`.
    Age,
    /// A duration, also in years.
    Years,
    /// `"10GiB"`.
    Size,
    /// `"20%"`.
    Percent,
    /// A whole number in a range.
    Integer(u64, u64),
    /// One of the first list; the second is known to the language, but not built in.
    Word(&'static [&'static str], &'static [&'static str]),
    Glob,
    /// `#true` or `#false`.
    Bool,
    Zone,
    /// A name, or a path with a `/` in it.
    Program,
    /// Any text that a program can be given.
    Argument,
    /// The name of an environment variable.
    Variable,
    /// The name or number of a user or a group.
    Account,
    /// A path to a file; not empty.
    File,
    Job,
    Address,
    /// `http://` or `https://`.
    Url,
    Header,
    /// A JSON pointer.
    Pointer,
    /// A JSON value that is not a list or an object.
    Scalar,
    /// A number that may have a fraction, in a range.
    Decimal(u32, u32),
    /// A percentage or a size.
    Space,
    /// Five fields, as in a crontab.
    Cron,
    Mail,
    /// Must not be written in the file, only where it comes from.
    Secret,
}

impl Type {
    /// The accepted form, for people.
    pub fn form(self) -> String {
        match self {
            Self::Text | Self::Argument => "text in quotes".to_owned(),
            Self::Name => "a name in quotes, such as \"observer\"".to_owned(),
            Self::Path => "a path in quotes, such as \"/srv/data\"".to_owned(),
            Self::Duration => "a duration in quotes, such as \"90s\", \"36h\" or \"7d\"".to_owned(),
            Self::Age => "a duration in quotes, such as \"30d\", or \"forever\"".to_owned(),
            Self::Years => "a duration in quotes, such as \"90d\" or \"2y\"".to_owned(),
            Self::Size => "a size in quotes, such as \"500MB\" or \"10GiB\"".to_owned(),
            Self::Percent => "a percentage in quotes, such as \"20%\"".to_owned(),
            Self::Integer(low, u64::MAX) => format!("a whole number from {low} up"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Word(words, _) => words
                .iter()
                .map(|word| format!("\"{word}\""))
                .collect::<Vec<_>>()
                .join(" or "),
            Self::Glob => "a glob in quotes, such as \"*.csv\"".to_owned(),
            Self::Bool => "#true or #false".to_owned(),
            Self::Zone => "an IANA time zone in quotes, such as \"Europe/Berlin\"".to_owned(),
            Self::Program => "a program in quotes, such as \"rsync\" or \"bin/report\"".to_owned(),
            Self::Variable => "the name of an environment variable in quotes, such as \"MODE\"".to_owned(),
            Self::Account => "a name in quotes, such as \"postgres\"".to_owned(),
            Self::File => "the path of a file in quotes, such as \"/srv/data/heartbeat\"".to_owned(),
            Self::Job => "a job in quotes, such as \"backup:data\"".to_owned(),
            Self::Address => "host and port in quotes, such as \"db.example.com:5432\" or \"[::1]:5432\"".to_owned(),
            Self::Url => "a URL in quotes, such as \"https://example.com/health\"".to_owned(),
            Self::Header => "the name of a header in quotes, such as \"Accept\"".to_owned(),
            Self::Pointer => "a JSON pointer in quotes, such as \"/status\"".to_owned(),
            Self::Scalar => "text in quotes, a number, #true, #false or #null".to_owned(),
            Self::Decimal(low, high) => format!("a number from {low}.0 to {high}.0"),
            Self::Space => "a percentage or a size in quotes, such as \"15%\" or \"10GiB\"".to_owned(),
            Self::Cron => "five fields in quotes, such as \"30 4 * * *\"".to_owned(),
            Self::Mail => "an e-mail address in quotes, such as \"ops@example.com\"".to_owned(),
            Self::Secret => "a source, such as `from-env=\"TOKEN\"`, and no text".to_owned(),
        }
    }

    /// A valid value, as it is written; rows with tighter bounds have their own.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Text | Self::Argument | Self::Word(..) | Self::Secret => "\"…\"",
            Self::Cron => "\"30 4 * * *\"",
            Self::Mail => "\"ops@example.com\"",
            Self::Name => "\"observer\"",
            Self::Path => "\"/srv/data\"",
            Self::Duration | Self::Age => "\"30d\"",
            Self::Years => "\"2y\"",
            Self::Size => "\"10GiB\"",
            Self::Percent => "\"20%\"",
            Self::Integer(..) | Self::Scalar => "7",
            Self::Glob => "\"*.csv\"",
            Self::Bool => "#true",
            Self::Zone => "\"Europe/Berlin\"",
            Self::Program => "\"bin/report\"",
            Self::Variable => "\"OPS_TOKEN\"",
            Self::Account => "\"postgres\"",
            Self::File => "\"/srv/file\"",
            Self::Job => "\"backup:data\"",
            Self::Address => "\"db.example.com:5432\"",
            Self::Url => "\"https://example.com/health\"",
            Self::Header => "\"Accept\"",
            Self::Pointer => "\"/status\"",
            Self::Decimal(..) => "2.0",
            Self::Space => "\"15%\"",
        }
    }

    /// A value to complete by hand, for a setting that is missing.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Age
            | Self::Duration
            | Self::Years
            | Self::Size
            | Self::Percent
            | Self::Integer(..)
            | Self::Scalar
            | Self::Decimal(..)
            | Self::Space
            | Self::Bool => self.example(),
            _ => "\"…\"",
        }
    }
}
