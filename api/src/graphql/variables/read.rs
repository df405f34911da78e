//! What may be known of an environment's variables: keys, kinds, digests, when; values only of plain ones, and
//! only to who holds the grant. Read from the folded stream, so never stale. The trap avoided: a secret's value in an answer,
//! for whoever asks nicely.

use super::{VariableKind, place};
use crate::{
    fault::Fault,
    graphql::{affordance::Caller, context::Ask as _, id},
};
use async_graphql::{Context, ID, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use rhone_domain::{
    authorization::Grant,
    environment,
    hidden::Hidden,
    ids::{DeploymentId, EnvironmentId, ValueId},
    numbers::EnvSet,
    route_owner::RouteOwner,
    variables::{self, Entry, Key, Kind, Variables, pinned},
};
use rhone_eventstore::vault::{Place, Vault, VaultError};
use rhone_projections::session::Session;
use std::{collections::HashMap, sync::Arc};

/// One variable of a set.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Variable {
    key: String,
    kind: VariableKind,
    /// 12 digits of a keyed digest: the same value of the same key has the same one.
    digest: String,
    /// The set in which it got this value.
    set: u64,
    /// When that was.
    updated_at: Option<DateTime<Utc>>,
    /// Of plain variables only, to who holds the grant `variables_read` there; null for a secret, for ever.
    value: Option<String>,
}

/// One set of variables.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct VariableSet {
    /// Its number; it never changes again.
    set: u64,
    created_at: DateTime<Utc>,
    /// Its keys, in order.
    keys: Vec<String>,
    /// Whether it is the newest one, with which the next deployments run.
    current: bool,
}

/// A key that differs.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct VariableChange {
    key: String,
    /// 12 digits of the keyed digest in the newest set; null where it has none.
    current_digest: Option<String>,
    /// 12 digits of the keyed digest in the deployment's own set; null where it has none.
    deployment_digest: Option<String>,
}

/// What changes for an environment's app when it runs with a deployment's own set in place of the newest one.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct VariableDifference {
    /// The newest set.
    current_set: u64,
    /// The deployment's own set: the one it first owned the traffic with; the newest one if it never did.
    deployment_set: u64,
    /// Only in the deployment's own set.
    added: Vec<VariableChange>,
    /// Only in the newest one.
    removed: Vec<VariableChange>,
    /// In both, with another value or kind.
    changed: Vec<VariableChange>,
}

/// Plain values, gathered over one request.
pub(crate) struct Values(pub(crate) Session, pub(crate) Vault);

/// Which value, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept(ValueId, Place);

impl Loader<Kept> for Values {
    type Value = Arc<Hidden>;
    type Error = Arc<VaultError>;

    async fn load(&self, wanted: &[Kept]) -> Result<HashMap<Kept, Arc<Hidden>>, Arc<VaultError>> {
        let mut transaction = self.0.begin().await.map_err(|error| Arc::new(error.into()))?;
        let places: Vec<_> = wanted.iter().map(|Kept(value, place)| (*value, place)).collect();
        let opened = self.1.open_many(&mut transaction, &places).await.map_err(Arc::new)?;
        Ok(wanted.iter().cloned().zip(opened.into_iter().map(Arc::new)).collect())
    }
}

async fn folded(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Variables, Fault> {
    ctx.loaders().folded(environment).await
}

/// The variables of one set; the newest one when none is named. Keys and digests are for whoever may read the environment.
pub(crate) async fn variables(
    ctx: &Context<'_>,
    of: &environment::Created,
    set: Option<u64>,
) -> Result<Vec<Variable>, Fault> {
    let state = folded(ctx, of.id).await?;
    let set = set.map_or(state.current, EnvSet);
    let held = state.at(set).ok_or_else(|| Fault::bad_input("set", "must be the number of a set that was made"))?;
    let mut shown: Vec<Variable> = held.iter().map(|(key, entry)| shown(&state, key, *entry)).collect();
    let asked = ctx.look_ahead().field("value").exists();
    if asked && Caller::in_environment(ctx, of).await?.holds(Grant::VariablesRead) {
        let Some(lane) = state.lane else { return Ok(shown) };
        let kept = |(key, entry): (&Key, &Entry)| Kept(entry.value, place(lane, key, entry.sealed_in));
        let plain = held.iter().filter(|(_, entry)| entry.kind == Kind::Plain).map(kept);
        let opened = ctx.loaders().values.load_many(plain).await.map_err(Fault::internal)?;
        for (variable, of) in shown.iter_mut().zip(&held) {
            variable.value = opened.get(&kept(of)).map(|value| value.expose().to_owned());
        }
    }
    Ok(shown)
}

fn shown(state: &Variables, key: &Key, entry: Entry) -> Variable {
    Variable {
        key: key.to_string(),
        kind: entry.kind.into(),
        digest: short(&entry),
        set: entry.sealed_in.0,
        updated_at: state.made.get(&entry.sealed_in).copied(),
        value: None,
    }
}

/// Every set that was made, the newest first.
pub(crate) async fn sets(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Vec<VariableSet>, Fault> {
    let state = folded(ctx, environment).await?;
    let one = |(set, created_at): (&EnvSet, &DateTime<Utc>)| VariableSet {
        set: set.0,
        created_at: *created_at,
        keys: state.at(*set).unwrap_or_default().keys().map(ToString::to_string).collect(),
        current: *set == state.current,
    };
    Ok(state.made.iter().rev().take(SHOWN).map(one).collect())
}

/// So many sets are shown at most.
const SHOWN: usize = 100;

/// What differs between the newest set and the one that a deployment would run with here.
pub(crate) async fn difference(
    ctx: &Context<'_>,
    environment: EnvironmentId,
    deployment: &ID,
) -> Result<VariableDifference, Fault> {
    let deployment: DeploymentId = id::read("deploymentId", deployment)?;
    let state = folded(ctx, environment).await?;
    let owner = ctx.loaders().folded::<RouteOwner>(environment).await?;
    Ok(VariableDifference::of(&state, &owner, deployment))
}

impl VariableDifference {
    /// By the route's former owners and the environment's sets.
    pub(crate) fn of(state: &Variables, owner: &RouteOwner, deployment: DeploymentId) -> Self {
        let own = pinned(owner, deployment, state.current);
        let told = variables::difference(&state.now(), &state.at(own).unwrap_or_default());
        let change = |key: &Key, current: Option<&Entry>, deployment: Option<&Entry>| VariableChange {
            key: key.to_string(),
            current_digest: current.map(short),
            deployment_digest: deployment.map(short),
        };
        Self {
            current_set: state.current.0,
            deployment_set: own.0,
            added: told.added.iter().map(|(key, entry)| change(key, None, Some(entry))).collect(),
            removed: told.removed.iter().map(|(key, entry)| change(key, Some(entry), None)).collect(),
            changed: told.changed.iter().map(|(key, both)| change(key, Some(&both.from), Some(&both.to))).collect(),
        }
    }
}

fn short(entry: &Entry) -> String {
    entry.digest.hex().chars().take(12).collect()
}
