//! The verdict on a server's certificate, kept beside the handshake that asks for it.
//!
//! Takes roots, gives a verifier for rustls that decides as its own does and remembers certificate and verdict.
//! A strict one ends the handshake with a bad verdict; one that only looks on lets it go on, so that the certificate
//! of an untrusted server is known as well.
//! Invariant: whatever carries a request is strict; signatures are verified either way.

use super::certificate::{self, Leaf};
use super::error::{Distrust, LocalError, NetError, foreign};
use crate::blocking;
use chrono::{DateTime, Utc};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone)]
pub(super) struct VerifiedCertificate {
    /// Its own certificate; `None` when it cannot be read.
    pub leaf: Option<Leaf>,
    /// Why it is not trusted; `None` when it is.
    pub distrust: Option<Distrust>,
}

#[derive(Debug)]
pub(super) struct RecordingVerifier {
    inner: Arc<WebPkiServerVerifier>,
    strict: bool,
    seen: Mutex<Option<VerifiedCertificate>>,
}

/// A configuration with explicit roots and provider, and its verifier.
pub(super) async fn configure(
    ca_file: Option<&Path>,
    strict: bool,
) -> Result<(ClientConfig, Arc<RecordingVerifier>), NetError> {
    let about = format!("CA certificates {}", ca_file.unwrap_or(Path::new("")).display());
    let ca_file = ca_file.map(Path::to_owned);
    let roots = blocking::call(&about, move || super::roots::load(ca_file.as_deref()))
        .await
        .map_err(LocalError::from)??;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = Arc::new(RecordingVerifier {
        inner: inner.build().map_err(|_| LocalError::NoRoots)?,
        strict,
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| LocalError::Machine(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<RecordingVerifier>::clone(&verifier))
        .with_no_client_auth();
    Ok((config, verifier))
}

impl RecordingVerifier {
    pub(super) fn seen(&self) -> Option<VerifiedCertificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let inner = &self.inner;
        let verdict = inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let leaf = certificate::read(end_entity);
        let error = verdict.as_ref().err();
        let distrust = error.map(|error| distrust(error, leaf.as_ref(), server_name));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(VerifiedCertificate { leaf, distrust });
        match verdict {
            Err(error) if self.strict => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn distrust(error: &rustls::Error, leaf: Option<&Leaf>, wanted: &ServerName<'_>) -> Distrust {
    use CertificateError as Error;
    let rustls::Error::InvalidCertificate(error) = error else {
        return Distrust::Other(foreign(&error.to_string()));
    };
    let at = |time: &UnixTime| DateTime::<Utc>::from_timestamp(i64::try_from(time.as_secs()).ok()?, 0);
    match error {
        Error::UnknownIssuer => Distrust::UnknownIssuer,
        Error::Expired => Distrust::Expired(leaf.map(|leaf| leaf.not_after)),
        Error::ExpiredContext { not_after, .. } => Distrust::Expired(at(not_after)),
        Error::NotValidYet => Distrust::NotYetValid(leaf.map(|leaf| leaf.not_before)),
        Error::NotValidYetContext { not_before, .. } => Distrust::NotYetValid(at(not_before)),
        Error::NotValidForName | Error::NotValidForNameContext { .. } => Distrust::WrongName {
            wanted: foreign(&wanted.to_str()),
            names: leaf.map(|leaf| leaf.names.clone()).unwrap_or_default(),
        },
        Error::Revoked => Distrust::Other("it was revoked".to_owned()),
        Error::BadEncoding => Distrust::Other("it cannot be read".to_owned()),
        Error::BadSignature => Distrust::OtherIssuer,
        // The variants of the path builder have no place in the public type.
        Error::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => Distrust::CaAsServer,
        other => Distrust::Other(foreign(&other.to_string())),
    }
}
