//! The credential that the deploy's app holds for the host of its source: asked of the app's own stream, never of a read model
//! that may be late, and opened from the vault for this one attempt. The trap avoided: a removed credential that is used on.

use crate::process::{AdvanceError, Drive};
use rhone_domain::{
    app::App,
    deploy::{self, Deploy, Origin},
    operation::Failure,
    source_credential::{SignIn, SourceHost, vault_name},
};
use rhone_eventstore::vault::{Place, VaultError};

/// The credential for exactly the host that the source is on, if the app holds one; a failure when it can never be opened.
pub(super) async fn of(drive: &Drive<'_>, deploy: &Deploy) -> Result<Result<Option<SignIn>, Failure>, AdvanceError> {
    let host = match &deploy.origin {
        Origin::Git { repository, .. } => SourceHost::of_repository(repository.as_str()),
        Origin::Image { name, .. } => SourceHost::of_image(name),
    };
    let app = drive.door.load::<App>(deploy.app).await?.state;
    let Some(held) = host.and_then(|host| app.source_credentials.get(&host).cloned()) else { return Ok(Ok(None)) };
    let place = Place {
        workspace: drive.requested.workspace,
        app: deploy.app,
        environment: None,
        name: vault_name(&held.host),
        set: held.generation,
    };
    let mut connection = drive.config.pool.acquire().await?;
    match drive.config.vault.open(&mut connection, held.value, &place).await {
        Ok(secret) => Ok(Ok(Some(SignIn { host: held.host, username: held.username, secret }))),
        Err(error) if is_lost(&error) => {
            tracing::error!(error = &error as &dyn std::error::Error, app.id = %deploy.app, "a source credential is lost");
            let host = held.host;
            let message =
                format!("the app's credential for {host} is not whole: `rhone credential set {host}` replaces it");
            Ok(Err(deploy::failed("CREDENTIAL_LOST", message)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether trying again is of no use.
fn is_lost(error: &VaultError) -> bool {
    match error {
        VaultError::Missing { .. } | VaultError::NotAuthentic(_) | VaultError::KeyNotAuthentic(_) => true,
        VaultError::UnknownKek(_) | VaultError::Keys(_) | VaultError::Unavailable(_) => false,
    }
}
