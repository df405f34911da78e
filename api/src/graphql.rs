//! The GraphQL schema. One noun, one file; a list without logic but for the builder.

mod allocation;
mod app;
mod approval;
mod artifact;
mod authorization;
mod binding;
mod change;
mod connection;
mod context;
mod deployment;
mod drain;
mod edge;
mod environment;
mod failover;
mod filters;
mod gates;
mod history;
mod host;
pub(crate) mod id;
mod invitation;
mod listed;
mod lists;
mod live;
mod loaders;
mod member;
mod migration;
mod operation;
mod operation_progress;
mod place;
mod posture;
mod project;
mod provider_binding;
mod query;
mod rate_limit;
mod reference;
mod region_enablement;
mod route_change;
mod route_owner;
mod runtime_service_binding;
mod scale;
mod scale_readiness;
mod session;
mod support;
mod time;
pub(crate) mod timeline;
mod token;
mod user_error;
mod variables;
mod workspace;

pub(crate) use context::session;
pub use context::{Platform, request_context};
pub(crate) use live::{EventFilterInput, workspace_id};

use crate::DocumentLimits;
use crate::settings::{Exposure, limits};
use async_graphql::{MergedObject, MergedSubscription, Schema, SchemaBuilder};

/// Everything that can be asked to change.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    place::PlaceMutation,
    host::HostMutation,
    workspace::WorkspaceMutation,
    project::ProjectMutation,
    app::AppMutation,
    environment::EnvironmentMutation,
    approval::ApprovalMutation,
    migration::MigrationMutation,
    artifact::ArtifactMutation,
    deployment::DeploymentMutation,
    route_owner::RouteOwnerMutation,
    posture::PostureMutation,
    operation::OperationMutation,
    scale::ScaleMutation,
    failover::FailoverMutation,
    region_enablement::RegionEnablementMutation,
    drain::DrainMutation,
    provider_binding::ProviderBindingMutation,
    runtime_service_binding::RuntimeServiceBindingMutation,
    token::TokenMutation,
    session::SessionMutation,
    variables::VariablesMutation,
    PeopleMutation,
);

/// Who may do what in a workspace. A list of its own, because the compiler unrolls a list by recursion and has a limit.
#[derive(Debug, Default, MergedObject)]
pub struct PeopleMutation(member::MemberMutation, support::SupportMutation, invitation::InvitationMutation);

/// Everything that can be followed.
#[derive(Debug, Default, MergedSubscription)]
pub struct Subscription(operation_progress::OperationSubscription, live::LiveSubscription);

/// The schema.
pub type RhoneSchema = Schema<query::Query, Mutation, Subscription>;

/// Builds the schema; its data are added by whoever serves it.
pub fn builder(exposure: Exposure) -> SchemaBuilder<query::Query, Mutation, Subscription> {
    let schema = Schema::build(query::Query, Mutation::default(), Subscription::default());
    limits(schema, &DocumentLimits::default(), exposure)
}
