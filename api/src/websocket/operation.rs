//! One `subscribe`: guarded like any document, run as a stream of items that ends by itself. The trap avoided: an error before
//! execution sent as `next`; the protocol has `error` for it, and clients resolve the two differently.

use std::{sync::Arc, time::Duration};

use async_graphql::{Executor, Response, parser::types::OperationType};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    authenticate::Authenticator,
    fault::Fault,
    guard::{
        body, document,
        documents::Asker,
        outcome::{self, Answer, Problem},
        panic,
    },
    rate::{Accountable as _, Standing},
    request::RequestInfo,
    shell::Shell,
};

/// What an operation gives its connection.
pub(super) enum Item {
    /// A result.
    Next(Answer),
    /// It was refused or broke; nothing follows.
    Error(Vec<Problem>),
    /// It ended.
    Complete,
}

/// Starts an operation, or says in one item why not.
pub(super) fn start<E: Executor, A: Authenticator>(
    shell: &Arc<Shell<E, A>>,
    (actor, asker): (&A::Actor, Asker),
    info: RequestInfo,
    payload: Value,
) -> BoxStream<'static, Item> {
    let (mut request, standing) = match admitted(shell, (actor, asker), payload, &info) {
        Ok(admitted) => admitted,
        Err(problems) => return refused(problems),
    };
    request.data = shell.context_of(actor, &info);
    request.data.insert(standing);
    let responses = panic::caught_stream(shell.executor.execute_stream(request, None));
    in_turn(shell.clone(), responses.boxed())
        .map(move |response| {
            let answer = outcome::settle(response, &info);
            if answer.data.is_some() { Item::Next(answer) } else { Item::Error(answer.errors) }
        })
        .chain(stream::iter([Item::Complete]))
        .boxed()
}

/// How long an operation that says nothing keeps its turn.
const TURN: Duration = Duration::from_secs(2);

/// The same, begun when it is its turn: its first answer is what asks the most of the database. On a task of its own, because a
/// connection that is busy elsewhere would keep its turn and do nothing with it.
fn in_turn<E: Executor, A: Authenticator>(
    shell: Arc<Shell<E, A>>,
    mut responses: BoxStream<'static, Response>,
) -> impl Stream<Item = Response> {
    let begun = async move {
        let _turn = shell.load.turn().await;
        let first = timeout(TURN, responses.next()).await.ok().flatten();
        stream::iter(first).chain(responses)
    };
    let on_its_own = async move {
        // Aborted when it is dropped.
        let mut task = JoinSet::new();
        task.spawn(begun);
        let begun = task.join_next().await.and_then(Result::ok);
        stream::iter(begun).flatten()
    };
    stream::once(on_its_own).flatten()
}

/// An operation that ends before it began.
pub(super) fn refused(problems: Vec<Problem>) -> BoxStream<'static, Item> {
    stream::iter([Item::Error(problems)]).boxed()
}

fn admitted<E, A: Authenticator>(
    shell: &Shell<E, A>,
    (actor, asker): (&A::Actor, Asker),
    payload: Value,
    info: &RequestInfo,
) -> Result<(async_graphql::Request, Standing), Vec<Problem>> {
    let refuse = |fault| outcome::refuse(fault, info).errors;
    let mut request = body::parse_payload(payload, &shell.settings.documents, asker).map_err(refuse)?;
    let admitted = document::admit(&mut request, &shell.settings.limits)
        .map_err(|error| outcome::settle(async_graphql::Response::from_errors(vec![error]), info).errors)?;
    if admitted.operation == OperationType::Mutation {
        return Err(refuse(Fault::bad_input("query", "mutations run over POST")));
    }
    let standing = shell.rates.spend(actor.accounts(), info.address, admitted.cost).map_err(refuse)?;
    Ok((request, standing))
}
