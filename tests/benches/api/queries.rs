//! Twenty queries as a console asks them.

use crate::subjects::Subject;
use serde_json::{Value, json};

/// What is asked, under a name for the figures.
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) document: &'static str,
}

const OPERATION: &str = "query($op: ID!) { operation(id: $op) { id kind stage ended reason epoch expectedRouteEpoch deadline
    gates { kind state reason evidence } edges { edge } failure { code message } deployment { id } environment { id slug } } }";

/// All twenty.
pub(crate) const QUERIES: [Query; 20] = [
    Query {
        name: "viewer and workspaces",
        document: "{ viewer { actor tokenId } workspaces(first: 25) { nodes { id slug name } } }",
    },
    Query {
        name: "workspace with members",
        document: "query($ws: ID!) { workspace(id: $ws) { id slug name createdAt members(first: 25) { nodes { actor role } } } }",
    },
    Query {
        name: "workspace with projects and apps",
        document: "query($ws: ID!) { workspace(id: $ws) { projects(first: 10) { nodes { id slug apps(first: 10) { nodes { id slug name } } } } } }",
    },
    Query {
        name: "project",
        document: "query($prj: ID!) { project(id: $prj) { id slug name createdAt workspace { id slug } } }",
    },
    Query {
        name: "apps with environments and owners",
        document: "query($prj: ID!) { project(id: $prj) { apps(first: 10) { nodes { id slug environments(first: 5) { nodes { id slug kind routeOwner { epoch artifactDigest deployment { id } } } } } } } }",
    },
    Query {
        name: "app",
        document: "query($app: ID!) { app(id: $app) { id slug name project { id slug workspace { id slug } } } }",
    },
    Query {
        name: "environments of an app",
        document: "query($app: ID!) { app(id: $app) { environments(first: 10) { nodes { id slug kind region { slug } cell { slug } drainSeconds } } } }",
    },
    Query {
        name: "deployments of an app",
        document: "query($app: ID!) { app(id: $app) { deployments(last: 25) { nodes { id status artifactDigest createdAt checks } } } }",
    },
    Query {
        name: "deployments with artifacts",
        document: "query($app: ID!) { app(id: $app) { deployments(last: 10) { nodes { id artifact { id digest size } app { slug } } } } }",
    },
    Query {
        name: "operations of an app",
        document: "query($app: ID!) { app(id: $app) { operations(last: 25) { nodes { id kind stage ended reason epoch } } } }",
    },
    Query {
        name: "operations of an environment",
        document: "query($app: ID!, $env: ID!) { app(id: $app) { operations(environmentId: $env, last: 25) { nodes { id kind stage ended deployment { id status } } } } }",
    },
    Query { name: "operation in full", document: OPERATION },
    Query {
        name: "environment with its owner",
        document: "query($env: ID!) { environment(id: $env) { id slug kind version replicas routeOwner { epoch revision since frozen hosts pin { reason } quarantined { digest } deployment { id status } formerDeploymentIds } } }",
    },
    Query {
        name: "allocations of an environment",
        document: "query($env: ID!) { environment(id: $env) { allocations { id state artifactDigest verifiedDigest hostId restarts } } }",
    },
    Query {
        name: "timeline of an app, newest",
        document: "query($app: ID!) { app(id: $app) { timeline(last: 50) { nodes { position summary type actor reason recordedAt } } } }",
    },
    Query {
        name: "timeline of an environment",
        document: "query($app: ID!, $env: ID!) { app(id: $app) { timeline(environmentId: $env, last: 25) { nodes { position summary type actor correlation causation payload } } } }",
    },
    Query {
        name: "promotion's gates before the button",
        document: "query($dep: ID!, $env: ID!) { deployment(id: $dep) { promotion(environmentId: $env) { allowed gates { kind state reason evidence } } } }",
    },
    Query {
        name: "rollback plan for every earlier owner",
        document: "query($env: ID!) { environment(id: $env) { rollbackPlan { allowed gates { kind state reason } } } }",
    },
    Query { name: "artifact", document: "query($art: ID!) { artifact(id: $art) { id digest size createdAt facts } }" },
    Query {
        name: "node by id",
        document: "query($dep: ID!) { node(id: $dep) { id ... on Deployment { status artifactDigest app { id slug } } } }",
    },
];

/// What a query is about: the nth app of a subject.
pub(crate) fn variables(subject: &Subject, nth: usize) -> Value {
    let app = &subject.apps[nth % subject.apps.len()];
    json!({
        "ws": subject.workspace,
        "prj": subject.project,
        "app": app.id,
        "env": app.production,
        "dep": app.deployments[nth % app.deployments.len()],
        "art": app.artifact,
        "op": app.operation,
    })
}
