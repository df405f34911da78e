//! `rhone replay`: any aggregate by its stream's name, as it is or was, folded by the same code that decides; and the
//! difference of two moments. Reads only.

use crate::{
    args::ReplayArgs,
    config::{Database, required, section},
    data::Data,
    output::line,
};
use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::Aggregate, allocation::Allocation, app::App, artifact::Artifact, cell::Cell, claim::Claim,
    deployment::Deployment, envelope::StreamId, environment::Environment, host::Host, migrations::Migrations,
    numbers::Version, operation::Operation, project::Project, refusal::Refusals, region::Region,
    route_owner::RouteOwner, variables::Variables, workspace::Workspace,
};
use rhone_eventstore::{AsOf, Clock, Dispatcher, NoInline, PgLog, postgres::connect};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Door = Dispatcher<PgLog, NoInline>;

/// An aggregate at one moment.
#[derive(Debug, Serialize)]
struct Moment {
    stream: StreamId,
    version: Version,
    state: Value,
}

/// `rhone replay`.
pub(crate) async fn run(data: &Data, asked: &ReplayArgs) -> Result<()> {
    let stream: StreamId = asked.stream.parse()?;
    let database: Database = section(data, "database")?;
    let url = required("database.worker_url", database.worker_url.as_ref())?;
    let pool = connect(url, "rhone replay", 1).await.context("connecting to the database")?;
    let door = Dispatcher::new(PgLog::new(pool), Clock::system(), NoInline);
    let Some([from, to]) = asked.diff.as_deref() else {
        let moment = at(&door, &stream, as_of(asked.at.as_deref())?).await?;
        if !asked.json {
            line(format_args!("{} at version {}", moment.stream, moment.version));
            line(serde_json::to_string_pretty(&moment.state)?);
            return Ok(());
        }
        line(serde_json::to_string(&moment)?);
        return Ok(());
    };
    let from = at(&door, &stream, as_of(Some(from))?).await?;
    let to = at(&door, &stream, as_of(Some(to))?).await?;
    let changes = changes(&from.state, &to.state);
    if asked.json {
        line(json!({ "stream": stream, "from": from.version, "to": to.version, "changes": changes }));
    } else {
        line(format_args!("{stream} from version {} to {}", from.version, to.version));
        for Change { path, before, after } in &changes {
            line(format_args!("{path}: {} -> {}", shown(before.as_ref()), shown(after.as_ref())));
        }
    }
    Ok(())
}

fn as_of(text: Option<&str>) -> Result<AsOf> {
    let Some(text) = text else { return Ok(AsOf::Latest) };
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(Version(version)));
    }
    let time = DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("`{text}` is neither a version nor a time such as 2026-11-20T12:00:00Z"))?;
    Ok(AsOf::Time(time.with_timezone(&Utc)))
}

async fn at(door: &Door, stream: &StreamId, as_of: AsOf) -> Result<Moment> {
    match stream.category() {
        Allocation::CATEGORY => fold::<Allocation>(door, stream, as_of).await,
        App::CATEGORY => fold::<App>(door, stream, as_of).await,
        Artifact::CATEGORY => fold::<Artifact>(door, stream, as_of).await,
        Cell::CATEGORY => fold::<Cell>(door, stream, as_of).await,
        Claim::CATEGORY => fold::<Claim>(door, stream, as_of).await,
        Deployment::CATEGORY => fold::<Deployment>(door, stream, as_of).await,
        Environment::CATEGORY => fold::<Environment>(door, stream, as_of).await,
        Host::CATEGORY => fold::<Host>(door, stream, as_of).await,
        Migrations::CATEGORY => fold::<Migrations>(door, stream, as_of).await,
        Operation::CATEGORY => fold::<Operation>(door, stream, as_of).await,
        Project::CATEGORY => fold::<Project>(door, stream, as_of).await,
        Refusals::CATEGORY => fold::<Refusals>(door, stream, as_of).await,
        Region::CATEGORY => fold::<Region>(door, stream, as_of).await,
        Variables::CATEGORY => fold::<Variables>(door, stream, as_of).await,
        RouteOwner::CATEGORY => fold::<RouteOwner>(door, stream, as_of).await,
        Workspace::CATEGORY => fold::<Workspace>(door, stream, as_of).await,
        other => bail!("there is no category `{other}`"),
    }
}

async fn fold<A: Aggregate + Serialize>(door: &Door, stream: &StreamId, as_of: AsOf) -> Result<Moment> {
    let loaded = door.load_at::<A>(stream.id(), as_of).await?;
    if !loaded.exists() {
        bail!("{stream} has no event by then");
    }
    let state = serde_json::to_value(&loaded.state).context("an aggregate's state is JSON")?;
    Ok(Moment { stream: loaded.stream, version: loaded.version, state })
}

/// One place that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Every leaf that is not the same in both, in the order of their paths.
fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    leaves(String::new(), before, &mut old);
    leaves(String::new(), after, &mut new);
    let paths: std::collections::BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    paths
        .into_iter()
        .map(|path| Change { before: old.remove(&path), after: new.remove(&path), path })
        .filter(|change| change.before != change.after)
        .collect()
}

fn leaves(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| leaves(below(name), value, found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, item)| leaves(below(&index.to_string()), item, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            found.insert(path, value.clone());
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    //! Moments and differences.
    use super::*;

    #[test]
    fn a_moment_is_a_version_or_a_time() {
        assert_eq!(as_of(Some("7")).expect("a version"), AsOf::Version(Version(7)));
        assert!(matches!(as_of(Some("2026-11-20T12:00:00+01:00")), Ok(AsOf::Time(_))));
        assert_eq!(as_of(None).expect("now"), AsOf::Latest);
        assert!(as_of(Some("yesterday")).is_err());
    }

    #[test]
    fn a_difference_names_every_leaf_that_changed() {
        let before = json!({ "epoch": 1, "owner": { "deployment": "blue" }, "pins": [] });
        let after = json!({ "epoch": 2, "owner": { "deployment": "blue", "since": 5 }, "pins": ["a"] });
        let changed: Vec<String> = changes(&before, &after)
            .into_iter()
            .map(|c| format!("{}: {} -> {}", c.path, shown(c.before.as_ref()), shown(c.after.as_ref())))
            .collect();
        let expected =
            ["epoch: 1 -> 2", "owner.since: (absent) -> 5", "pins: [] -> (absent)", "pins.0: (absent) -> \"a\""];
        assert_eq!(changed, expected);
    }
}
