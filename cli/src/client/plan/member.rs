//! What the words of members and of support mean.

use super::Plan;
use crate::client::{
    args::{MemberIs, MemberVerb, SupportVerb},
    invitation::Invite,
    mutation,
};
use serde_json::json;

pub(super) fn member(verb: MemberVerb) -> Plan {
    let is = |MemberIs { member, workspace, role }: MemberIs| json!({ "workspaceId": workspace, "memberId": member, "role": role.word() });
    match verb {
        MemberVerb::Invite { workspace, role, days } => Plan::Invite(Invite { workspace, role, days }),
        MemberVerb::List { workspace } => Plan::Members(workspace),
        MemberVerb::Add(member) => Plan::Change(&mutation::MEMBER_ADD, is(member)),
        MemberVerb::Role(member) => Plan::Change(&mutation::MEMBER_ROLE_SET, is(member)),
        MemberVerb::Remove { member, workspace } => {
            let input = json!({ "workspaceId": workspace, "memberId": member });
            Plan::Change(&mutation::MEMBER_REMOVE, input)
        }
        MemberVerb::Grants { member, project, environment, grants } => {
            let (mutation, field, id) = match project {
                Some(project) => (&mutation::PROJECT_GRANTS_SET, "projectId", Some(project)),
                None => (&mutation::ENVIRONMENT_GRANTS_SET, "environmentId", environment),
            };
            Plan::Change(mutation, json!({ field: id, "memberId": member, "grants": grants }))
        }
        MemberVerb::Revoke { invitation, workspace } => {
            let input = json!({ "workspaceId": workspace, "invitationId": invitation });
            Plan::Change(&mutation::INVITATION_REVOKE, input)
        }
    }
}

pub(super) fn support(verb: SupportVerb) -> Plan {
    match verb {
        SupportVerb::Grant { workspace, reason, hours } => {
            let seconds = u64::from(hours) * 3_600;
            let input = json!({ "workspaceId": workspace, "reason": reason, "seconds": seconds });
            Plan::Change(&mutation::SUPPORT_GRANT, input)
        }
        SupportVerb::End { access, workspace } => {
            Plan::Change(&mutation::SUPPORT_END, json!({ "workspaceId": workspace, "accessId": access }))
        }
        SupportVerb::Token { access, name } => {
            Plan::Telling(&mutation::SUPPORT_TOKEN_CREATE, json!({ "accessId": access, "name": name }))
        }
    }
}
