//! Signing in without being asked anything, as the development user of `rhone up`. The trap avoided: a way in
//! that is only switched off in production. Without a development user there is no route, and `rhone serve` refuses one
//! unless it is exposed to ourselves alone and listens on this machine alone.

use super::{
    SignIn,
    asker::Asker,
    entrance::{asked_for, entered},
    refusal::Refusal,
    return_to::ReturnTo,
};
use crate::fault::{Code, Fault};
use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::Response,
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct Asked {
    return_to: Option<String>,
}

/// `GET /auth/dev/login?return_to=`.
pub(super) async fn log_in(State(sign_in): State<Arc<SignIn>>, asker: Asker, headers: HeaderMap, uri: Uri) -> Response {
    let entered = async {
        ours(&sign_in, &headers)?;
        let link: Asked = asked_for(&uri)?;
        let return_to = ReturnTo::parse(link.return_to.as_deref())?;
        let actor = sign_in.settings.development_user.ok_or_else(Refusal::signed_out)?;
        entered(&sign_in, actor, &asker, &headers, return_to.as_str()).await
    };
    entered.await.unwrap_or_else(|refusal: Refusal| refusal.answer(&headers))
}

/// A foreign page may not send a browser here, and neither may a name that was made to lead to this machine.
fn ours(sign_in: &SignIn, headers: &HeaderMap) -> Result<(), Fault> {
    sign_in.origins.admit(headers)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if sign_in.origins.names(host) {
        return Ok(());
    }
    Err(Fault { field: Some("Host".into()), ..Fault::new(Code::Forbidden, "this host is none of ours") })
}
