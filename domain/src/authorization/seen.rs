//! Who may see what the API answers: each object of its schema, and a field where that is for others than its object. A new
//! object, and a new field of a root, gets a word here; without one nobody sees it, and the schema's tests are red. The API asks
//! this table for every field that it resolves; which of a tenant's things are whose is for the ways to them and for row-level
//! security. The trap avoided: a field that is guarded where it is usually reached, by whoever wrote that way to it.

use crate::actor::{UnknownWord, words};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, str::FromStr, sync::LazyLock};

words! {
    /// Who may see something. To read is no grant (see `Grant`): it goes by what one belongs to and by what one shows.
    Audience {
        /// Those who belong to the workspace, and support in their name.
        Tenants = "tenants",
        /// Everybody with a token or a session.
        Everybody = "everybody",
        /// Those who run the platform.
        Platform = "platform",
        /// The person alone: not support in their name, and no token that is less than they are.
        Person = "person",
        /// Whoever issued the command that it answers; the commands' own table says who may.
        Issuer = "issuer",
    }
}

/// Who may see a field: by its own row, or else by its object's. None: nobody.
pub fn audience(object: &str, field: &str) -> Option<Audience> {
    let rows = ROWS.get(object)?;
    rows.fields.get(field).copied().or(rows.object)
}

/// The rows about one object.
#[derive(Default)]
struct Rows {
    object: Option<Audience>,
    fields: HashMap<&'static str, Audience>,
}

/// The table, by object: it is asked for every field of every answer.
static ROWS: LazyLock<HashMap<&'static str, Rows>> = LazyLock::new(|| {
    let mut found: HashMap<_, Rows> = HashMap::new();
    for (audience, names) in SEEN {
        for name in *names {
            match name.split_once('.') {
                Some((object, field)) => _ = found.entry(object).or_default().fields.insert(field, *audience),
                None => found.entry(name).or_default().object = Some(*audience),
            }
        }
    }
    found
});

/// The table: objects, and `Object.field` where a field has a row of its own.
pub const SEEN: &[(Audience, &[&str])] = &[
    (Audience::Tenants, TENANTS),
    (Audience::Tenants, TENANTS_PAGES),
    (
        Audience::Tenants,
        &["Subscription.events", "Subscription.logLines", "Subscription.operation", "Subscription.route"],
    ),
    (Audience::Everybody, EVERYBODY),
    (
        Audience::Platform,
        &[
            "Cell.affordances",
            "CellAffordances",
            "Host",
            "HostAffordances",
            "HostEdge",
            "Region.affordances",
            "RegionAffordances",
        ],
    ),
    (Audience::Person, &["EndedSession", "Session", "Viewer.endedSessions", "Viewer.sessions"]),
    (Audience::Issuer, ISSUER),
];

const TENANTS: &[&str] = &[
    "Affordance",
    "Allocation",
    "AllocationAffordances",
    "App",
    "AppAffordances",
    "AppReplay",
    "AppSource",
    "AppStep",
    "Artifact",
    "Binding",
    "BindingAffordances",
    "BuiltArtifact",
    "CaughtUp",
    "CausationNode",
    "CausationTree",
    "CustomGrants",
    "DeployProgress",
    "Deployment",
    "DeploymentSource",
    "DrainingOwner",
    "EdgeAnswer",
    "EnabledRegion",
    "EnteredStage",
    "Environment",
    "EnvironmentAffordances",
    "EnvironmentChange",
    "FailoverPlan",
    "FetchedSource",
    "Gate",
    "Invitation",
    "InvitationAffordances",
    "LateEvidence",
    "LogLine",
    "Member",
    "MemberAffordances",
    "MissingService",
    "Operation",
    "OperationFailure",
    "OperationLine",
    "OperationProgress",
    "PageInfo",
    "Pin",
    "PresentService",
    "PrintedLines",
    "Project",
    "ProjectAffordances",
    "ProviderBinding",
    "Quarantine",
    "Query.app",
    "Query.artifact",
    "Query.causationTree",
    "Query.deployment",
    "Query.environment",
    "Query.node",
    "Query.operation",
    "Query.project",
    "Query.replay",
    "Query.supportBundle",
    "Query.why",
    "Query.workspace",
    "Readiness",
    "RecordedMigration",
    "RefusedAttempt",
    "RegionReadiness",
    "RegionStanding",
    "RegionStandingAffordances",
    "Replay",
    "ReplayStep",
    "Requester",
    "Resync",
    "RouteChange",
    "RouteChangeImpact",
    "RouteChangePlan",
    "RouteOwner",
    "RouteSnapshot",
    "RuntimeServiceBinding",
    "ScalePlan",
    "ScaleReadiness",
    "SourceCredential",
    "SourceCredentialAffordances",
    "StateChange",
    "StreamDifference",
    "SupportAccess",
    "SupportAccessAffordances",
    "SupportBundle",
    "TimelineEntry",
    "Variable",
    "VariableChange",
    "VariableDifference",
    "VariableSet",
    "Viewer.grants",
    "Why",
    "Workspace",
    "WorkspaceAffordances",
];

/// Pages of these.
const TENANTS_PAGES: &[&str] = &[
    "AppConnection",
    "AppEdge",
    "AppStepConnection",
    "AppStepEdge",
    "ArtifactConnection",
    "ArtifactEdge",
    "DeploymentConnection",
    "DeploymentEdge",
    "EnvironmentConnection",
    "EnvironmentEdge",
    "InvitationConnection",
    "InvitationEdge",
    "LogLineConnection",
    "LogLineEdge",
    "MemberConnection",
    "MemberEdge",
    "OperationConnection",
    "OperationEdge",
    "OperationLineConnection",
    "OperationLineEdge",
    "ProjectConnection",
    "ProjectEdge",
    "ReplayConnection",
    "ReplayEdge",
    "ReplayStepConnection",
    "ReplayStepEdge",
    "StreamDifferenceConnection",
    "StreamDifferenceEdge",
    "TimelineEntryConnection",
    "TimelineEntryEdge",
];

/// The platform's places and tables, and what is the caller's own whoever that is.
const EVERYBODY: &[&str] = &[
    "Account",
    "ApiToken",
    "ApiTokenAffordances",
    "ApiTokenConnection",
    "ApiTokenEdge",
    "AuthorizationRow",
    "Cell",
    "CellConnection",
    "CellEdge",
    "Edge",
    // A page without hosts for who does not run the platform.
    "HostConnection",
    // The id by which it was asked for; the rest of it is its object's.
    "Node",
    "NounDescription",
    "Query.authorizationTable",
    "Query.objectModel",
    "Query.rateLimit",
    "Query.regions",
    "Query.stateTaxonomy",
    "Query.viewer",
    "Query.workspaces",
    "RateLimit",
    "Region",
    "RegionConnection",
    "RegionEdge",
    "StateClass",
    "Viewer",
    // What is in them is the caller's own.
    "WorkspaceConnection",
    "WorkspaceEdge",
];

/// Mutations, and what they answer.
const ISSUER: &[&str] = &[
    "Mutation",
    "PlannedEvent",
    "UserError",
    "AllocationDrainPayload",
    "AppCreatePayload",
    "AppImportPayload",
    "AppSourceCredentialPayload",
    "AppSourcePayload",
    "ArtifactRegisterPayload",
    "CellCreatePayload",
    "DeploymentBuildPayload",
    "DeploymentCreatePayload",
    "DeploymentImportPayload",
    "DeploymentPromotePayload",
    "EnvironmentCreatePayload",
    "EnvironmentDrainPolicySetPayload",
    "EnvironmentFailoverPayload",
    "EnvironmentPolicySetPayload",
    "EnvironmentRegionDisablePayload",
    "EnvironmentRegionEnablePayload",
    "EnvironmentResidencySetPayload",
    "EnvironmentRollBackPayload",
    "EnvironmentScalePayload",
    "EnvironmentSleepPolicySetPayload",
    "EnvironmentVariablesPayload",
    "HostCreatePayload",
    "HostPayload",
    "InvitationAcceptPayload",
    "InvitationRevokePayload",
    "MemberInvitePayload",
    "MemberPayload",
    "MigrationRecordPayload",
    "MigrationRestorePayload",
    "OperationCancelPayload",
    "ProjectCreatePayload",
    "PromotionApprovePayload",
    "ProviderBindingPayload",
    "RegionCreatePayload",
    "RouteOwnerPayload",
    "RuntimeServiceBindingPayload",
    "SessionRevokeOthersPayload",
    "SessionRevokePayload",
    "SupportAccessPayload",
    "TokenPayload",
    "TokenRevokePayload",
    "WorkspaceCreatePayload",
];

#[cfg(test)]
mod tests {
    //! That the table fits the schema is tested in `api/tests/schema.rs`.
    use super::*;

    #[test]
    fn a_fields_own_row_is_asked_before_its_objects_and_without_any_nobody_sees_it() {
        assert_eq!(audience("Viewer", "actor"), Some(Audience::Everybody));
        assert_eq!(audience("Viewer", "sessions"), Some(Audience::Person));
        assert_eq!(audience("Query", "app"), Some(Audience::Tenants));
        assert_eq!(audience("Query", "somethingNew"), None);
        assert_eq!(audience("SomethingNew", "id"), None);
        assert_eq!(audience("Viewer.sessions", "id"), None, "a field's row is no object's");
    }

    #[test]
    fn nothing_stands_in_the_table_twice() {
        let mut names: Vec<_> = SEEN.iter().flat_map(|(_, names)| names.iter()).collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
