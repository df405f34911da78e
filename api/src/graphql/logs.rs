//! Logs: lines that builds and apps printed, in pages and followed. They are diagnostic: nothing here tells how anything stands. The
//! trap avoided: a filter that leaves the thing whose logs are asked for; what is asked for twice must be the same.

use super::{
    connection::{Cursor, Pages},
    context::{Ask, belongs_to},
    id,
    lists::NewestChunk,
    live::{CaughtUp, Resync, workspace_id},
    loaders::Loaders,
};
use crate::{
    fault::Fault,
    lines::{self, Asked, Placed},
    live::{
        events::OTHER_LIFE,
        logs::{self, LogItem, Logs},
    },
};
use async_graphql::{
    Context, Enum, ID, InputObject, Object, SimpleObject, Subscription, Union,
    connection::{Connection, Edge, EmptyFields},
};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use rhone_domain::{
    ids::{AllocationId, AppId, DeploymentId, EnvironmentId, OperationId, WorkspaceId},
    logs as domain,
};
use rhone_eventstore::LogIncarnation;
use rhone_projections::{
    keyset::Towards,
    logs::{Chunk, ChunksPage, LinePosition},
};

pub(crate) use rhone_projections::logs::Filter;

/// The longest words that lines are searched for.
const MOST_WORDS: usize = 200;

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::LogStream")]
pub(crate) enum LogStream {
    Stdout,
    Stderr,
    /// Rhone itself: what was dropped, or where a build stands.
    Rhone,
}

/// What printed a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::LogSource")]
pub(crate) enum LogSource {
    Build,
    Runtime,
}

/// Which lines: those for which all of it holds.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct LogFilter {
    /// Of one app.
    pub(crate) app_id: Option<ID>,
    /// Of one environment.
    pub(crate) environment_id: Option<ID>,
    /// Of one deployment.
    pub(crate) deployment_id: Option<ID>,
    /// Of one operation: what its build printed.
    pub(crate) operation_id: Option<ID>,
    /// Of one allocation.
    pub(crate) allocation_id: Option<ID>,
    /// Of builds, or of running apps.
    pub(crate) source: Option<LogSource>,
    /// Printed then or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Printed before.
    pub(crate) until: Option<DateTime<Utc>>,
    /// With these words in them, in whatever case; 1 to 200 characters.
    pub(crate) contains: Option<String>,
}

impl LogFilter {
    /// Within a place that was chosen already, which it cannot leave.
    pub(crate) fn within(self, base: Filter) -> Result<Asked, Fault> {
        let environment = self.environment_id.as_ref();
        let environment = environment.map(|id| id::read::<EnvironmentId>("environmentId", id)).transpose()?;
        let deployment = self.deployment_id.as_ref();
        let deployment = deployment.map(|id| id::read::<DeploymentId>("deploymentId", id)).transpose()?;
        let operation = self.operation_id.as_ref();
        let operation = operation.map(|id| id::read::<OperationId>("operationId", id)).transpose()?;
        let allocation = self.allocation_id.as_ref();
        let allocation = allocation.map(|id| id::read::<AllocationId>("allocationId", id)).transpose()?;
        let app = self.app_id.as_ref().map(|id| id::read::<AppId>("appId", id)).transpose()?;
        if self.since.zip(self.until).is_some_and(|(since, until)| since >= until) {
            return Err(Fault::bad_input("until", "must be later than since"));
        }
        let length = self.contains.as_ref().map(|words| words.chars().count());
        if length.is_some_and(|length| !(1..=MOST_WORDS).contains(&length)) {
            return Err(Fault::bad_input("contains", "must be 1 to 200 characters"));
        }
        let filter = Filter {
            workspace: base.workspace,
            app: one("appId", base.app, app)?,
            environment: one("environmentId", base.environment, environment)?,
            deployment: one("deploymentId", base.deployment, deployment)?,
            operation: one("operationId", base.operation, operation)?,
            allocation: one("allocationId", base.allocation, allocation)?,
            source: self.source.map(Into::into),
            since: self.since,
            until: self.until,
        };
        Ok(Asked { filter, contains: self.contains })
    }
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

/// One line that a build or an app printed. It says nothing of how anything stands.
#[derive(Clone, Debug)]
pub(crate) struct LogLine(Placed);

#[Object]
impl LogLine {
    /// When it was read, by the clock of its host.
    async fn at(&self) -> DateTime<Utc> {
        self.0.line.at
    }

    async fn stream(&self) -> LogStream {
        self.0.line.stream.into()
    }

    /// What it says, with secrets hidden; a long one is cut.
    async fn text(&self) -> &str {
        &self.0.line.text
    }

    /// The how manieth line of its allocation or build, from 0; a gap is where lines were dropped.
    async fn number(&self) -> u64 {
        self.0.number
    }

    async fn source(&self) -> LogSource {
        self.0.chunk.source.into()
    }

    async fn app_id(&self) -> ID {
        id::show(self.0.chunk.owner.app)
    }

    async fn environment_id(&self) -> Option<ID> {
        self.0.chunk.owner.environment.map(id::show)
    }

    async fn deployment_id(&self) -> Option<ID> {
        self.0.chunk.owner.deployment.map(id::show)
    }

    async fn operation_id(&self) -> Option<ID> {
        self.0.chunk.owner.operation.map(id::show)
    }

    async fn allocation_id(&self) -> Option<ID> {
        self.0.chunk.owner.allocation.map(id::show)
    }
}

/// How far a page of lines has looked.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct LogsLooked {
    /// Hand it in as `after`, here or to `logLines`: everything before it was looked at, also where nothing matched. Of a page
    /// from the end: where the end was.
    looked: String,
    /// Whose lines they are, as `logLines` and `/v1/logs` ask.
    workspace_id: Option<ID>,
}

/// A page of lines.
pub(crate) type LogLines = Connection<Cursor, LogLine, LogsLooked, EmptyFields>;

/// Gathered over the request: logs within a list cost no statement of their own.
impl lines::Index for Loaders {
    async fn newest(&self, workspace: WorkspaceId) -> Result<Option<i64>, Fault> {
        self.lists.load_one(NewestChunk(workspace)).await.map_err(Fault::internal)
    }

    async fn chunks(&self, page: ChunksPage) -> Result<Vec<Chunk>, Fault> {
        Ok(self.lists.load_one(page).await.map_err(Fault::internal)?.unwrap_or_default())
    }
}

/// Lines in the order in which they were kept.
pub(crate) async fn of(
    ctx: &Context<'_>,
    base: Filter,
    filter: Option<LogFilter>,
    pages: Pages,
) -> Result<LogLines, Fault> {
    let asked = filter.unwrap_or_default().within(base)?;
    let incarnation = ctx.platform().incarnation;
    let plain = |field, cursor: Option<String>| {
        let place = cursor.map(|text| logs::place(incarnation, field, &text)).transpose();
        place.map(|place| place.map(|place| place.to_string()))
    };
    let Pages { first, after, last, before } = pages;
    let (after, before) = (plain("after", after)?, plain("before", before)?);
    let wanted = Pages { first, after, last, before }.wanted::<LinePosition>()?;
    let store = ctx.platform().artifacts.logs();
    let found = lines::page(ctx.loaders(), &store, &asked, wanted.keyset).await?;
    let forward = wanted.keyset.towards == Towards::Newer;
    let rows = found.lines.into_iter().map(|line| (logs::cursor(incarnation, line.position), LogLine(line)));
    let page = wanted.connection(rows.collect());
    // A page that is full has looked as far as its last line.
    let full = forward && page.has_next_page;
    let end = page.edges.last().map(|edge| edge.node.0.position).filter(|_| full);
    let looked = logs::cursor(incarnation, end.unwrap_or(found.looked));
    let (previous, next) =
        (page.has_previous_page || (!forward && found.more), page.has_next_page || (forward && found.more));
    let workspace_id = asked.filter.workspace.map(id::show);
    let mut lines = Connection::with_additional_fields(previous, next, LogsLooked { looked, workspace_id });
    lines.edges.extend(page.edges.into_iter().map(|edge| Edge::new(edge.cursor, edge.node)));
    Ok(lines)
}

/// Lines that were kept together.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct PrintedLines {
    /// Hand it in as `after` to go on from here.
    position: String,
    lines: Vec<LogLine>,
}

/// One item of followed logs.
#[derive(Clone, Debug, Union)]
pub(crate) enum LogEvent {
    Lines(PrintedLines),
    CaughtUp(CaughtUp),
    Resync(Resync),
}

#[derive(Debug, Default)]
pub(crate) struct LogSubscription;

/// Logs that can be followed.
#[Subscription]
impl LogSubscription {
    /// A workspace's log lines that match the filter: those kept after a position, then those that are printed; without a position,
    /// from now on.
    async fn log_lines(
        &self,
        ctx: &Context<'_>,
        workspace_id: ID,
        filter: Option<LogFilter>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<LogEvent>> + use<>> {
        let workspace = self::workspace_id("workspaceId", &workspace_id)?;
        if !belongs_to(ctx, workspace).await? {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let asked = in_workspace(workspace, filter)?;
        let platform = ctx.platform().clone();
        let followed = Logs::new(&platform, ctx.session().clone(), workspace, asked, after.as_deref())?;
        Ok(stream::unfold(Some(followed), move |followed| {
            let incarnation = platform.incarnation;
            async move {
                let mut followed = followed?;
                match followed.next().await {
                    Ok(item) => Some((Ok(shown(incarnation, item)), Some(followed))),
                    Err(fault) => Some((Err(fault.into()), None)),
                }
            }
        }))
    }
}

/// The filter of a whole workspace.
pub(crate) fn in_workspace(workspace: WorkspaceId, filter: Option<LogFilter>) -> Result<Asked, Fault> {
    filter.unwrap_or_default().within(Filter { workspace: Some(workspace), ..Filter::default() })
}

fn shown(incarnation: LogIncarnation, item: LogItem) -> LogEvent {
    match item {
        LogItem::Lines(lines) => {
            let end = lines.last().map(|line| line.position).unwrap_or_default();
            let position = logs::cursor(incarnation, end);
            LogEvent::Lines(PrintedLines { position, lines: lines.into_iter().map(LogLine).collect() })
        }
        LogItem::CaughtUp(position) => LogEvent::CaughtUp(CaughtUp { position: logs::cursor(incarnation, position) }),
        LogItem::Resync(position) => LogEvent::Resync(Resync {
            reason: OTHER_LIFE.to_owned(),
            position: Some(logs::cursor(incarnation, position)),
        }),
    }
}
