//! What a certificate says of itself.
//!
//! Takes DER, gives from when to when it is valid and for which names. Whether it may be believed is decided
//! elsewhere ([`super::tls`]).
//! Invariant: names are escaped, for anyone may write anything into a certificate.

use super::error::foreign;
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// DNS names and IP addresses that it is for.
    pub names: Vec<String>,
}

/// Reads one; `None` when it cannot be read.
pub fn read(der: &[u8]) -> Option<Leaf> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let at = |time: x509_parser::time::ASN1Time| DateTime::from_timestamp(time.timestamp(), 0);
    let validity = certificate.validity();
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    Some(Leaf {
        not_before: at(validity.not_before)?,
        not_after: at(validity.not_after)?,
        names: names.filter_map(name).collect(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(foreign(name)),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
