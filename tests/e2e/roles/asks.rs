//! What each mutation asks the table for. The trap avoided: a mutation that nobody remembered; one without a line here is red.

/// What a mutation asks the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asks {
    /// The right to issue this command.
    For(&'static str),
    /// Nothing: it is about the caller alone.
    Nothing,
    /// To run the platform.
    Platform,
}

pub(super) fn asks(mutation: &str) -> Asks {
    Asks::For(match mutation {
        "workspaceCreate" => "workspace.create",
        "projectCreate" => "project.create",
        "appCreate" => "app.create",
        "environmentCreate" => "environment.create",
        "artifactRegister" => "artifact.create",
        "deploymentCreate" => "deployment.create",
        "deploymentPromote" => "operation.request_promotion",
        "environmentRollBack" => "operation.request_rollback",
        "environmentHostAttach" => "route_owner.attach_host",
        "environmentHostDetach" => "route_owner.detach_host",
        "environmentFreeze" => "route_owner.freeze",
        "environmentUnfreeze" => "route_owner.unfreeze",
        "environmentPinRelease" => "route_owner.release_pin",
        "environmentQuarantineLift" => "route_owner.lift_quarantine",
        "environmentPolicySet" => "environment.set_policy",
        "promotionApprove" => "environment.approve",
        "migrationRecord" => "operation.request_migration",
        "migrationRestore" => "migrations.restore",
        "environmentSleep" => "operation.request_sleep",
        "environmentWake" => "operation.request_wake",
        "environmentSleepPolicySet" => "environment.set_sleep_policy",
        "environmentDrainPolicySet" => "environment.set_drain_policy",
        "deploymentBuild" | "deploymentImport" => "operation.request_deploy",
        "environmentScale" => "operation.request_scale",
        "environmentResidencySet" => "environment.set_residency",
        "environmentRegionEnable" => "operation.request_region_enablement",
        "environmentRegionDisable" => "environment.disable_region",
        "environmentFailover" => "operation.request_region_failover",
        "allocationDrain" => "operation.request_drain",
        "providerBindingCreate" => "provider_binding.request",
        "providerBindingVerify" | "providerBindingRotate" | "providerBindingDisable" => {
            "operation.request_provider_binding"
        }
        "runtimeServiceBindingCreate" => "runtime_service_binding.request",
        "runtimeServiceBindingVerify" | "runtimeServiceBindingRotate" | "runtimeServiceBindingDisable" => {
            "operation.request_runtime_service_binding"
        }
        "environmentVariablesSet" | "environmentVariableUnset" => "variables.change",
        "appImport" => "app.import",
        "appSourceSet" => "app.set_source",
        "appSourceRemove" => "app.remove_source",
        "appSourceCredentialSet" => "app.set_source_credential",
        "appSourceCredentialRemove" => "app.remove_source_credential",
        "operationCancel" => "operation.request_cancel",
        "memberAdd" => "workspace.add_member",
        "memberRoleSet" => "workspace.set_role",
        "memberRemove" => "workspace.remove_member",
        "memberProjectGrantsSet" | "memberEnvironmentGrantsSet" => "workspace.set_grants",
        "supportAccessGrant" => "workspace.grant_support",
        "supportAccessEnd" => "workspace.end_support",
        "memberInvite" => "workspace.invite",
        "invitationRevoke" => "workspace.revoke_invitation",
        "invitationAccept" => "workspace.accept_invitation",
        "tokenCreate" => "token.create",
        "tokenRevoke" => "token.revoke",
        "tokenRotate" => "token.rotate",
        "sessionRevoke" | "sessionRevokeOthers" => return Asks::Nothing,
        "runnerTokenCreate" | "edgeTokenCreate" | "supportTokenCreate" | "regionCreate" | "cellCreate"
        | "hostCreate" | "hostCordon" | "hostUncordon" | "hostCapacitySet" | "hostDrain" | "hostUpgradeDone"
        | "hostRetire" => {
            return Asks::Platform;
        }
        other => panic!("nobody said who may do {other}: add a line to {}", file!()),
    })
}
