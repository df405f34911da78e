//! What each mutation asks the table for. The traps avoided: a mutation that nobody remembered, which is red without a line here,
//! and a command that callers may issue and no mutation does.

use rhone_domain::authorization::{Need, TABLE};
use rhone_tests::schema::Schema;
use std::collections::BTreeSet;

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

const OF_THE_PLATFORM: &str = "a mutation of those who run the platform, which asks for that alone";

/// Commands of callers that no mutation asks for by name, and how each is issued.
const WITHIN: [(&str, &str); 18] = [
    ("cell.create", OF_THE_PLATFORM),
    ("claim.claim", "beside what takes the name"),
    ("claim.release", "beside what gives the name up"),
    ("deployment.validate", "deploymentCreate, of bytes that were registered; and a deploy's own stage"),
    ("host.confirm_upgrade", OF_THE_PLATFORM),
    ("host.cordon", OF_THE_PLATFORM),
    ("host.create", OF_THE_PLATFORM),
    ("host.retire", OF_THE_PLATFORM),
    ("host.set_capacity", OF_THE_PLATFORM),
    ("host.uncordon", OF_THE_PLATFORM),
    ("migrations.record", "by the operation that migrationRecord asks for"),
    ("operation.request_host_drain", OF_THE_PLATFORM),
    ("refusal.record", "by every mutation that is refused"),
    ("region.create", OF_THE_PLATFORM),
    ("route_owner.open", "environmentCreate"),
    ("token.find", "beside what is done with a token that was made outside of the log"),
    ("token.issue", OF_THE_PLATFORM),
    ("token.withdraw", "tokenRevoke, of a machine's"),
];

/// Commands of callers that are neither asked for nor issued beside another.
fn unreachable(asked: &BTreeSet<&str>) -> Vec<&'static str> {
    let of_callers = TABLE.iter().filter(|row| row.need != Need::Nobody).map(|row| row.command);
    of_callers.filter(|command| !asked.contains(command) && !WITHIN.iter().any(|(name, _)| name == command)).collect()
}

#[test]
fn every_command_that_a_caller_may_issue_has_its_mutation() {
    let mutations = Schema::checked_in().mutations.iter();
    let asked: BTreeSet<&str> = mutations
        .filter_map(|mutation| match asks(&mutation.name) {
            Asks::For(command) => Some(command),
            Asks::Nothing | Asks::Platform => None,
        })
        .collect();
    assert_eq!(unreachable(&asked), Vec::<&str>::new());
    let idle = WITHIN.iter().filter(|(name, _)| asked.contains(name) || !TABLE.iter().any(|row| row.command == *name));
    assert_eq!(idle.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "asked for, or no command any more");
    // A mutation that goes leaves its command behind.
    let fewer = asked.iter().copied().filter(|command| *command != "route_owner.freeze").collect();
    assert_eq!(unreachable(&fewer), ["route_owner.freeze"]);
}
