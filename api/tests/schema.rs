//! `api/schema.graphql` is what the code says: a stale file is a red test; `UPDATE=1` writes it anew.

use rhone_api::{Exposure, graphql};
use std::{env, fs};

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
