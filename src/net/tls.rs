//! What a server shows in the TLS handshake, whether it can be trusted or not.
//!
//! Takes host, port, an extra CA file and a time limit; gives the server's certificate and the verdict on it.
//! Nothing is sent over the connection but the handshake.
//! Invariant: the verdict is the one that a request to the same server would meet.

use super::certificate::Leaf;
use super::error::{ConnectionEnd, Distrust, Fault, LocalError, NetError, Stage, foreign};
use super::stage_tracker::StageTracker;
use super::tcp;
use super::trust::{self, RecordingVerifier};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[derive(Debug, Clone)]
pub struct ServerCertificate {
    pub leaf: Leaf,
    /// Why it is not trusted; `None` when it is.
    pub distrust: Option<Distrust>,
}

/// Connects, shakes hands and hangs up.
pub async fn handshake(
    host: &str,
    port: u16,
    ca_file: Option<&Path>,
    limit: Duration,
) -> Result<ServerCertificate, NetError> {
    let place = tcp::place(host, port);
    let stage = StageTracker::new(Stage::Roots);
    let seen = stage.within(limit, look(host, port, ca_file, &stage, &place)).await;
    seen.unwrap_or_else(|fault| Err(NetError::at(&place, fault)))
}

async fn look(
    host: &str,
    port: u16,
    ca_file: Option<&Path>,
    stage: &StageTracker,
    place: &str,
) -> Result<ServerCertificate, NetError> {
    let at = |fault| NetError::at(place, fault);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| LocalError::Name(foreign(host)))?;
    let (config, verifier) = trust::configure(ca_file, false).await?;
    stage.set(Stage::Addresses);
    let stream = tcp::reach(host, port, stage).await.map_err(at)?;
    stage.set(Stage::Handshake);
    let ended = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = match (verifier.seen(), ended) {
        (Some(seen), Ok(_)) => seen,
        // It requires a client certificate, and has shown its own before.
        (Some(seen), Err(error)) if is_alert(&error) => seen,
        (_, Err(error)) => return Err(at(fault_of_handshake(&error))),
        (None, Ok(_)) => return Err(at(Fault::Handshake("the server showed no certificate".to_owned()))),
    };
    let unread = || at(Fault::Handshake("its certificate cannot be read".to_owned()));
    let leaf = seen.leaf.ok_or_else(unread)?;
    let distrust = seen.distrust;
    Ok(ServerCertificate { leaf, distrust })
}

/// The connection after a handshake that its verifier must agree with.
pub(super) async fn shake(
    config: &Arc<ClientConfig>,
    verifier: &RecordingVerifier,
    host: &str,
    stream: TcpStream,
) -> Result<Result<TlsStream<TcpStream>, Fault>, LocalError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| LocalError::Name(foreign(host)))?;
    let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    Ok(shaken.map_err(|error| {
        let distrust = verifier.seen().and_then(|seen| seen.distrust);
        distrust.map_or_else(|| fault_of_handshake(&error), Fault::Distrusted)
    }))
}

/// A failure on a connection whose handshake is done. With TLS 1.3 the server speaks of a missing client certificate
/// only now.
pub(super) fn fault_after_handshake(error: &io::Error) -> Option<Fault> {
    Some(match tls_error(error)? {
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Fault::WantsCertificate,
        rustls::Error::AlertReceived(alert) => Fault::Secure(format!("the server says {alert:?}")),
        other => Fault::Secure(foreign(&other.to_string())),
    })
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_alert(error: &io::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::AlertReceived(_)))
}

pub(super) fn fault_of_handshake(error: &io::Error) -> Fault {
    match tls_error(error) {
        Some(error) => fault_of_tls(error),
        None => match ConnectionEnd::of(error.kind()) {
            Some(ConnectionEnd::Closed) => Fault::Handshake("the server closed the connection".to_owned()),
            Some(ConnectionEnd::Reset) => Fault::Handshake("the connection was reset".to_owned()),
            None => Fault::from_io(error),
        },
    }
}

pub(super) fn fault_of_tls(error: &rustls::Error) -> Fault {
    match error {
        rustls::Error::InvalidMessage(_) => Fault::NotTls,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Fault::WantsCertificate,
        rustls::Error::AlertReceived(alert) => Fault::Handshake(format!("the server says {alert:?}")),
        other => Fault::Handshake(foreign(&other.to_string())),
    }
}
