//! What the words of places, workspaces, projects and apps mean.

use super::Plan;
use crate::client::{
    args::{AppVerb, CellVerb, HostReasoned, HostVerb, Named, ProjectVerb, RegionVerb, WorkspaceVerb},
    list, mutation,
};
use serde_json::{Value, json};

fn called(Named { slug, name }: Named, mut input: Value) -> Value {
    input["name"] = json!(name.unwrap_or_else(|| slug.clone()));
    input["slug"] = json!(slug);
    input
}

pub(super) fn region(verb: RegionVerb) -> Plan {
    match verb {
        RegionVerb::Create(named) => Plan::Change(&mutation::REGION_CREATE, called(named, json!({}))),
        RegionVerb::List => Plan::List(&list::REGIONS, None),
    }
}

pub(super) fn cell(verb: CellVerb) -> Plan {
    match verb {
        CellVerb::Create { region, slug } => {
            Plan::Change(&mutation::CELL_CREATE, json!({ "regionId": region, "slug": slug }))
        }
        CellVerb::List { region } => Plan::List(&list::CELLS, Some(region)),
    }
}

pub(super) fn host(verb: HostVerb) -> Plan {
    let reasoned = |HostReasoned { host, reason }| json!({ "hostId": host, "reason": reason });
    match verb {
        HostVerb::Create { cell, slug } => {
            Plan::Change(&mutation::HOST_CREATE, json!({ "cellId": cell, "slug": slug }))
        }
        HostVerb::Cordon(why) => Plan::Change(&mutation::HOST_CORDON, reasoned(why)),
        HostVerb::Uncordon(why) => Plan::Change(&mutation::HOST_UNCORDON, reasoned(why)),
        HostVerb::Retire(why) => Plan::Change(&mutation::HOST_RETIRE, reasoned(why)),
        HostVerb::Capacity { host, allocations } => {
            Plan::Change(&mutation::HOST_CAPACITY_SET, json!({ "hostId": host, "capacity": allocations }))
        }
        HostVerb::Drain { reasoned: why, within_seconds } => {
            let mut input = reasoned(why);
            input["timeoutSeconds"] = json!(within_seconds);
            Plan::Change(&mutation::HOST_DRAIN, input)
        }
        HostVerb::UpgradeDone { host, operation, os_version, runner_version, note } => {
            let input = json!({
                "hostId": host, "operationId": operation, "osVersion": os_version, "runnerVersion": runner_version,
                "note": note,
            });
            Plan::Change(&mutation::HOST_UPGRADE_DONE, input)
        }
        HostVerb::List { cell } => Plan::List(&list::HOSTS, Some(cell)),
    }
}

pub(super) fn project(verb: ProjectVerb) -> Plan {
    match verb {
        ProjectVerb::Create { workspace, named } => {
            Plan::Change(&mutation::PROJECT_CREATE, called(named, json!({ "workspaceId": workspace })))
        }
        ProjectVerb::List { workspace } => Plan::List(&list::PROJECTS, Some(workspace)),
    }
}

pub(super) fn workspace(verb: WorkspaceVerb) -> Plan {
    match verb {
        WorkspaceVerb::Create { named, contact_email } => {
            Plan::Change(&mutation::WORKSPACE_CREATE, called(named, json!({ "contactEmail": contact_email })))
        }
        WorkspaceVerb::List => Plan::List(&list::WORKSPACES, None),
    }
}

pub(super) fn app(verb: AppVerb) -> Plan {
    match verb {
        AppVerb::Create { project, named } => {
            Plan::Change(&mutation::APP_CREATE, called(named, json!({ "projectId": project })))
        }
        AppVerb::Import { url, project, slug, name, reference } => {
            let input = json!({
                "projectId": project, "repository": url, "reference": reference, "slug": slug, "name": name,
            });
            Plan::Change(&mutation::APP_IMPORT, input)
        }
        AppVerb::SourceSet { url, app, reference, expected_version } => {
            let input = json!({
                "appId": app, "repository": url, "reference": reference, "expectedVersion": expected_version,
            });
            Plan::Change(&mutation::APP_SOURCE_SET, input)
        }
        AppVerb::SourceRemove { app, expected_version } => {
            let input = json!({ "appId": app, "expectedVersion": expected_version });
            Plan::Change(&mutation::APP_SOURCE_REMOVE, input)
        }
        AppVerb::List { project } => Plan::List(&list::APPS, Some(project)),
        AppVerb::Show { app } => Plan::App(app),
        AppVerb::Timeline { app, environment } => Plan::Timeline { app, environment },
    }
}
