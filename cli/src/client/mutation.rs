//! The mutations by name, and what their payloads are asked for. The trap avoided: a field asked for here and not there; every
//! payload is asked for the same, and its object for what `documents` says.

use super::{
    documents::{APP_SOURCE, DEPLOYMENT, ENVIRONMENT, OPERATION, ROUTE_OWNER, SOURCE_CREDENTIALS, VARIABLES},
    failure::{Failure, Refusal},
};
use serde_json::Value;

/// A mutation of the schema.
#[derive(Debug)]
pub struct Mutation {
    /// As in the schema.
    pub name: &'static str,
    /// The type of its input.
    pub input: &'static str,
    /// The payload's field with what was changed.
    pub object: &'static str,
    /// What is asked of that; nothing where the operation says it all, for the object waits for the read models.
    pub selection: &'static str,
    /// What it tells besides, once.
    pub told: &'static str,
}

impl Mutation {
    const fn of(name: &'static str, input: &'static str, object: &'static str, selection: &'static str) -> Self {
        Self { name, input, object, selection, told: "" }
    }

    /// The same of one that tells a secret.
    const fn telling(self) -> Self {
        Self { told: "secret", ..self }
    }

    /// As it is sent.
    pub(crate) fn document(&self) -> String {
        let Self { name, input, object, selection, told } = self;
        let object = if selection.is_empty() { String::new() } else { format!("{object} {{ {selection} }}") };
        format!(
            "mutation($input: {input}!) {{ {name}(input: $input) {{ {told} {object} operation {{ {OPERATION} }} \
             replayed position plannedEvents {{ stream version type payload }} \
             userErrors {{ code field message expected actual gates {{ kind state reason evidence }} }} }} }}"
        )
    }
}

const NAMED: &str = "id slug name createdAt version";
const PLACED: &str = "id slug createdAt version";

pub(crate) const REGION_CREATE: Mutation = Mutation::of("regionCreate", "RegionCreateInput", "region", NAMED);
pub(crate) const CELL_CREATE: Mutation = Mutation::of("cellCreate", "CellCreateInput", "cell", PLACED);
pub(crate) const HOST_CREATE: Mutation = Mutation::of("hostCreate", "HostCreateInput", "host", PLACED);
const HOST: &str = "id slug state capacity createdAt version";
pub(crate) const HOST_RETIRE: Mutation = Mutation::of("hostRetire", "HostReasonInput", "host", HOST);
pub(crate) const HOST_CORDON: Mutation = Mutation::of("hostCordon", "HostReasonInput", "host", HOST);
pub(crate) const HOST_UNCORDON: Mutation = Mutation::of("hostUncordon", "HostReasonInput", "host", HOST);
pub(crate) const HOST_CAPACITY_SET: Mutation = Mutation::of("hostCapacitySet", "HostCapacitySetInput", "host", HOST);
pub(crate) const HOST_DRAIN: Mutation = Mutation::of("hostDrain", "HostDrainInput", "host", HOST);
pub(crate) const HOST_UPGRADE_DONE: Mutation = Mutation::of("hostUpgradeDone", "HostUpgradeDoneInput", "host", HOST);
pub(crate) const WORKSPACE_CREATE: Mutation =
    Mutation::of("workspaceCreate", "WorkspaceCreateInput", "workspace", NAMED);
pub(crate) const PROJECT_CREATE: Mutation = Mutation::of("projectCreate", "ProjectCreateInput", "project", NAMED);
pub(crate) const APP_CREATE: Mutation = Mutation::of("appCreate", "AppCreateInput", "app", NAMED);
pub(crate) const APP_IMPORT: Mutation = Mutation::of("appImport", "AppImportInput", "app", APP_SOURCE);
pub(crate) const APP_SOURCE_SET: Mutation = Mutation::of("appSourceSet", "AppSourceSetInput", "app", APP_SOURCE);
pub(crate) const APP_SOURCE_REMOVE: Mutation =
    Mutation::of("appSourceRemove", "AppSourceRemoveInput", "app", APP_SOURCE);
pub(crate) const ENVIRONMENT_CREATE: Mutation =
    Mutation::of("environmentCreate", "EnvironmentCreateInput", "environment", ENVIRONMENT);
pub(crate) const DRAIN_POLICY_SET: Mutation =
    Mutation::of("environmentDrainPolicySet", "EnvironmentDrainPolicySetInput", "environment", ENVIRONMENT);
pub(crate) const SCALE: Mutation = Mutation::of("environmentScale", "EnvironmentScaleInput", "environment", "");
pub(crate) const SLEEP: Mutation =
    Mutation::of("environmentSleep", "EnvironmentPostureInput", "routeOwner", ROUTE_OWNER);
pub(crate) const WAKE: Mutation = Mutation::of("environmentWake", "EnvironmentPostureInput", "routeOwner", ROUTE_OWNER);
pub(crate) const SLEEP_POLICY_SET: Mutation =
    Mutation::of("environmentSleepPolicySet", "EnvironmentSleepPolicySetInput", "environment", ENVIRONMENT);
pub(crate) const POLICY_SET: Mutation =
    Mutation::of("environmentPolicySet", "EnvironmentPolicySetInput", "environment", ENVIRONMENT);
pub(crate) const RESIDENCY_SET: Mutation =
    Mutation::of("environmentResidencySet", "EnvironmentResidencySetInput", "environment", ENVIRONMENT);
pub(crate) const REGION_ENABLE: Mutation =
    Mutation::of("environmentRegionEnable", "EnvironmentRegionEnableInput", "environment", "");
pub(crate) const REGION_DISABLE: Mutation =
    Mutation::of("environmentRegionDisable", "EnvironmentRegionDisableInput", "environment", ENVIRONMENT);
pub(crate) const FAILOVER: Mutation =
    Mutation::of("environmentFailover", "EnvironmentFailoverInput", "environment", "");
pub(crate) const ALLOCATION_DRAIN: Mutation =
    Mutation::of("allocationDrain", "AllocationDrainInput", "environment", "");
pub(crate) const PROMOTION_APPROVE: Mutation =
    Mutation::of("promotionApprove", "PromotionApproveInput", "environment", ENVIRONMENT);
pub(crate) const MIGRATION_RECORD: Mutation = Mutation::of("migrationRecord", "MigrationRecordInput", "deployment", "");
pub(crate) const MIGRATION_RESTORE: Mutation =
    Mutation::of("migrationRestore", "MigrationRestoreInput", "environment", ENVIRONMENT);
pub(crate) const ARTIFACT_REGISTER: Mutation =
    Mutation::of("artifactRegister", "ArtifactRegisterInput", "artifact", "id digest size facts createdAt version");
pub(crate) const DEPLOYMENT_CREATE: Mutation =
    Mutation::of("deploymentCreate", "DeploymentCreateInput", "deployment", DEPLOYMENT);
pub(crate) const DEPLOYMENT_BUILD: Mutation =
    Mutation::of("deploymentBuild", "DeploymentBuildInput", "environment", "");
pub(crate) const DEPLOYMENT_IMPORT: Mutation =
    Mutation::of("deploymentImport", "DeploymentImportInput", "environment", "");
pub(crate) const DEPLOYMENT_PROMOTE: Mutation =
    Mutation::of("deploymentPromote", "DeploymentPromoteInput", "deployment", "");
pub(crate) const ROLL_BACK: Mutation =
    Mutation::of("environmentRollBack", "EnvironmentRollBackInput", "deployment", "");
pub(crate) const HOST_ATTACH: Mutation =
    Mutation::of("environmentHostAttach", "EnvironmentHostInput", "routeOwner", ROUTE_OWNER);
pub(crate) const HOST_DETACH: Mutation =
    Mutation::of("environmentHostDetach", "EnvironmentHostInput", "routeOwner", ROUTE_OWNER);
pub(crate) const FREEZE: Mutation =
    Mutation::of("environmentFreeze", "EnvironmentReasonInput", "routeOwner", ROUTE_OWNER);
pub(crate) const UNFREEZE: Mutation =
    Mutation::of("environmentUnfreeze", "EnvironmentReasonInput", "routeOwner", ROUTE_OWNER);
pub(crate) const PIN_RELEASE: Mutation =
    Mutation::of("environmentPinRelease", "EnvironmentReasonInput", "routeOwner", ROUTE_OWNER);
pub(crate) const QUARANTINE_LIFT: Mutation =
    Mutation::of("environmentQuarantineLift", "EnvironmentQuarantineLiftInput", "routeOwner", ROUTE_OWNER);
pub(crate) const OPERATION_CANCEL: Mutation =
    Mutation::of("operationCancel", "OperationCancelInput", "cancelled", "id stage ended cancelReason");

pub(crate) const VARIABLES_SET: Mutation =
    Mutation::of("environmentVariablesSet", "EnvironmentVariablesSetInput", "environment", VARIABLES);
pub(crate) const VARIABLE_UNSET: Mutation =
    Mutation::of("environmentVariableUnset", "EnvironmentVariableUnsetInput", "environment", VARIABLES);

pub(crate) const SOURCE_CREDENTIAL_SET: Mutation =
    Mutation::of("appSourceCredentialSet", "AppSourceCredentialSetInput", "app", SOURCE_CREDENTIALS);
pub(crate) const SOURCE_CREDENTIAL_REMOVE: Mutation =
    Mutation::of("appSourceCredentialRemove", "AppSourceCredentialRemoveInput", "app", SOURCE_CREDENTIALS);

pub(crate) const PROVIDER_CREATE: Mutation =
    Mutation::of("providerBindingCreate", "ProviderBindingCreateInput", "environment", "");
pub(crate) const PROVIDER_VERIFY: Mutation =
    Mutation::of("providerBindingVerify", "ProviderBindingVerifyInput", "environment", "");
pub(crate) const PROVIDER_ROTATE: Mutation =
    Mutation::of("providerBindingRotate", "ProviderBindingRotateInput", "environment", "");
pub(crate) const PROVIDER_DISABLE: Mutation =
    Mutation::of("providerBindingDisable", "ProviderBindingDisableInput", "environment", "");
pub(crate) const SERVICE_CREATE: Mutation =
    Mutation::of("runtimeServiceBindingCreate", "RuntimeServiceBindingCreateInput", "environment", "");
pub(crate) const SERVICE_VERIFY: Mutation =
    Mutation::of("runtimeServiceBindingVerify", "RuntimeServiceBindingVerifyInput", "environment", "");
pub(crate) const SERVICE_ROTATE: Mutation =
    Mutation::of("runtimeServiceBindingRotate", "RuntimeServiceBindingRotateInput", "environment", "");
pub(crate) const SERVICE_DISABLE: Mutation =
    Mutation::of("runtimeServiceBindingDisable", "RuntimeServiceBindingDisableInput", "environment", "");

const WORKSPACE: &str = "id slug name version";
pub(crate) const MEMBER_ADD: Mutation = Mutation::of("memberAdd", "MemberRoleInput", "workspace", WORKSPACE);
pub(crate) const MEMBER_ROLE_SET: Mutation = Mutation::of("memberRoleSet", "MemberRoleInput", "workspace", WORKSPACE);
pub(crate) const MEMBER_REMOVE: Mutation = Mutation::of("memberRemove", "MemberRemoveInput", "workspace", WORKSPACE);
pub(crate) const PROJECT_GRANTS_SET: Mutation =
    Mutation::of("memberProjectGrantsSet", "MemberProjectGrantsSetInput", "workspace", WORKSPACE);
pub(crate) const ENVIRONMENT_GRANTS_SET: Mutation =
    Mutation::of("memberEnvironmentGrantsSet", "MemberEnvironmentGrantsSetInput", "workspace", WORKSPACE);
const SUPPORT_ACCESS: &str = "id reason until ended version";
pub(crate) const SUPPORT_GRANT: Mutation =
    Mutation::of("supportAccessGrant", "SupportAccessGrantInput", "supportAccess", SUPPORT_ACCESS);
pub(crate) const SUPPORT_END: Mutation =
    Mutation::of("supportAccessEnd", "SupportAccessEndInput", "supportAccess", SUPPORT_ACCESS);

pub(crate) const INVITATION_REVOKE: Mutation =
    Mutation::of("invitationRevoke", "InvitationRevokeInput", "workspace", "id slug name");
pub(crate) const INVITATION_ACCEPT: Mutation =
    Mutation::of("invitationAccept", "InvitationAcceptInput", "workspace", "id slug name");

pub(crate) const MEMBER_INVITE: Mutation =
    Mutation::of("memberInvite", "MemberInviteInput", "invitation", "id role expiresAt").telling();
const TOKEN: &str = "tokenId name hint workspaceId grants createdAt expiresAt rotatedAt revokedAt";
pub(crate) const TOKEN_CREATE: Mutation = Mutation::of("tokenCreate", "TokenCreateInput", "token", TOKEN).telling();
pub(crate) const TOKEN_ROTATE: Mutation = Mutation::of("tokenRotate", "TokenRotateInput", "token", TOKEN).telling();
pub(crate) const TOKEN_REVOKE: Mutation = Mutation::of("tokenRevoke", "TokenRevokeInput", "token", TOKEN);
pub(crate) const EDGE_TOKEN_CREATE: Mutation =
    Mutation::of("edgeTokenCreate", "EdgeTokenCreateInput", "token", TOKEN).telling();
pub(crate) const RUNNER_TOKEN_CREATE: Mutation =
    Mutation::of("runnerTokenCreate", "RunnerTokenCreateInput", "token", TOKEN).telling();

pub(crate) const SUPPORT_TOKEN_CREATE: Mutation =
    Mutation::of("supportTokenCreate", "SupportTokenCreateInput", "token", TOKEN).telling();

#[cfg(test)]
pub(crate) const ALL: [&Mutation; 71] = [
    &REGION_CREATE,
    &CELL_CREATE,
    &HOST_CREATE,
    &HOST_RETIRE,
    &HOST_CORDON,
    &HOST_UNCORDON,
    &HOST_CAPACITY_SET,
    &HOST_DRAIN,
    &HOST_UPGRADE_DONE,
    &WORKSPACE_CREATE,
    &PROJECT_CREATE,
    &APP_CREATE,
    &APP_IMPORT,
    &APP_SOURCE_SET,
    &APP_SOURCE_REMOVE,
    &ENVIRONMENT_CREATE,
    &DRAIN_POLICY_SET,
    &SCALE,
    &SLEEP,
    &WAKE,
    &SLEEP_POLICY_SET,
    &POLICY_SET,
    &RESIDENCY_SET,
    &REGION_ENABLE,
    &REGION_DISABLE,
    &FAILOVER,
    &ALLOCATION_DRAIN,
    &PROMOTION_APPROVE,
    &MIGRATION_RECORD,
    &MIGRATION_RESTORE,
    &ARTIFACT_REGISTER,
    &DEPLOYMENT_CREATE,
    &DEPLOYMENT_BUILD,
    &DEPLOYMENT_IMPORT,
    &DEPLOYMENT_PROMOTE,
    &ROLL_BACK,
    &HOST_ATTACH,
    &HOST_DETACH,
    &FREEZE,
    &UNFREEZE,
    &PIN_RELEASE,
    &QUARANTINE_LIFT,
    &OPERATION_CANCEL,
    &VARIABLES_SET,
    &VARIABLE_UNSET,
    &SOURCE_CREDENTIAL_SET,
    &SOURCE_CREDENTIAL_REMOVE,
    &PROVIDER_CREATE,
    &PROVIDER_VERIFY,
    &PROVIDER_ROTATE,
    &PROVIDER_DISABLE,
    &SERVICE_CREATE,
    &SERVICE_VERIFY,
    &SERVICE_ROTATE,
    &SERVICE_DISABLE,
    &MEMBER_ADD,
    &MEMBER_ROLE_SET,
    &MEMBER_REMOVE,
    &PROJECT_GRANTS_SET,
    &ENVIRONMENT_GRANTS_SET,
    &SUPPORT_GRANT,
    &SUPPORT_END,
    &INVITATION_REVOKE,
    &INVITATION_ACCEPT,
    &MEMBER_INVITE,
    &TOKEN_CREATE,
    &TOKEN_ROTATE,
    &TOKEN_REVOKE,
    &EDGE_TOKEN_CREATE,
    &RUNNER_TOKEN_CREATE,
    &SUPPORT_TOKEN_CREATE,
];

/// The answer of a mutation.
#[derive(Clone, Debug)]
pub struct Payload {
    whole: Value,
    object: &'static str,
}

impl Payload {
    pub(crate) fn new(whole: Value, object: &'static str) -> Self {
        Self { whole, object }
    }

    /// As the API answered.
    pub fn whole(&self) -> &Value {
        &self.whole
    }

    /// What was created or changed; null when it was refused.
    pub fn object(&self) -> &Value {
        &self.whole[self.object]
    }

    /// The id of that.
    pub fn id(&self) -> Result<String, Failure> {
        let id = self.object()["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| Failure::Unexpected(format!("no id of the {} in the payload", self.object)))
    }

    /// The operation that carries it on.
    pub fn operation(&self) -> Option<&str> {
        self.whole["operation"]["id"].as_str()
    }

    /// Whether it is the answer of an earlier request under the same key.
    pub fn is_replayed(&self) -> bool {
        self.whole["replayed"] == true
    }

    /// Where the log stands with it.
    pub fn position(&self) -> Option<&str> {
        self.whole["position"].as_str()
    }

    /// What the first rule that said no said.
    pub fn refusal(&self) -> Option<Refusal> {
        self.whole["userErrors"].get(0).map(Refusal::read)
    }

    /// The payload, unless a rule said no.
    pub fn accepted(self) -> Result<Self, Failure> {
        match self.refusal() {
            Some(refusal) => Err(Failure::Refused(Box::new(refusal))),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is sent is what the schema has; what is answered is told apart.
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mutation_is_in_the_schema_with_that_input() {
        let schema = include_str!("../../../api/schema.graphql");
        for Mutation { name, input, .. } in ALL {
            assert!(schema.contains(&format!("\t{name}(input: {input}!):")), "{name}({input})");
        }
    }

    /// What a person does in a browser, where sessions are.
    const OF_THE_BROWSER: [&str; 2] = ["sessionRevoke", "sessionRevokeOthers"];

    #[test]
    fn every_mutation_of_the_schema_has_a_command() {
        let schema = include_str!("../../../api/schema.graphql");
        let (_, rest) = schema.split_once("\ntype Mutation {\n").expect("it has mutations");
        let (mutations, _) = rest.split_once("\n}\n").expect("they end");
        let names = mutations.lines().filter_map(|line| Some(line.strip_prefix('\t')?.split_once("(input:")?.0));
        let without = names.filter(|name| !ALL.iter().any(|one| one.name == *name)).collect::<Vec<_>>();
        assert_eq!(without, OF_THE_BROWSER);
    }

    #[test]
    fn a_payload_with_user_errors_is_a_refusal() {
        let refused = json!({ "region": null, "userErrors": [{ "code": "NAME_TAKEN", "message": "taken" }] });
        let failure = Payload::new(refused, "region").accepted().expect_err("it was refused");
        assert_eq!(failure.exit_code(), 4);
        let payload = Payload::new(json!({ "region": { "id": "reg_1" }, "userErrors": [] }), "region");
        assert_eq!(payload.accepted().expect("accepted").id().expect("an id"), "reg_1");
    }
}
