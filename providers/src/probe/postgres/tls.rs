//! How a connection to PostgreSQL is protected, in the words of its own clients (`sslmode`): what the URL asks for, and who has
//! to have signed the server's certificate. The traps avoided: a certificate that nobody looked at where the URL says to look;
//! and words of a URL that lead elsewhere than the address that was judged.

use crate::probe::{Ground, ProbeError, Target};
use reqwest::Url;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{error::Error, io, sync::Arc};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the URL asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// In clear.
    Disable,
    /// Encrypted if the server can.
    Prefer,
    /// Encrypted, by whatever certificate.
    Require,
    /// Encrypted, and the certificate is of an authority that is trusted.
    VerifyCa,
    /// And it is for this host.
    VerifyFull,
}

/// What of a URL is for the client; everything else is some other program's. `channel_binding` is not heard either: the TLS
/// library's connector binds none, and to require it would prove nothing anywhere.
const MEANT: [&str; 2] = ["options", "target_session_attrs"];

/// What would lead to another place, or in as somebody else, than what was judged and is shown.
const ELSEWHERE: [&str; 6] = ["host", "hostaddr", "port", "user", "password", "dbname"];

/// The protection that a URL asks for, and the URL as the client is given it.
pub(super) fn read(target: &Target) -> Result<(Protection, Url), ProbeError> {
    let mut url = target.url().clone();
    let mut protection = Protection::Prefer;
    let (mut system, mut kept) = (false, Vec::new());
    for (key, value) in target.url().query_pairs() {
        match key.as_ref() {
            "sslmode" => protection = Protection::parse(&value).ok_or_else(|| malformed(target, "sslmode"))?,
            "sslrootcert" if value == "system" => system = true,
            "sslrootcert" => return Err(malformed(target, "sslrootcert")),
            key if ELSEWHERE.contains(&key) => return Err(malformed(target, key)),
            key if MEANT.contains(&key) => kept.push((key.to_owned(), value.into_owned())),
            _ => {}
        }
    }
    // As libpq has it: the system's authorities mean that the host is looked at too.
    let protection = if system { Protection::VerifyFull } else { protection };
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Ok((protection, url))
}

fn malformed(target: &Target, key: &str) -> ProbeError {
    let rule = match key {
        "sslmode" => "must be disable, allow, prefer, require, verify-ca or verify-full",
        "sslrootcert" => "must be `system`: a file of yours is not here",
        _ => "must not be given beside the address",
    };
    ProbeError::fatal("MALFORMED", format!("{key} of {} {rule}", target.endpoint()))
}

impl Protection {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// As the client is told.
    pub(super) fn mode(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => SslMode::Require,
        }
    }

    /// What was so when it connected; nothing of what only might have been.
    pub(super) fn evidence(self) -> Option<&'static str> {
        match self {
            Self::Disable | Self::Prefer => None,
            Self::Require => Some("the connection was encrypted; its certificate was not judged"),
            Self::VerifyCa => Some("the connection was encrypted, by a certificate of a trusted authority"),
            Self::VerifyFull => {
                Some("the connection was encrypted, by a certificate of a trusted authority for this host")
            }
        }
    }

    /// Who connects so.
    pub(super) fn connector(self, ground: &Ground) -> Result<MakeRustlsConnect, ProbeError> {
        let unfit = |_| ProbeError::retry("PROBE_FAILED", "no certificate can be judged here");
        let provider = Arc::new(ring::default_provider());
        let authorities = match self {
            Self::Disable | Self::Prefer | Self::Require => None,
            Self::VerifyCa | Self::VerifyFull => Some(authorities(ground, provider.clone()).map_err(unfit)?),
        };
        let judge = Judge { protection: self, authorities, provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(Box::new(error)))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

type Unfit = Box<dyn Error + Send + Sync>;

/// The machine's authorities, and those that the platform trusts besides.
fn authorities(ground: &Ground, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Unfit> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for authority in &ground.authorities {
        roots.add(authority.clone())?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build()?)
}

/// Judges a server's certificate as far as the URL asks for it. That the server has its key is always seen to.
#[derive(Debug)]
struct Judge {
    protection: Protection,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(certificate, between, name, ocsp, now) {
            // The name is looked at last: all else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.protection == Protection::VerifyCa => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong with the encryption, if that is what went wrong.
pub(super) fn refused(target: &Target, error: &tokio_postgres::Error) -> Option<ProbeError> {
    // The client's error keeps its kind to itself, but for its words.
    if !error.to_string().starts_with("error performing TLS handshake") {
        return None;
    }
    let endpoint = target.endpoint();
    let inner = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).and_then(io::Error::get_ref);
    Some(match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let why = why_not(why);
            ProbeError::fatal("CERTIFICATE_REFUSED", format!("the certificate of {endpoint} {why}"))
        }
        _ => ProbeError::fatal("TLS_REFUSED", format!("{endpoint} does not agree to an encrypted connection")),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest says nothing to a tenant")]
fn why_not(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "is not for this host",
        CertificateError::UnknownIssuer => "is of an authority that is not trusted",
        _ => "is not one that can be trusted",
    }
}
