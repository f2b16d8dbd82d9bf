//! Whom to trust: the roots of the system, those built into the program, and a file of the user's.
//!
//! Takes the path of a PEM file or none, gives a store of roots. Blocks: it reads files.
//! The built-in roots (Mozilla's) are there so that a machine without CA certificates can be used as well; where the
//! system's cannot be read they are the only ones. The variables `SSL_CERT_FILE` and `SSL_CERT_DIR` say where the system's are,
//! as they do for OpenSSL.
//! Invariant: a file that the user named is read whole or is an error; none of its certificates is left out.

use super::error::{LocalError, io_words};
use crate::path::shown;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::Read as _;
use std::path::Path;

/// More than any collection of CA certificates.
const MAX_BYTES: u64 = 8 << 20;

pub(super) fn load(ca_file: Option<&Path>) -> Result<RootCertStore, LocalError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    // What the system has and cannot be used is the system's matter: the rest is enough, or a server is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let wrong = |reason: String| LocalError::CaFile {
            path: shown(path).to_string(),
            reason,
        };
        for certificate in read(path).map_err(wrong)? {
            roots
                .add(certificate)
                .map_err(|_| wrong("contains a certificate that cannot be read".to_owned()))?;
        }
    }
    if roots.is_empty() {
        return Err(LocalError::NoRoots);
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut pem = Vec::new();
    let unread = |error: std::io::Error| format!("cannot be read: {}", io_words(&error));
    let file = std::fs::File::open(path).map_err(unread)?;
    // Read to a limit, for the path may lead to a device.
    file.take(MAX_BYTES + 1).read_to_end(&mut pem).map_err(unread)?;
    if pem.len() as u64 > MAX_BYTES {
        return Err("is larger than 8 MiB".to_owned());
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| "is not valid PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("contains no certificate".to_owned());
    }
    Ok(certificates)
}
