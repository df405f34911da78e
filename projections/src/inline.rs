//! The rows that routing authority needs, made from the states an append is about to leave behind and written by the append
//! itself (ADR 0003). The trap: anything that promote, rollback or a stage needs, read from a projection that lags.

use crate::authority;
use rhone_domain::{
    aggregate::Aggregate, allocation::Allocation, envelope::StreamId, host::Host, ids::WorkspaceId,
    operation::Operation, route_owner::RouteOwner, token::Token, workspace::Workspace,
};
use rhone_eventstore::{Inline, NewEvent};
use serde_json::Value;
use std::any::Any;

/// Makes the authority rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorityRows;

impl Inline for AuthorityRows {
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        let Some(last) = events.last() else { return Vec::new() };
        let version = last.envelope.version;
        match stream.category() {
            Operation::CATEGORY => of(state, |state| authority::operations::rows(state, version)),
            RouteOwner::CATEGORY => of(state, |state| authority::route_owners::rows(state, version)),
            Allocation::CATEGORY => of(state, |state| authority::allocations::rows(state, version)),
            Workspace::CATEGORY => {
                of(state, |state| authority::members::rows(WorkspaceId(stream.id()), state, events, version))
            }
            Token::CATEGORY => of(state, authority::tokens::rows),
            Host::CATEGORY => of(state, |state| authority::hosts::rows(state, version)),
            _ => Vec::new(),
        }
    }
}

fn of<A: Aggregate>(state: &dyn Any, rows: impl Fn(&A) -> Vec<Value>) -> Vec<Value> {
    rows(state.downcast_ref().expect("a stream's category names the type of its state"))
}
