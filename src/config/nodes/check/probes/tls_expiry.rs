//! How long the certificate of a TLS server is valid.
//!
//! Reports a `ca-file` beside `trust "none"` (OPS5018).

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, node, prop, words};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::{ONE_THRESHOLD, WorseWhen, times};
use crate::config::nodes::checked_node::{CheckedNode, one_of};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::config::nodes::text_or_secret::CA_FILE;
use crate::model::check::Probe;

/// Whether the certificate must be trusted.
const TRUST: [(&str, bool); 2] = [("system", true), ("none", false)];

pub const TLS_EXPIRY: KindRow<Probe> = KindRow {
    spec: node("tls-expiry", Args::One(Type::Address))
        .doc(
            "how long the certificate of a TLS server is still valid; one that is not trusted is critical, unless `trust` \
             says otherwise",
        )
        .example("tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"")
        .with(&[
            prop("warn", Type::Duration, "a warning when less time is left")
                .otherwise("never")
                .example("\"21d\""),
            prop("critical", Type::Duration, "critical when less time is left")
                .otherwise("never")
                .example("\"7d\""),
        ])
        .rule(ONE_THRESHOLD)
        .block(&[&[
            node("trust", Args::One(Type::Word(&words(&TRUST), &[])))
                .doc("whether the chain, the name and the issuer are verified; `\"none\"` looks at the dates alone")
                .example("trust \"none\"")
                .default("\"system\""),
            CA_FILE,
        ]]),
    decode: tls_expiry,
};

fn tls_expiry(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let left = times(node, WorseWhen::Smaller, TLS_EXPIRY.spec.example, decoder.findings);
    let verified = node.get("trust", one_of(&TRUST)).unwrap_or(true);
    if let Some(given) = node.child("ca-file").filter(|_| !verified) {
        decoder.report(
            Finding::new(
                Code::NoEffect,
                given.head,
                "`ca-file` has no effect with `trust \"none\"`",
                "no certificate is verified",
            )
            .help("delete one of the two"),
        );
    }
    Some(Probe::TlsExpiry {
        verified,
        address: node.args.first()?.value.address()?.clone(),
        left,
        ca_file: decoder.file_of(node, "ca-file"),
    })
}
