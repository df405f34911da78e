//! The table itself: every command, who may issue it, and what a caller needs for it. A new command gets a line here.

use super::{Grant, Level, Need, Row};
use crate::actor::Writer;
use crate::actor::Writer::{Api, Pipeline, Platform, Promotion, Provider, Rollback, Runner, Scheduler, System};

/// In which capacities somebody who calls the API may act. Everything else is a program of the platform.
pub(super) const OF_CALLERS: &[Writer] = &[Api, Pipeline, Platform];

/// Apps, members and everything that goes with them; not the workspace itself.
pub(super) const ADMIN: &[Grant] = &[
    Grant::MembersManage,
    Grant::SupportGrant,
    Grant::ProjectManage,
    Grant::AppManage,
    Grant::EnvironmentManage,
    Grant::Deploy,
    Grant::PromotePreview,
    Grant::PromoteProduction,
    Grant::RollBack,
    Grant::RouteHold,
    Grant::Domains,
    Grant::VariablesRead,
    Grant::VariablesManage,
    Grant::BindingsManage,
    Grant::Scale,
    Grant::DataManage,
    Grant::Approve,
    Grant::OperationsCancel,
];

/// Deploys and previews; production and everything that outlives a deploy is given by project or environment.
pub(super) const MEMBER: &[Grant] =
    &[Grant::SupportGrant, Grant::Deploy, Grant::PromotePreview, Grant::VariablesRead, Grant::OperationsCancel];

/// The processes that carry operations on. Of one operation it is the one of its kind alone (`operation::MACHINES`), which
/// `Operation::writer` says.
const OPERATIONS: &[Writer] = &[Promotion, Rollback, Pipeline, Scheduler, Provider, Platform];

const fn row(command: &'static str, writers: &'static [Writer], need: Need, level: Level) -> Row {
    Row { command, writers, need, level }
}

/// For callers with a grant.
const fn needs(command: &'static str, writers: &'static [Writer], grant: Grant, level: Level) -> Row {
    row(command, writers, Need::One(grant), level)
}

/// For no caller.
const fn own(command: &'static str, writers: &'static [Writer]) -> Row {
    row(command, writers, Need::Nobody, Level::Platform)
}

/// Every command. The commands of one noun stand together.
pub const TABLE: &[Row] = &[
    own("allocation.plan", &[Scheduler, Promotion, Rollback, Platform]),
    own("allocation.drain", &[Scheduler, Platform]),
    own("allocation.report_pulling", &[Runner]),
    own("allocation.report_starting", &[Runner]),
    own("allocation.report_ready", &[Runner]),
    own("allocation.report_restarted", &[Runner]),
    own("allocation.report_stopped", &[Runner]),
    own("allocation.report_failed", &[Runner, Scheduler]),
    own("allocation.record_closed", &[Scheduler]),
    needs("app.create", &[Api], Grant::AppManage, Level::Project),
    needs("app.import", &[Api], Grant::AppManage, Level::Project),
    needs("app.set_source", &[Api], Grant::AppManage, Level::Project),
    needs("app.remove_source", &[Api], Grant::AppManage, Level::Project),
    needs("app.set_source_credential", &[Api], Grant::VariablesManage, Level::Project),
    needs("app.remove_source_credential", &[Api], Grant::VariablesManage, Level::Project),
    needs("artifact.create", &[Pipeline], Grant::Deploy, Level::Workspace),
    own("backend.take", &[Provider]),
    own("backend.release", &[Provider]),
    needs("cell.create", &[Platform], Grant::PlatformManage, Level::Platform),
    // A claim stands beside the command that needs it, in the same append.
    row("claim.claim", &[Api, Platform], Need::Beside, Level::Workspace),
    row("claim.release", &[Api, Platform], Need::Beside, Level::Workspace),
    needs("deployment.create", &[Pipeline], Grant::Deploy, Level::Project),
    needs("deployment.validate", &[Pipeline], Grant::Deploy, Level::Project),
    needs("environment.create", &[Api], Grant::EnvironmentManage, Level::Project),
    own("environment.scale", &[Scheduler]),
    needs("environment.set_policy", &[Api], Grant::EnvironmentManage, Level::Environment),
    needs("environment.approve", &[Api], Grant::Approve, Level::Environment),
    needs("environment.set_sleep_policy", &[Api], Grant::Scale, Level::Environment),
    needs("environment.set_drain_policy", &[Api], Grant::EnvironmentManage, Level::Environment),
    needs("environment.set_residency", &[Api], Grant::EnvironmentManage, Level::Environment),
    own("environment.enable_region", &[Platform]),
    needs("environment.disable_region", &[Api], Grant::EnvironmentManage, Level::Environment),
    needs("host.create", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("migrations.record", &[Api, Pipeline], Grant::DataManage, Level::Environment),
    needs("host.cordon", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("host.uncordon", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("host.set_capacity", &[Platform], Grant::PlatformManage, Level::Platform),
    own("host.begin_drain", &[Platform]),
    needs("host.confirm_upgrade", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("host.retire", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("migrations.restore", &[Api], Grant::DataManage, Level::Environment),
    row("operation.request_promotion", &[Api, Pipeline], Need::Promote, Level::Environment),
    needs("operation.request_rollback", &[Api], Grant::RollBack, Level::Environment),
    row("operation.request_region_failover", &[Api], Need::Promote, Level::Environment),
    needs("operation.request_region_enablement", &[Api], Grant::EnvironmentManage, Level::Environment),
    needs("operation.request_deploy", &[Api], Grant::Deploy, Level::Environment),
    needs("operation.request_scale", &[Api], Grant::Scale, Level::Environment),
    needs("operation.request_drain", &[Api], Grant::Scale, Level::Environment),
    needs("operation.request_host_drain", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("operation.request_migration", &[Api], Grant::DataManage, Level::Environment),
    needs("operation.request_wake", &[Api, Scheduler], Grant::Scale, Level::Environment),
    needs("operation.request_sleep", &[Api, Scheduler], Grant::Scale, Level::Environment),
    needs("operation.request_provider_binding", &[Api], Grant::BindingsManage, Level::Environment),
    needs("operation.request_runtime_service_binding", &[Api], Grant::BindingsManage, Level::Environment),
    own("operation.enter", OPERATIONS),
    own("operation.fail", OPERATIONS),
    needs("operation.request_cancel", &[Api], Grant::OperationsCancel, Level::Environment),
    own("operation.cancel", OPERATIONS),
    own("operation.record_late_report", &[System]),
    needs("project.create", &[Api], Grant::ProjectManage, Level::Workspace),
    needs("provider_binding.request", &[Api], Grant::BindingsManage, Level::Environment),
    own("provider_binding.verify", &[Provider]),
    own("provider_binding.fail", &[Provider]),
    own("provider_binding.disable", &[Provider]),
    row("refusal.record", &[Api, System], Need::Beside, Level::Workspace),
    needs("region.create", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("route_owner.open", &[Api], Grant::EnvironmentManage, Level::Project),
    needs("route_owner.attach_host", &[Api], Grant::Domains, Level::Environment),
    needs("route_owner.detach_host", &[Api], Grant::Domains, Level::Environment),
    own("route_owner.promote", &[Promotion]),
    own("route_owner.roll_back", &[Rollback]),
    own("route_owner.move", &[Promotion]),
    needs("route_owner.release_pin", &[Api], Grant::RouteHold, Level::Environment),
    needs("route_owner.lift_quarantine", &[Api], Grant::RouteHold, Level::Environment),
    needs("route_owner.freeze", &[Api], Grant::RouteHold, Level::Environment),
    needs("route_owner.unfreeze", &[Api], Grant::RouteHold, Level::Environment),
    own("route_owner.raise_epoch", &[Platform]),
    row("token.create", &[Api], Need::Own, Level::Workspace),
    row("token.rotate", &[Api], Need::Own, Level::Workspace),
    row("token.revoke", &[Api], Need::Own, Level::Workspace),
    // What is known of it comes from where it was made; it stands beside the command that needs it.
    row("token.find", &[Api, Platform], Need::Beside, Level::Workspace),
    needs("token.issue", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("token.withdraw", &[Platform], Grant::PlatformManage, Level::Platform),
    needs("variables.change", &[Api], Grant::VariablesManage, Level::Environment),
    own("route_owner.sleep", &[Scheduler]),
    own("route_owner.wake", &[Scheduler]),
    own("route_owner.fail_wake", &[Scheduler]),
    needs("runtime_service_binding.request", &[Api], Grant::BindingsManage, Level::Environment),
    own("runtime_service_binding.verify", &[Provider]),
    own("runtime_service_binding.fail", &[Provider]),
    own("runtime_service_binding.disable", &[Provider]),
    row("workspace.create", &[Api, Platform], Need::Nothing, Level::Workspace),
    needs("workspace.add_member", &[Api], Grant::MembersManage, Level::Workspace),
    needs("workspace.set_role", &[Api], Grant::MembersManage, Level::Workspace),
    needs("workspace.remove_member", &[Api], Grant::MembersManage, Level::Workspace),
    needs("workspace.set_grants", &[Api], Grant::MembersManage, Level::Workspace),
    needs("workspace.grant_support", &[Api], Grant::SupportGrant, Level::Workspace),
    needs("workspace.end_support", &[Api], Grant::SupportGrant, Level::Workspace),
    needs("workspace.invite", &[Api], Grant::MembersManage, Level::Workspace),
    needs("workspace.revoke_invitation", &[Api], Grant::MembersManage, Level::Workspace),
    // Whoever comes belongs to nothing yet; what they have is the secret, and the workspace judges it.
    row("workspace.accept_invitation", &[Api], Need::Nothing, Level::Workspace),
];
