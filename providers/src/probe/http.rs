//! HTTP: asks for the address once, follows nothing. Its identity is the origin. The trap avoided: a redirect that leads
//! inward; it is an answer, and is not followed.

use super::{Ground, Probe, ProbeError, Proven, Target};
use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{Certificate, Client, StatusCode, redirect::Policy};
use std::net::SocketAddr;

pub(super) struct Http;

impl Probe for Http {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(target, ground).boxed()
    }
}

async fn probe(target: &Target, ground: &Ground) -> Result<Proven, ProbeError> {
    let address = ground.reach.resolve(target).await?;
    let client = client(target, address, ground)?;
    let answer = client.get(target.url().clone()).send().await.map_err(|_| ProbeError::unreachable(target))?;
    let (status, endpoint) = (answer.status(), target.endpoint());
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(ProbeError::fatal("CREDENTIAL_REFUSED", format!("{endpoint} refuses the credential: {status}")));
    }
    if status.is_server_error() {
        return Err(ProbeError::retry("PROBE_FAILED", format!("{endpoint} answered {status}")));
    }
    if status.is_client_error() {
        return Err(ProbeError::fatal("PROBE_FAILED", format!("{endpoint} answered {status}")));
    }
    let identity = Some(format!("http:{}", target.url().origin().ascii_serialization()));
    Ok(Proven { identity, evidence: vec![format!("GET was answered with {status}")] })
}

/// Who asks a target at the address that was judged: no redirect is followed, no proxy asked, and the platform's authorities
/// are trusted besides the machine's.
pub(super) fn client(target: &Target, address: SocketAddr, ground: &Ground) -> Result<Client, ProbeError> {
    let unfit = |_| ProbeError::retry("PROBE_FAILED", "no client could be made");
    let (host, _) = target.place().unwrap_or_default();
    // It fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = ground.authorities.iter().map(|authority| Certificate::from_der(authority));
    let authorities = authorities.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
    let client = Client::builder().redirect(Policy::none()).no_proxy().resolve(host, address);
    client.tls_certs_merge(authorities).build().map_err(unfit)
}
