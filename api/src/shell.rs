//! What the HTTP shell is given: the schema, the authenticator, the settings and the per-request context. Built once by the
//! binary's wiring. The trap avoided: a `DataLoader` in the schema's data is shared by all tenants; the context is built anew
//! for each request, and that closure is the only place where a loader may be born.

use std::{fmt, future::Future, sync::Arc};

use async_graphql::{Data, Executor};
use axum::http::{Extensions, HeaderMap};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    authenticate::{AuthError, Authenticator},
    fault::Fault,
    load::Load,
    rate::{Rates, address_of},
    readiness::Readiness,
    request::{IdSource, RequestInfo},
    settings::Settings,
};

/// Builds one request's context: loaders, the actor's scope, whatever must not outlive the request. Called again for each
/// operation of a WebSocket. The actor and the `RequestInfo` are in the context already.
pub type ContextBuilder<Actor> = Box<dyn Fn(&Actor, &RequestInfo, &mut Data) + Send + Sync>;

/// Everything the handlers need.
pub struct Shell<E, A: Authenticator> {
    /// The schema.
    pub executor: E,
    /// Who calls.
    pub authenticator: A,
    /// The guard's numbers and lists.
    pub settings: Settings,
    /// How much everybody may ask.
    pub rates: Arc<Rates>,
    /// How much is carried out at a time.
    pub load: Arc<Load>,
    /// One request's context.
    pub context: ContextBuilder<A::Actor>,
    /// The process's id source.
    pub ids: IdSource,
    /// What `/readyz` asks.
    pub readiness: Arc<Readiness>,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
}

impl<E: Executor, A: Authenticator> Shell<E, A> {
    /// A fresh context for one operation of this actor.
    pub(crate) fn context_of(&self, actor: &A::Actor, request: &RequestInfo) -> Data {
        let mut data = Data::default();
        data.insert(actor.clone());
        data.insert(request.clone());
        data.insert(self.rates.clone());
        (self.context)(actor, request, &mut data);
        data
    }
}

impl<E, A: Authenticator> Shell<E, A> {
    /// The same request, with where it comes from.
    pub(crate) fn placed(&self, mut info: RequestInfo, headers: &HeaderMap, extensions: &Extensions) -> RequestInfo {
        info.address = address_of(headers, extensions, self.rates.trusted_proxies());
        info
    }

    /// Asks who calls, unless too many bad tokens came from there; another one is counted.
    pub(crate) async fn recognised<T>(
        &self,
        info: &RequestInfo,
        asked: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<Result<T, AuthError>, Fault> {
        self.rates.may_try(info.address)?;
        let found = asked.await;
        if matches!(found, Err(AuthError::Refused)) {
            self.rates.failed(info.address);
        }
        Ok(found)
    }
}

impl<E, A: Authenticator> fmt::Debug for Shell<E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("settings", &self.settings).finish_non_exhaustive()
    }
}
