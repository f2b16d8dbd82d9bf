//! A certificate authority for tests, its certificates, and TLS servers that present them.

use super::stub::{self, Stub};
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// A CA whose certificate is in a file.
pub struct Ca {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
    pub dir: tempfile::TempDir,
}

impl Ca {
    pub fn new() -> Self {
        Self::named("a CA of this test")
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca = Self {
            issuer,
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(ca.file(), ca.issuer.pem()).unwrap();
        ca
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for these names, valid from `from` to `to` in days from now.
    pub fn issue(&self, names: &[&str], from: i64, to: i64) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let day = |days| {
            let at: DateTime<Utc> = opsrun::clock::now() + TimeDelta::days(days);
            date_time_ymd(
                at.year(),
                u8::try_from(at.month()).unwrap(),
                u8::try_from(at.day()).unwrap(),
            )
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (day(from), day(to));
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        (leaf.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    /// A server with such a certificate that answers every request with `answer`.
    pub fn serve(&self, names: &[&str], from: i64, to: i64, answer: String) -> Stub {
        let (leaf, key) = self.issue(names, from, to);
        speak(configured(leaf, key), answer)
    }
}

/// A configuration builder with an explicit provider.
pub fn server() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// A TLS server that answers every request with `answer`.
pub fn speak(config: ServerConfig, answer: String) -> Stub {
    let config = Arc::new(config);
    stub::serve(move |stream, record| {
        let mut wire = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        if let Some(request) = stub::request(&mut wire) {
            let _ = record.send(request);
            let _ = wire.write_all(answer.as_bytes());
            wire.conn.send_close_notify();
            let _ = wire.flush();
        }
    })
}

/// The configuration of a server with this certificate.
pub fn configured(leaf: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> ServerConfig {
    server()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap()
}
