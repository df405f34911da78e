//! The schema as a contract: what was released is kept, and the reference says what there is. `RELEASE=1` writes the released
//! schema anew, `UPDATE=1` the reference. The trap avoided: a change that breaks clients and looks like any other in a diff.

mod diff;
mod model;
mod reference;

use model::Model;
use rhone_api::{Exposure, graphql};
use std::{env, fs, path::PathBuf};

/// Breaks of the released schema that are meant, in the words of the test; emptied with each release.
const MEANT: &[&str] = &[
    // The codes of refusals are listed; on the wire they are the same words.
    "Affordance.code: was String, is RefusalCode",
    "FailoverPlan.code: was String, is RefusalCode",
    "RegionReadiness.code: was String, is RefusalCode",
    "RouteChangePlan.code: was String, is RefusalCode",
    "ScalePlan.code: was String, is RefusalCode",
    "UserError.code: was String!, is RefusalCode!",
    // Tokens answer as everything else does.
    "Mutation.tokenRotate: was TokenRotatePayload!, is TokenPayload!",
    "TokenPayload.tokenId: the field is gone",
    "TokenPayload.secret: was String!, is String",
    "TokenPayload.expiresAt: the field is gone",
    "TokenRevokePayload.revoked: the field is gone",
    "TokenRotatePayload: the type is gone",
    // An app is replayed at a moment, and with more than its streams.
    "App.replay: was ReplayConnection!, is AppReplay!",
    "App.replay(at): was DateTime, is MomentInput",
    "App.replay(first): is no longer taken",
    "App.replay(after): is no longer taken",
    "App.replay(last): is no longer taken",
    "App.replay(before): is no longer taken",
];

fn current() -> String {
    graphql::builder(Exposure::Development).finish().sdl()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn nothing_that_was_released_is_broken() {
    let (released, current) = (path("schema.released.graphql"), current());
    if env::var_os("RELEASE").is_some() {
        fs::write(&released, &current).expect("the folder can be written to");
    }
    let released = fs::read_to_string(&released).expect("the released schema is checked in");
    let breaks = diff::breaks(&Model::read(&released), &Model::read(&current));
    let unmeant: Vec<_> = breaks.iter().filter(|broken| !MEANT.contains(&broken.as_str())).collect();
    assert!(unmeant.is_empty(), "clients of the released schema break (see docs/deprecation.md):\n{unmeant:#?}");
    let gone: Vec<_> = MEANT.iter().filter(|meant| !breaks.iter().any(|broken| broken == *meant)).collect();
    assert!(gone.is_empty(), "no longer so, take them off the list: {gone:?}");
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let (file, said) = (path("../docs/api.md"), reference::of(&Model::read(&current())));
    if env::var_os("UPDATE").is_some() {
        fs::write(&file, &said).expect("the folder can be written to");
    }
    let checked_in = fs::read_to_string(&file).expect("the reference is checked in");
    assert!(said == checked_in, "docs/api.md is stale: UPDATE=1 cargo test -p rhone-api --test contract");
}
