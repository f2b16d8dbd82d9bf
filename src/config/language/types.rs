//! What programs and the reference are told about types: a name, bounds, a value to show.
//!
//! Takes a [`Type`], gives words. How a value is checked against its type is known by `values`.
//! Invariant: no type has the name of another one.

use crate::config::nodes::schema::Type;

impl Type {
    /// A value of it, as it is written; a row whose bounds leave it out has one of its own.
    pub(in crate::config) const fn example(self) -> &'static str {
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

    pub(in crate::config) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Cron => "cron",
            Self::Mail => "mail",
            Self::Secret => "secret",
            Self::Name => "name",
            Self::Path => "path",
            Self::Duration => "duration",
            Self::Age => "age",
            Self::Years => "years",
            Self::Size => "size",
            Self::Percent => "percentage",
            Self::Integer(..) => "integer",
            Self::Word(..) => "word",
            Self::Glob => "glob",
            Self::Bool => "flag",
            Self::Zone => "zone",
            Self::Program => "program",
            Self::Argument => "argument",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Job => "job",
            Self::Address => "address",
            Self::Url => "url",
            Self::Header => "header",
            Self::Pointer => "pointer",
            Self::Scalar => "scalar",
            Self::Decimal(..) => "decimal",
            Self::Space => "space",
        }
    }

    /// The least and the greatest number, where it is one.
    pub(in crate::config) const fn bounds(self) -> Option<(u64, u64)> {
        match self {
            Self::Integer(low, high) => Some((low, high)),
            Self::Decimal(low, high) => Some((low as u64, high as u64)),
            _ => None,
        }
    }

    /// The words that it can be, where it is one of several.
    pub(in crate::config) const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Word(words, _) => words,
            _ => &[],
        }
    }
}
