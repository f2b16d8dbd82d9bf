//! A value in the type that its setting takes.

use crate::model::check::{Address, Space};
use crate::model::pattern::Pattern;
use crate::time_zone::Zone;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Text(String),
    Number(u64),
    Percent(u8),
    Duration(Duration),
    Forever,
    Glob(Pattern),
    Bool(bool),
    Zone(Zone),
    Decimal(f64),
    Space(Space),
    Address(Address),
    Scalar(serde_json::Value),
    /// Wrong, and reported.
    Bad,
}

impl Datum {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn string(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn small(&self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    pub fn duration(&self) -> Option<Duration> {
        match self {
            Self::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub fn decimal(&self) -> Option<f64> {
        match self {
            Self::Decimal(number) => Some(*number),
            _ => None,
        }
    }

    pub fn percent(&self) -> Option<u8> {
        match self {
            Self::Percent(percent) => Some(*percent),
            _ => None,
        }
    }

    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            _ => None,
        }
    }
}
