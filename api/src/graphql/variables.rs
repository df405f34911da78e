//! Variables and secrets of an environment. Several are set at once or none; values go encrypted into the vault before the
//! event that refers to them, bound to the set they are for. The trap avoided: a value in what is kept of a request; the
//! fingerprint under an idempotency key is made of keyed digests, and no type here prints a value.

mod hidden_text;
mod read;

pub(crate) use hidden_text::HiddenText;
pub(crate) use read::{Values, Variable, VariableDifference, VariableSet, difference, sets, variables};

use super::{
    change::{Bench, Change, Judged, Manner, No, change, natural, payload, refused},
    context::{Ask, begin, belongs_to},
    environment::Environment,
    id,
    listed::{Element, Listed},
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    digest::Digest,
    environment,
    hidden::Hidden,
    ids::{CorrelationId, EnvironmentId},
    numbers::EnvSet,
    variables::{self, Key, Kind, Lane, Variables, Wanted},
};
use rhone_eventstore::vault::Place;
use std::collections::{BTreeMap, BTreeSet};

/// Who may read a value back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "variables::Kind")]
pub(crate) enum VariableKind {
    /// Whoever holds the grant `variables_read` there.
    Plain,
    /// Nobody but the app.
    Secret,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentVariableInput {
    /// A capital letter, then A-Z, 0-9 and _; at most 255 characters, and none that the platform sets.
    key: String,
    /// At most 32768 bytes; it stands in no log and no event.
    value: HiddenText,
    /// SECRET unless said otherwise: then no answer ever shows it.
    kind: Option<VariableKind>,
}

impl Element for EnvironmentVariableInput {
    const FIELD: &'static str = "variables";
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentVariablesSetInput {
    environment_id: ID,
    /// All of them or none.
    variables: Listed<EnvironmentVariableInput>,
    /// The set this was decided on; captured once, at acceptance, when omitted.
    expected_set: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentVariableUnsetInput {
    environment_id: ID,
    /// Which.
    key: String,
    /// The set this was decided on; captured once, at acceptance, when omitted.
    expected_set: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentVariablesSet and environmentVariableUnset.
    EnvironmentVariablesPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct VariablesMutation;

#[Object]
impl VariablesMutation {
    /// Makes the environment's next set, with these variables new or changed. What runs keeps its own set.
    async fn environment_variables_set(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentVariablesSetInput,
    ) -> async_graphql::Result<EnvironmentVariablesPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let lane = lane(ctx, &input.environment_id).await?;
        let wishes = wishes(ctx, lane, input.variables.0).await?;
        let expected = natural("expectedSet", input.expected_set)?.map(EnvSet);
        let keeping = if manner.dry_run { Keeping::Nothing } else { Keeping::Values };
        let alter = Alter { name: "environmentVariablesSet", lane, expected, wishes, unset: BTreeSet::new(), keeping };
        Ok(EnvironmentVariablesPayload(change(ctx, manner, alter).await?))
    }

    /// Makes the environment's next set, without this variable.
    async fn environment_variable_unset(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentVariableUnsetInput,
    ) -> async_graphql::Result<EnvironmentVariablesPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let lane = lane(ctx, &input.environment_id).await?;
        let unset = [key("key", &input.key)?].into();
        let expected = natural("expectedSet", input.expected_set)?.map(EnvSet);
        let name = "environmentVariableUnset";
        let alter = Alter { name, lane, expected, wishes: BTreeMap::new(), unset, keeping: Keeping::Nothing };
        Ok(EnvironmentVariablesPayload(change(ctx, manner, alter).await?))
    }
}

/// A value on its way into the vault.
#[derive(Debug)]
struct Wish {
    kind: Kind,
    digest: Digest,
    value: Hidden,
}

/// Whether values are put into the vault: on a dry run none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    Values,
    Nothing,
}

#[derive(Debug)]
struct Alter {
    name: &'static str,
    lane: Lane,
    expected: Option<EnvSet>,
    wishes: BTreeMap<Key, Wish>,
    unset: BTreeSet<Key>,
    keeping: Keeping,
}

impl Change for Alter {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Keyed digests only: a plain one of a short secret could be guessed from the log's table of requests.
    fn fingerprint(&self) -> String {
        let set: Vec<_> = self.wishes.iter().map(|(key, wish)| (key, wish.kind, wish.digest)).collect();
        format!("{:?} {:?} {set:?} {:?}", self.lane, self.expected, self.unset)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let environment = self.lane.environment;
        let mut loaded = bench.load::<Variables>(environment).await?;
        let next = loaded.state.current.next();
        let correlation: CorrelationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, self.lane.workspace, correlation);
        bench.about(&mut unit, environment).await?;
        let command = variables::Command::Change {
            lane: self.lane,
            expected: self.expected,
            sealed_for: next,
            set: self.wishes.iter().map(|(key, wish)| (key.clone(), wanted(bench, wish))).collect(),
            unset: self.unset.clone(),
            at: unit.now(),
        };
        let target = loaded.stream.clone();
        let decided = unit.decide(&mut loaded, command);
        let events = decided.map_err(|rejection| {
            refused(&rejection, target, self.lane.workspace).concerning(self.lane.app, Some(environment))
        })?;
        if self.keeping == Keeping::Values {
            self.keep(bench, &events).await?;
        }
        Ok(Judged { unit, object: environment.0, operation: None, decided_on: None })
    }
}

impl Alter {
    /// Puts what the events refer to into the vault. If the append fails afterwards, nothing refers to it and nobody reads it.
    async fn keep(&self, bench: &Bench<'_>, events: &[variables::Event]) -> Result<(), Fault> {
        let mut transaction = begin(bench.ctx).await?;
        for variables::Event::Changed { set, to, .. } in events {
            for (key, entry) in set {
                let Some(wish) = self.wishes.get(key) else { continue };
                let place = place(self.lane, key, *to);
                let vault = &bench.ctx.platform().vault;
                vault.seal(&mut transaction, entry.value, &place, &wish.value).await.map_err(Fault::internal)?;
            }
        }
        transaction.commit().await.map_err(Fault::internal)
    }
}

fn wanted(bench: &Bench<'_>, wish: &Wish) -> Wanted {
    let value = bench.ctx.platform().clock.new_id();
    Wanted { kind: wish.kind, digest: wish.digest, value, bytes: wish.value.expose().len() }
}

/// Where a value belongs.
fn place(lane: Lane, key: &Key, set: EnvSet) -> Place {
    let Lane { workspace, app, environment } = lane;
    Place { workspace, app, environment: Some(environment), name: key.to_string(), set }
}

/// Whose variables, if the caller may ask.
async fn lane(ctx: &Context<'_>, environment_id: &ID) -> Result<Lane, Fault> {
    let id: EnvironmentId = id::read("environmentId", environment_id)?;
    let missing = || id::not_found::<EnvironmentId>("environmentId");
    let door = super::context::door(ctx.platform(), ctx.principal());
    let loaded = door.load::<environment::Environment>(id).await.map_err(Fault::internal)?;
    let created = loaded.state.created.ok_or_else(missing)?;
    if !belongs_to(ctx, created.workspace).await? {
        return Err(missing());
    }
    Ok(Lane { workspace: created.workspace, app: created.app, environment: id })
}

/// What is wished for, by key, each with its keyed digest.
async fn wishes(
    ctx: &Context<'_>,
    lane: Lane,
    variables: Vec<EnvironmentVariableInput>,
) -> Result<BTreeMap<Key, Wish>, Fault> {
    let mut read = BTreeMap::new();
    for (at, variable) in variables.into_iter().enumerate() {
        let key = key(&format!("variables[{at}].key"), &variable.key)?;
        let value = variable.value.into_hidden();
        if value.expose().contains('\0') {
            let rule = format!("{key}: must not hold a NUL, which no environment can");
            return Err(Fault::bad_input(format!("variables[{at}].value"), rule));
        }
        let kind = variable.kind.map_or(Kind::Secret, Kind::from);
        if read.insert(key.clone(), (kind, value)).is_some() {
            return Err(Fault::bad_input(format!("variables[{at}].key"), format!("{key} is given twice")));
        }
    }
    let mut transaction = begin(ctx).await?;
    let vault = &ctx.platform().vault;
    let digester = vault.digester(&mut transaction, lane.workspace, lane.app).await.map_err(Fault::internal)?;
    transaction.commit().await.map_err(Fault::internal)?;
    let wish = |(key, (kind, value)): (Key, (Kind, Hidden))| {
        let digest = digester.of(lane.environment, key.as_str(), &value);
        (key, Wish { kind, digest, value })
    };
    Ok(read.into_iter().map(wish).collect())
}

fn key(field: &str, text: &str) -> Result<Key, Fault> {
    Key::parse(field, text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}
