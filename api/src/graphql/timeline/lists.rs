//! The timeline in pages: line by line, or operation by operation with the lines of each. Trap: a statement for each
//! operation; the lines of a page come in one.

use super::{TimelineEntry, TimelineFilter};
use crate::{
    fault::Fault,
    graphql::{
        connection::{Pages, Rows},
        context::{Ask as _, at_least, position, shown},
        lists::{LinesOf, LinesPage, MOST_OF_ONE},
        operation::Operation,
    },
};
use async_graphql::{Context, Object};
use rhone_eventstore::Position;
use rhone_projections::timeline::{self, Filter};

/// What is asked of a list.
pub(crate) struct Wanted {
    pub(crate) filter: Option<TimelineFilter>,
    pub(crate) at_least_position: Option<String>,
    pub(crate) pages: Pages,
}

/// Gathered over the request: a timeline within a list costs no statement of its own.
pub(crate) async fn page(
    ctx: &Context<'_>,
    filter: &Filter,
    wanted: Wanted,
) -> Result<(Paged, Vec<timeline::Entry>), Fault> {
    at_least(ctx, wanted.at_least_position.as_deref()).await?;
    let plain = |field, cursor: Option<String>| {
        position(ctx, field, cursor.as_deref()).map(|position| position.map(|position| position.to_string()))
    };
    let Pages { first, after, last, before } = wanted.pages;
    let (after, before) = (plain("after", after)?, plain("before", before)?);
    let paged = Pages { first, after, last, before }.wanted::<Position>()?;
    let asked = LinesPage(filter.clone(), paged.keyset);
    let rows = ctx.loaders().lists.load_one(asked).await.map_err(Fault::internal)?;
    Ok((paged, rows.unwrap_or_default()))
}

/// A page of lines.
pub(crate) type Paged = crate::graphql::connection::Wanted<Position>;

/// Line by line.
pub(crate) async fn lines(ctx: &Context<'_>, base: Filter, mut wanted: Wanted) -> Result<Rows<TimelineEntry>, Fault> {
    let filter = wanted.filter.take().unwrap_or_default().within(&base)?;
    let (paged, rows) = page(ctx, &filter, wanted).await?;
    Ok(paged.connection(rows.into_iter().map(|row| (shown(ctx, row.position), TimelineEntry(row))).collect()))
}

/// An operation with all that it brought about.
#[derive(Clone, Debug)]
pub(crate) struct OperationLine {
    request: TimelineEntry,
    events: Vec<TimelineEntry>,
    more_events: bool,
}

#[Object]
impl OperationLine {
    /// The line that began it.
    async fn request(&self) -> &TimelineEntry {
        &self.request
    }

    /// As it stands.
    async fn operation(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Operation>> {
        Ok(self.request.of_operation(ctx).await?)
    }

    /// The lines that belong to it, in the log's order; at most the first 100.
    #[graphql(complexity = "10 * child_complexity")]
    async fn events(&self) -> &[TimelineEntry] {
        &self.events
    }

    /// Whether there are more than are shown.
    async fn more_events(&self) -> bool {
        self.more_events
    }
}

/// What begins an operation.
const REQUESTED: &str = "operation.requested";

/// Operation by operation; the filter is about how each one began.
pub(crate) async fn operations(
    ctx: &Context<'_>,
    base: Filter,
    mut wanted: Wanted,
) -> Result<Rows<OperationLine>, Fault> {
    let asked = wanted.filter.take().unwrap_or_default();
    if asked.types.is_some() || asked.kind.is_some() {
        let field = if asked.types.is_some() { "types" } else { "kind" };
        return Err(Fault::bad_input(field, "must be left out where lines are grouped by operation"));
    }
    let mut filter = asked.within(&base)?;
    filter.types = vec![REQUESTED.to_owned()];
    let (paged, rows) = page(ctx, &filter, wanted).await?;
    let rows: Vec<_> = rows.into_iter().map(TimelineEntry).collect();
    let causes = rows.iter().map(|row| LinesOf(row.belongs_to()));
    let mut of = ctx.loaders().lists.load_many(causes).await.map_err(Fault::internal)?;
    let line = |request: TimelineEntry| {
        let mut events = of.remove(&LinesOf(request.belongs_to())).unwrap_or_default();
        let more_events = events.len() > MOST_OF_ONE;
        events.truncate(MOST_OF_ONE);
        let events = events.into_iter().map(TimelineEntry).collect();
        (shown(ctx, request.0.position), OperationLine { request, events, more_events })
    };
    Ok(paged.connection(rows.into_iter().map(line).collect()))
}
