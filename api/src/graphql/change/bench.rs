//! Where a mutation is judged: with whose right, in which unit, on what is read on the way. The trap avoided: what is read twice in
//! one attempt and is another thing the second time; the caller's right and each stream are read once, and judged as they were then.

use super::No;
use crate::{
    fault::Fault,
    graphql::context::{Ask as _, Door, authority_of},
    identity::Principal,
    request::RequestInfo,
};
use async_graphql::Context;
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    authorization::Scope,
    claim::{self, Claim},
    envelope::StreamId,
    environment::Environment,
    ids::{CorrelationId, EnvironmentId, WorkspaceId},
    numbers::Version,
    workspace::Workspace,
};
use rhone_eventstore::{Context as Cause, Loaded, Loads, Log as _, Recorded, Unit, dispatcher::fold};
use rhone_projections::authority::members::{self, Member};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// A stream as it was read.
type Events = Arc<Vec<Recorded>>;

/// Where a mutation is judged.
pub(crate) struct Bench<'a> {
    pub(crate) ctx: &'a Context<'a>,
    pub(crate) door: Door,
    pub(crate) principal: &'a Principal,
    pub(super) key: Option<String>,
    pub(super) id: Uuid,
    info: &'a RequestInfo,
    memberships: BTreeMap<WorkspaceId, Member>,
    read: Mutex<HashMap<StreamId, Events>>,
}

impl<'a> Bench<'a> {
    /// For one request.
    pub(super) fn new(ctx: &'a Context<'a>, door: Door, key: Option<String>) -> Self {
        let (principal, info, id) = (ctx.principal(), ctx.info(), ctx.platform().clock.new_id());
        Self { ctx, door, principal, key, id, info, memberships: BTreeMap::new(), read: Mutex::default() }
    }

    /// Begins an attempt: nothing was read yet, and what the caller is to each workspace is asked anew.
    pub(super) async fn begin(&mut self) -> Result<(), Fault> {
        self.lock().clear();
        self.memberships = members::own(self.ctx.session()).await.map_err(Fault::internal)?;
        Ok(())
    }

    /// Whether the caller belongs to a workspace. Who does not must not learn that there is one: the change answers NOT_FOUND.
    pub(crate) fn belongs_to(&self, workspace: WorkspaceId) -> bool {
        self.memberships.contains_key(&workspace)
    }

    /// The id of what is to be created; the same on every attempt.
    pub(crate) fn new_id<T: From<Uuid>>(&self) -> T {
        T::from(self.id)
    }

    /// Begins a unit of work, by the caller's own right in this workspace; that it is still so is asserted. What is changed
    /// is said with `about`, or else the grants must reach all of the workspace.
    pub(crate) fn unit(&self, writer: Writer, workspace: WorkspaceId, correlation: impl Into<CorrelationId>) -> Unit {
        let member = self.memberships.get(&workspace);
        let mut unit = self.door.unit(Cause {
            actor: self.principal.as_actor(),
            writer,
            authority: authority_of(self.principal, workspace, member.map(|member| member.membership.clone())),
            workspace,
            correlation: correlation.into(),
            causation: None,
            idempotency_key: self.key.clone(),
            traceparent: self.info.traceparent.clone(),
            region: None,
            cell: None,
        });
        if let Some(member) = member {
            unit.assert_at(&StreamId::new(Workspace::CATEGORY, workspace), member.version);
        }
        unit
    }

    /// Says what is changed: an environment, and with it its project. To be said before anything is judged.
    pub(crate) async fn about(&self, unit: &mut Unit, environment: EnvironmentId) -> Result<(), No> {
        if let Some(created) = self.load::<Environment>(environment).await?.state.created {
            let environment = Some((environment, created.kind));
            unit.about(Scope { project: Some(created.project), environment });
        }
        Ok(())
    }

    /// The claim on a name. Whose it is, is known only where the caller belongs to whoever has it.
    pub(crate) async fn claim(&self, kind: claim::Kind, scope: Uuid, value: &str) -> Result<Loaded<Claim>, No> {
        Ok(self.door.log().claim(claim::id(kind, scope, value)).await?)
    }

    /// Loads what must exist; what this attempt read before, as it was then.
    pub(crate) async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Result<Loaded<A>, No> {
        let stream = StreamId::new(A::CATEGORY, id);
        let events = match self.kept(&stream) {
            Some(events) => events,
            None => self.keep(stream.clone(), self.door.log().read_stream(&stream, Version(0)).await?),
        };
        Ok(fold(stream, events.iter())?)
    }

    /// What this request creates under its own id: nobody else has that, so there is nothing to be read, and the append holds it to
    /// that.
    pub(crate) fn fresh<A: Aggregate>(&self) -> Loaded<A> {
        let stream = StreamId::new(A::CATEGORY, self.id);
        Loaded { stream, version: Version(0), state: A::default(), last_event: None }
    }

    fn kept(&self, stream: &StreamId) -> Option<Events> {
        self.lock().get(stream).cloned()
    }

    fn keep(&self, stream: StreamId, events: Vec<Recorded>) -> Events {
        let events = Arc::new(events);
        self.lock().insert(stream, Arc::clone(&events));
        events
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Events>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loads for Bench<'_> {
    type Error = No;

    /// Each is read once, also where it is named twice.
    async fn gather(&self, streams: &[StreamId]) -> Result<(), No> {
        let missing: BTreeSet<_> = streams.iter().filter(|stream| self.kept(stream).is_none()).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = missing.into_iter().collect();
        let mut found = self.door.log().read_streams(&missing).await?;
        for stream in missing {
            let events = found.remove(&stream).unwrap_or_default();
            self.keep(stream, events);
        }
        Ok(())
    }

    async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Result<Loaded<A>, No> {
        Bench::load(self, id).await
    }
}
