//! NATS: connects, subscribes to an inbox of its own, publishes to it and waits for the message. Its identity is the address
//! it is reached by: a server's own name changes with every start. The trap avoided: a connection taken for a delivery.

use super::{Ground, Probe, ProbeError, Proven, Target};
use async_nats::{ConnectErrorKind, ConnectOptions};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use std::time::Duration;

pub(super) struct Nats;

impl Probe for Nats {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(target, ground).boxed()
    }
}

async fn probe(target: &Target, ground: &Ground) -> Result<Proven, ProbeError> {
    let address = ground.reach.resolve(target).await?;
    let (user, password) = (target.url().username(), target.url().password());
    let options =
        ConnectOptions::new().connection_timeout(Duration::from_secs(3)).name("rhone probe").max_reconnects(1);
    let options = match (user, password) {
        ("", _) => options,
        (token, None) => options.token(token.to_owned()),
        (user, Some(password)) => options.user_and_password(user.to_owned(), password.to_owned()),
    };
    let client = options.connect(address.to_string()).await.map_err(|error| match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ProbeError::fatal("CREDENTIAL_REFUSED", format!("{} refuses the credential", target.endpoint()))
        }
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => ProbeError::unreachable(target),
    })?;
    let failed = |what: &str| ProbeError::retry("PROBE_FAILED", format!("{}: {what}", target.endpoint()));
    let inbox = client.new_inbox();
    let mut messages = client.subscribe(inbox.clone()).await.map_err(|_| failed("no subscription"))?;
    client.publish(inbox, "rhone".into()).await.map_err(|_| failed("nothing could be published"))?;
    client.flush().await.map_err(|_| failed("nothing could be published"))?;
    let message = messages.next().await.ok_or_else(|| failed("the message did not arrive"))?;
    if message.payload.as_ref() != b"rhone" {
        return Err(ProbeError::fatal("WRONG_ANSWER", "what arrived was not what was published"));
    }
    let version = client.server_info().version;
    let identity = target.place().map(|(host, port)| format!("nats:{host}:{port}"));
    let evidence = vec![format!("nats-server {version} answered"), "a message was published and received".to_owned()];
    Ok(Proven { identity, evidence })
}
