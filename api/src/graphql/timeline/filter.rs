//! Which lines of a timeline are asked for, in the words of clients: one filter for every timeline and for its export. Each
//! word is checked by name. Trap: a filter that quietly means nothing because a type of event was spelled wrong.

use crate::{
    fault::Fault,
    graphql::{
        id,
        time::{self, Time},
    },
};
use async_graphql::{Enum, ID, InputObject};
use rhone_domain::{
    catalogue,
    envelope::StreamId,
    history::OF_AN_ENVIRONMENT,
    ids::{
        AllocationId, AppId, ArtifactId, CellId, DeploymentId, EnvironmentId, HostId, OperationId, ProjectId, RegionId,
        WorkspaceId,
    },
};
use rhone_projections::timeline::Filter;
use uuid::Uuid;

/// What kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum TimelineKind {
    /// Something happened.
    Event,
    /// Somebody did not get what they asked for.
    Refusal,
    /// A report that came too late to change anything.
    LateEvidence,
}

const REFUSAL: &str = "refusal.recorded";
const LATE: &str = "operation.late_report_recorded";

impl TimelineKind {
    pub(crate) fn of(event_type: &str) -> Self {
        match event_type {
            REFUSAL => Self::Refusal,
            LATE => Self::LateEvidence,
            _ => Self::Event,
        }
    }
}

/// Which lines: those for which all of it holds.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct TimelineFilter {
    /// Of one project.
    pub(crate) project_id: Option<ID>,
    /// Of one app.
    pub(crate) app_id: Option<ID>,
    /// Of one environment.
    pub(crate) environment_id: Option<ID>,
    /// Of one thing, by its id or as `category:uuid`; an environment's id means its route, variables and bindings too.
    pub(crate) object_id: Option<ID>,
    /// Of one operation.
    pub(crate) operation_id: Option<ID>,
    /// Of one cause, as lines show it.
    pub(crate) correlation: Option<String>,
    /// Of one actor, as lines show it.
    pub(crate) actor: Option<String>,
    /// Of these types, such as `route_owner.promoted`, or `route_owner.*`; at most 50.
    pub(crate) types: Option<Vec<String>>,
    /// Of one kind.
    pub(crate) kind: Option<TimelineKind>,
    /// What the log received then or later.
    pub(crate) since: Option<Time>,
    /// What it received before.
    pub(crate) until: Option<Time>,
}

impl TimelineFilter {
    /// Within a place that was chosen already, which it cannot leave.
    pub(crate) fn within(self, base: &Filter) -> Result<Filter, Fault> {
        let app = self.app_id.as_ref().map(|id| id::read::<AppId>("appId", id)).transpose()?;
        let project = self.project_id.as_ref().map(|id| id::read::<ProjectId>("projectId", id)).transpose()?;
        let environment =
            self.environment_id.as_ref().map(|id| id::read::<EnvironmentId>("environmentId", id)).transpose()?;
        let operation = self.operation_id.as_ref().map(|id| id::read::<OperationId>("operationId", id)).transpose()?;
        let correlation = self.correlation.as_deref().map(|text| uuid("correlation", text)).transpose()?;
        let (since, until) = (time::read("since", self.since)?, time::read("until", self.until)?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(Fault::bad_input("until", "must be later than since"));
        }
        Ok(Filter {
            workspace: base.workspace,
            project: one("projectId", base.project, project)?,
            app: one("appId", base.app, app)?,
            environment: one("environmentId", base.environment, environment)?,
            correlation: one("correlation", base.correlation.or(operation.map(|id| id.0)), correlation)?,
            actor: self.actor.as_deref().map(|text| uuid("actor", text)).transpose()?,
            streams: self.object_id.as_ref().map(|id| streams_of("objectId", id)).transpose()?.unwrap_or_default(),
            types: types(self.types, self.kind)?,
            since,
            until,
            as_of: base.as_of,
        })
    }
}

/// An id without a prefix.
pub(crate) fn uuid(field: &'static str, text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text).map_err(|_| Fault::bad_input(field, "must be an id as a line of a timeline shows it"))
}

/// What is asked for twice must be the same.
fn one<T: PartialEq>(field: &'static str, base: Option<T>, asked: Option<T>) -> Result<Option<T>, Fault> {
    match (base, asked) {
        (Some(base), Some(asked)) if base != asked => {
            Err(Fault::bad_input(field, "must be the one that is asked for already, or left out"))
        }
        (base, asked) => Ok(base.or(asked)),
    }
}

fn types(types: Option<Vec<String>>, kind: Option<TimelineKind>) -> Result<Vec<String>, Fault> {
    let mut asked = types.unwrap_or_default();
    if asked.len() > 50 {
        return Err(Fault::bad_input("types", "must be at most 50"));
    }
    let known = catalogue::events();
    for one in &mut asked {
        let noun = one.strip_suffix(".*").map(str::to_owned);
        let is_known = match &noun {
            Some(noun) => known.iter().any(|(category, _, _)| category == noun),
            None => known.iter().any(|(_, name, _)| name == one),
        };
        if !is_known {
            return Err(Fault::bad_input(
                "types",
                "must be types of events such as `route_owner.promoted`, or `route_owner.*`",
            ));
        }
        if let Some(noun) = noun {
            *one = format!("{noun}.");
        }
    }
    match kind {
        None => Ok(asked),
        Some(_) if !asked.is_empty() => Err(Fault::bad_input("kind", "must not be given together with types")),
        Some(TimelineKind::Refusal) => Ok(vec![REFUSAL.to_owned()]),
        Some(TimelineKind::LateEvidence) => Ok(vec![LATE.to_owned()]),
        Some(TimelineKind::Event) => {
            let usual = known.iter().map(|(_, name, _)| *name).filter(|name| ![REFUSAL, LATE].contains(name));
            Ok(usual.map(str::to_owned).collect())
        }
    }
}

/// The streams of a thing, by its id or by a stream's own name.
pub(crate) fn streams_of(field: &'static str, id: &ID) -> Result<Vec<StreamId>, Fault> {
    if let Ok(stream) = id.parse::<StreamId>() {
        let known = catalogue::nouns().iter().any(|noun| noun.category == stream.category());
        return if known {
            Ok(vec![stream])
        } else {
            Err(Fault::bad_input(field, "must be of a category that there is"))
        };
    }
    let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
    let of = |category: &str, uuid: Uuid| vec![StreamId::new(category, uuid)];
    Ok(match prefix {
        "ws" => of("workspace", id::read::<WorkspaceId>(field, id)?.0),
        "prj" => of("project", id::read::<ProjectId>(field, id)?.0),
        "app" => of("app", id::read::<AppId>(field, id)?.0),
        "dep" => of("deployment", id::read::<DeploymentId>(field, id)?.0),
        "art" => of("artifact", id::read::<ArtifactId>(field, id)?.0),
        "alc" => of("allocation", id::read::<AllocationId>(field, id)?.0),
        "op" => of("operation", id::read::<OperationId>(field, id)?.0),
        "reg" => of("region", id::read::<RegionId>(field, id)?.0),
        "cell" => of("cell", id::read::<CellId>(field, id)?.0),
        "host" => of("host", id::read::<HostId>(field, id)?.0),
        "env" => {
            let id = id::read::<EnvironmentId>(field, id)?;
            OF_AN_ENVIRONMENT.iter().map(|category| StreamId::new(category, id.0)).collect()
        }
        _ => return Err(Fault::bad_input(field, "must be an id as an earlier answer gave it, or `category:uuid`")),
    })
}

#[cfg(test)]
mod tests {
    //! Words are read, or refused by the name of their field.
    use super::*;
    use chrono::{DateTime, Utc};

    fn refused(filter: TimelineFilter) -> String {
        let fault = filter.within(&Filter::default()).expect_err("refused");
        fault.field.expect("a field").into_owned()
    }

    #[test]
    fn a_type_is_one_that_there_is_or_all_of_a_noun() {
        let filter = |types: &[&str]| TimelineFilter {
            types: Some(types.iter().map(|one| (*one).to_owned()).collect()),
            ..TimelineFilter::default()
        };
        let read = filter(&["route_owner.*", "app.created"]).within(&Filter::default()).expect("both are known");
        assert_eq!(read.types, ["route_owner.", "app.created"]);
        for wrong in ["route_owner.promote", "nothing.*", "*", "", "route_owner"] {
            assert_eq!(refused(filter(&[wrong])), "types", "{wrong}");
        }
    }

    #[test]
    fn an_environments_id_means_all_of_its_streams_and_a_stream_itself() {
        let environment = ID(format!("env_{}", "0".repeat(31) + "7"));
        let streams = streams_of("objectId", &environment).expect("an environment");
        assert_eq!(streams.len(), 6);
        assert!(streams.iter().all(|stream| stream.id() == Uuid::from_u128(7)));
        let stream = "refusal:00000000-0000-0000-0000-000000000007";
        assert_eq!(streams_of("objectId", &ID(stream.into())).expect("a stream")[0].as_str(), stream);
        for wrong in ["nothing:00000000-0000-0000-0000-000000000007", "env_7", "x", ""] {
            assert!(streams_of("objectId", &ID(wrong.into())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let filter = TimelineFilter::default;
        assert_eq!(refused(TimelineFilter { actor: Some("ada".into()), ..filter() }), "actor");
        assert_eq!(refused(TimelineFilter { since: Some(now.into()), until: Some(now.into()), ..filter() }), "until");
        let both =
            TimelineFilter { kind: Some(TimelineKind::Refusal), types: Some(vec!["app.created".into()]), ..filter() };
        assert_eq!(refused(both), "kind");
        let other = TimelineFilter { app_id: Some(id::show(AppId(Uuid::from_u128(8)))), ..filter() };
        let base = Filter { app: Some(AppId(Uuid::from_u128(7))), ..Filter::default() };
        assert_eq!(other.within(&base).expect_err("another app").field.as_deref(), Some("appId"));
    }
}
