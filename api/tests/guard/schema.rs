//! A small schema with one of each thing the guard must handle. Written for these tests only.

#![expect(clippy::unused_async, reason = "resolvers are async by the library's macro")]
#![expect(clippy::duplicated_attributes, reason = "two arguments of one type are two arguments")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, Interface, Object, Result, Schema, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt, stream};
use rhone_api::{Code, DocumentLimits, Exposure, Fault, Page, RequestInfo, limits, page};

use crate::server::Alice;

pub(crate) type Api = Schema<Query, Mutation, Events>;

/// How often the mutation ran on one server: what a guard of mutations is judged by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fired(Arc<AtomicUsize>);

impl Fired {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Born once per request by the context builder.
pub(crate) struct Loader(pub(crate) usize);

pub(crate) fn build(exposure: Exposure, fired: Fired) -> Api {
    let roots = Schema::build(Query { name: None }, Mutation { fired }, Events);
    limits(roots, &DocumentLimits::default(), exposure).finish()
}

#[derive(SimpleObject)]
pub(crate) struct Leaf {
    id: i32,
}

#[derive(SimpleObject)]
pub(crate) struct Edge {
    node: Leaf,
    cursor: String,
}

#[derive(SimpleObject)]
pub(crate) struct Leaves {
    edges: Vec<Edge>,
}

pub(crate) struct Tree;

#[Object]
impl Tree {
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn leaves(&self, first: Option<i32>, last: Option<i32>) -> Result<Leaves> {
        let page = Page::parse(first, None, last, None)?;
        let edges = (0..).take(page.size).map(|id| Edge { node: Leaf { id }, cursor: id.to_string() }).collect();
        Ok(Leaves { edges })
    }

    async fn tree(&self) -> Self {
        Self
    }
}

#[derive(Interface)]
#[graphql(field(
    name = "leaves",
    ty = "Leaves",
    arg(name = "first", ty = "Option<i32>"),
    arg(name = "last", ty = "Option<i32>")
))]
pub(crate) enum Plant {
    Tree(Tree),
}

#[derive(Debug, thiserror::Error)]
#[error("password=hunter2 at postgres://secret")]
struct Leaky;

pub(crate) struct Query {
    /// Never there.
    name: Option<&'static str>,
}

#[Object]
impl Query {
    async fn hello(&self, name: Option<String>) -> String {
        name.unwrap_or_else(|| "world".to_owned())
    }

    async fn whoami(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(ctx.data::<Alice>()?.0.clone())
    }

    async fn request_id(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(ctx.data::<RequestInfo>()?.id.to_string())
    }

    async fn idempotency_key(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(ctx.data::<RequestInfo>()?.idempotency_key()?.map(str::to_owned))
    }

    async fn loader(&self, ctx: &Context<'_>) -> Result<usize> {
        Ok(ctx.data::<Loader>()?.0)
    }

    async fn tree(&self) -> Tree {
        Tree
    }

    async fn plant(&self) -> Plant {
        Plant::Tree(Tree)
    }

    async fn explode(&self) -> Option<String> {
        Some(self.name.expect("hunter2 went off").to_owned())
    }

    async fn leak(&self) -> Result<Option<String>> {
        Err(Leaky.into())
    }

    async fn broken(&self) -> Result<Option<String>> {
        Err(Fault::internal(Leaky).into())
    }

    async fn missing(&self) -> Result<Option<String>> {
        Err(Fault::new(Code::NotFound, "no such app").into())
    }
}

pub(crate) struct Mutation {
    fired: Fired,
}

#[Object]
impl Mutation {
    async fn fire(&self) -> usize {
        self.fired.0.fetch_add(1, Ordering::SeqCst)
    }
}

pub(crate) struct Events;

#[Subscription]
impl Events {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(0..to)
    }

    async fn forever(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    async fn explosive(&self) -> impl Stream<Item = i32> {
        stream::iter(0..3).map(|item| if item == 1 { panic!("hunter2 went off") } else { item })
    }
}
