//! Whether so many allocations of what owns an environment could serve it, by the runtime services that are proven there; shown
//! before the button is pressed. The trap avoided: an answer made of what was declared.

use super::{
    context::Ask as _,
    id,
    runtime_service_binding::{RuntimeService, RuntimeServiceBackend},
};
use crate::fault::Fault;
use async_graphql::{Context, SimpleObject};
use rhone_domain::{
    artifact::Artifact,
    environment,
    ids::{ArtifactId, EnvironmentId},
    route_owner::RouteOwner,
    runtime_service::Needed,
    runtime_service_binding::RuntimeServices,
    scale_readiness::{Readiness, judge},
};
use rhone_eventstore::Loads as _;

/// The decision, with exactly what is missing.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ScaleReadiness {
    /// Whether so many may serve.
    allowed: bool,
    /// What is missing; empty when nothing is.
    missing: Vec<MissingService>,
    /// What is there of what is needed.
    present: Vec<PresentService>,
}

/// A service that is needed and not there.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MissingService {
    service: RuntimeService,
    /// In words.
    reason: String,
}

/// A service that is needed and proven.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct PresentService {
    service: RuntimeService,
    backend: RuntimeServiceBackend,
}

/// Judges on folded streams.
pub(crate) async fn of_environment(
    ctx: &Context<'_>,
    environment: EnvironmentId,
    replicas: u64,
) -> Result<ScaleReadiness, Fault> {
    let loaders = ctx.loaders();
    let (settings, owner, services) = tokio::try_join!(
        loaders.load::<environment::Environment>(environment),
        loaders.load::<RouteOwner>(environment),
        loaders.load::<RuntimeServices>(environment)
    )?;
    let missing = || id::not_found::<EnvironmentId>("id");
    let created = settings.state.created.ok_or_else(missing)?;
    let needed = match owner.state.owner.as_ref() {
        None => Needed::new(),
        Some(owner) => {
            let artifact = loaders.load::<Artifact>(ArtifactId::of(created.workspace, owner.artifact)).await?;
            artifact.state.created.map(|created| created.facts.needs.services).unwrap_or_default()
        }
    };
    let region = owner.state.place().map_or(created.region, |place| place.region);
    Ok(match judge(replicas, &needed, &services.state.standings(region)) {
        Readiness::Allowed(present) => {
            let present = present
                .into_iter()
                .map(|(service, backend)| PresentService { service: service.into(), backend: backend.into() });
            ScaleReadiness { allowed: true, missing: Vec::new(), present: present.collect() }
        }
        Readiness::Blocked(missing) => {
            let missing =
                missing.iter().map(|one| MissingService { service: one.service.into(), reason: one.to_string() });
            ScaleReadiness { allowed: false, missing: missing.collect(), present: Vec::new() }
        }
    })
}
