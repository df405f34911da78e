//! What the words of deployments, allocations and migrations mean.

use super::{Plan, acknowledged};
use crate::client::{
    args::{AllocationVerb, DeploymentVerb, MigrationVerb},
    list, mutation,
};
use serde_json::json;

pub(super) fn deployment(verb: DeploymentVerb) -> Plan {
    match verb {
        DeploymentVerb::Create { app, digest, dir, environment } => match dir {
            Some(folder) => Plan::Deploy { app, folder, environment },
            None => {
                let input = json!({ "appId": app, "artifactDigest": digest, "environmentId": environment });
                Plan::Change(&mutation::DEPLOYMENT_CREATE, input)
            }
        },
        DeploymentVerb::List { app } => Plan::List(&list::DEPLOYMENTS, Some(app)),
        DeploymentVerb::Show { deployment } => Plan::Deployment(deployment),
        DeploymentVerb::Approve { deployment, environment, digest, expected_epoch } => {
            let input = json!({
                "deploymentId": deployment, "environmentId": environment, "artifactDigest": digest,
                "expectedRouteEpoch": expected_epoch,
            });
            Plan::Change(&mutation::PROMOTION_APPROVE, input)
        }
        DeploymentVerb::Promote { deployment, environment, expected_epoch, reason } => {
            let input = json!({
                "deploymentId": deployment, "environmentId": environment,
                "expectedRouteEpoch": expected_epoch, "reason": reason,
            });
            Plan::Change(&mutation::DEPLOYMENT_PROMOTE, input)
        }
    }
}

pub(super) fn allocation(verb: AllocationVerb) -> Plan {
    let AllocationVerb::Drain { allocation, drain_seconds } = verb;
    let input = json!({ "allocationId": allocation, "drainSeconds": drain_seconds });
    Plan::Change(&mutation::ALLOCATION_DRAIN, input)
}

pub(super) fn migration(verb: MigrationVerb) -> Plan {
    match verb {
        MigrationVerb::Record { migration, environment, deployment, evidence, acknowledgements } => {
            let input = json!({
                "environmentId": environment, "deploymentId": deployment, "migrationId": migration,
                "evidence": evidence, "acknowledgements": acknowledged(&acknowledgements),
            });
            Plan::Change(&mutation::MIGRATION_RECORD, input)
        }
        MigrationVerb::Restore { migration, environment, evidence, reason } => {
            let input = json!({
                "environmentId": environment, "migrationId": migration, "evidence": evidence, "reason": reason,
            });
            Plan::Change(&mutation::MIGRATION_RESTORE, input)
        }
    }
}
