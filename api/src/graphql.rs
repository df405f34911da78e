//! The GraphQL schema. One noun, one file; a list without logic but for the builder.

mod affordance;
mod allocation;
mod app;
mod app_source;
mod approval;
mod artifact;
mod audience;
mod authorization;
mod binding;
mod change;
mod connection;
pub(crate) mod context;
mod deploy;
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
mod listing;
mod lists;
mod live;
mod loaders;
mod logs;
mod member;
mod migration;
mod operation;
mod operation_progress;
mod operation_stages;
mod place;
mod posture;
mod project;
mod provider_binding;
mod query;
mod rate_limit;
mod readiness;
mod reference;
mod refusal_code;
mod region_enablement;
mod region_standing;
mod route_change;
mod route_owner;
mod runtime_service_binding;
mod scale;
mod scale_readiness;
mod session;
mod source_credential;
mod streams;
mod support;
mod time;
pub(crate) mod timeline;
mod token;
mod user_error;
mod variables;
mod who;
mod workspace;

use audience::Audiences;
pub(crate) use context::session;
pub use context::{Platform, request_context};
pub(crate) use live::{EventFilterInput, workspace_id};
pub(crate) use logs::{LogFilter, in_workspace};

use crate::DocumentLimits;
use crate::settings::{Exposure, limits};
use async_graphql::{MergedObject, MergedSubscription, Schema, SchemaBuilder};

/// Everything that can be asked to change, in three lists: a merge nests what it merges, and the compiler counts how deep.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(Places, Releases, People);

/// Where things are, and what they are called.
#[derive(Debug, Default, MergedObject)]
pub struct Places(
    place::PlaceMutation,
    host::HostMutation,
    workspace::WorkspaceMutation,
    project::ProjectMutation,
    app::AppMutation,
    app_source::AppSourceMutation,
    environment::EnvironmentMutation,
    environment::DrainPolicyMutation,
    provider_binding::ProviderBindingMutation,
    runtime_service_binding::RuntimeServiceBindingMutation,
    variables::VariablesMutation,
    source_credential::SourceCredentialMutation,
);

/// What becomes traffic, and how.
#[derive(Debug, Default, MergedObject)]
pub struct Releases(
    approval::ApprovalMutation,
    migration::MigrationMutation,
    artifact::ArtifactMutation,
    deployment::DeploymentMutation,
    deploy::DeployMutation,
    route_owner::RouteOwnerMutation,
    posture::PostureMutation,
    operation::OperationMutation,
    scale::ScaleMutation,
    failover::FailoverMutation,
    region_enablement::RegionEnablementMutation,
    drain::DrainMutation,
);

/// Who may do something.
#[derive(Debug, Default, MergedObject)]
pub struct People(
    token::TokenMutation,
    token::machine::MachineTokenMutation,
    session::SessionMutation,
    member::MemberMutation,
    support::SupportMutation,
    invitation::InvitationMutation,
);

/// Everything that can be followed.
#[derive(Debug, Default, MergedSubscription)]
pub struct Subscription(operation_progress::OperationSubscription, live::LiveSubscription, logs::LogSubscription);

/// The schema.
pub type RhoneSchema = Schema<query::Query, Mutation, Subscription>;

/// Builds the schema; its data are added by whoever serves it.
pub fn builder(exposure: Exposure) -> SchemaBuilder<query::Query, Mutation, Subscription> {
    let schema = Schema::build(query::Query, Mutation::default(), Subscription::default()).extension(Audiences);
    limits(schema, &DocumentLimits::default(), exposure)
}
