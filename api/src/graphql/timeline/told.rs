//! The timeline of a place, line by line and operation by operation, as every noun that has one shows it: its fields are those
//! of whoever flattens it. The trap avoided: four nouns with four timelines that drift apart.

use super::{OperationLine, TimelineEntry, TimelineFilter, Wanted, lists};
use crate::{
    graphql::connection::{Pages, Rows},
    page,
};
use async_graphql::{Context, Object};
use rhone_projections::timeline::Filter;

/// Line by line.
pub(crate) struct Told(pub(crate) Filter);

/// Operation by operation.
pub(crate) struct ToldByOperation(pub(crate) Filter);

#[Object]
impl Told {
    /// Every event that concerns it, in the log's order.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        filter: Option<TimelineFilter>,
        #[graphql(desc = "Wait, for a short bounded time, until it has come this far.")] at_least_position: Option<
            String,
        >,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<TimelineEntry>> {
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(lists::lines(ctx, self.0.clone(), wanted).await?)
    }
}

#[Object]
impl ToldByOperation {
    /// The same, operation by operation; the filter is about how each one began.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn operation_timeline(
        &self,
        ctx: &Context<'_>,
        filter: Option<TimelineFilter>,
        at_least_position: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<OperationLine>> {
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(lists::operations(ctx, self.0.clone(), wanted).await?)
    }
}
