//! `api/schema.graphql` is what the code says: a stale file is a red test; `UPDATE=1` writes it anew. And what the resolvers call
//! dear, the guard does too.

use async_graphql::{
    Response,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextRequest},
    registry::MetaType,
};
use rhone_api::{Exposure, dear, graphql};
use std::{
    collections::BTreeSet,
    env, fs,
    sync::{Arc, Mutex},
};

#[test]
fn the_checked_in_schema_is_the_schema_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let served = graphql::builder(Exposure::Development).finish().sdl();
    if env::var_os("UPDATE").is_some() {
        fs::write(path, &served).expect("the schema can be written");
    }
    let checked_in = fs::read_to_string(path).unwrap_or_default();
    assert!(checked_in == served, "api/schema.graphql is stale: run UPDATE=1 cargo test -p rhone-api --test schema");
}

/// Dear to the library, which counts by type, and little to the guard: short lists, and one row more of what is loaded anyway.
const CHEAP: [&str; 13] = [
    "account",
    "capacity",
    "endedSessions",
    "events",
    "grants",
    "heldBy",
    "objectModel",
    "replicas",
    "residency",
    "sessions",
    "source",
    "state",
    "stateTaxonomy",
];

/// Only an extension sees what the resolvers say of themselves.
#[derive(Clone, Default)]
struct Declared(Arc<Mutex<BTreeSet<String>>>);

impl ExtensionFactory for Declared {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for Declared {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        for meta in ctx.schema_env.registry.types.values() {
            let MetaType::Object { fields, .. } = meta else { continue };
            let dear = fields.values().filter(|field| field.compute_complexity.is_some());
            let pageless = dear.filter(|field| !field.args.contains_key("first"));
            self.0.lock().expect("one test").extend(pageless.map(|field| field.name.clone()));
        }
        next.run(ctx).await
    }
}

#[tokio::test]
async fn what_the_resolvers_call_dear_has_a_price_in_the_guard() {
    let declared = Declared::default();
    let schema = graphql::builder(Exposure::Development).extension(declared.clone()).finish();
    assert!(schema.execute("{ __typename }").await.is_ok());
    let declared = declared.0.lock().expect("one test").clone();
    let priced = dear().chain(CHEAP).filter(|name| !name.starts_with("__"));
    let priced: BTreeSet<String> = priced.map(str::to_owned).collect();
    assert_eq!(declared, priced, "left: by the resolvers, right: in the guard or cheap");
}
