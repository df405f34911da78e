//! What led to what: the lines of one cause as a tree, told from its roots down. Flat, with a depth on each line, because a
//! query names no depth that nobody knows. What led to it, up to the person, and what it set going stand in it, whatever their
//! correlation.

use super::{TimelineEntry, filter::uuid};
use crate::{
    fault::{Code, Fault},
    graphql::{context::begin, id},
};
use async_graphql::{Context, ID, SimpleObject};
use rhone_domain::{history::tree, ids::OperationId};
use rhone_projections::timeline;

/// The most lines of one tree.
const MOST: usize = 1_000;

/// A line of the tree.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CausationNode {
    /// How far below its root; a root is at 0.
    depth: usize,
    /// Whether it is the one that was asked for.
    asked: bool,
    entry: TimelineEntry,
}

/// What led to what.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CausationTree {
    /// What was asked for has this one; what led to it, and what it set going, may have another.
    correlation: String,
    /// Each line is followed by all that it led to.
    nodes: Vec<CausationNode>,
    /// Whether there is more than is shown.
    truncated: bool,
}

/// The tree of an event, or of an operation.
pub(crate) async fn causation_tree(
    ctx: &Context<'_>,
    event: Option<&str>,
    operation: Option<&ID>,
) -> Result<CausationTree, Fault> {
    let (event, correlation, field) = match (event, operation) {
        (Some(event), None) => {
            let event = uuid("eventId", event)?;
            let mut transaction = begin(ctx).await?;
            let found = timeline::of_event(&mut transaction, event).await.map_err(Fault::internal)?;
            (Some(event), found.map(|entry| entry.correlation), "eventId")
        }
        (None, Some(operation)) => (None, Some(id::read::<OperationId>("operationId", operation)?.0), "operationId"),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Fault::bad_input("eventId", "either it or operationId must be given, and not both"));
        }
    };
    let mut entries = match correlation {
        Some(correlation) => {
            let mut transaction = begin(ctx).await?;
            timeline::of_cause(&mut transaction, correlation, MOST).await.map_err(Fault::internal)?
        }
        None => Vec::new(),
    };
    let (Some(correlation), false) = (correlation, entries.is_empty()) else {
        let mut fault = Fault::new(Code::NotFound, format!("{field}: there is no such thing"));
        fault.field = Some(field.into());
        return Err(fault);
    };
    let truncated = entries.len() > MOST;
    entries.truncate(MOST);
    let causes: Vec<_> = entries.iter().map(|entry| (entry.event, entry.causation)).collect();
    let node = |line: rhone_domain::history::Line| {
        let entry = entries[line.index].clone();
        CausationNode { depth: line.depth, asked: event == Some(entry.event), entry: TimelineEntry(entry) }
    };
    let nodes = tree(&causes).into_iter().map(node).collect();
    Ok(CausationTree { correlation: correlation.to_string(), nodes, truncated })
}
