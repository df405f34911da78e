//! Inviting from the command line.

use super::{
    args::MemberRole,
    connection::Connection,
    documents,
    failure::Failure,
    mutation::MEMBER_INVITE,
    run::{Asking, next, not_found},
    show,
};
use serde_json::{Value, json};

/// What is to be invited.
#[derive(Debug)]
pub(super) struct Invite {
    pub(super) workspace: String,
    pub(super) role: MemberRole,
    pub(super) days: Option<u32>,
}

/// `rhone member invite`.
pub(super) async fn invite(asking: &Asking<'_>, asked: Invite) -> Result<(), Failure> {
    let seconds = asked.days.map(|days| u64::from(days) * 86_400);
    let input = json!({ "workspaceId": asked.workspace, "role": asked.role.word(), "expiresInSeconds": seconds });
    asking.change_once(&MEMBER_INVITE, input).await
}

/// `rhone member list`: who belongs to it, then who may still come in.
pub(super) async fn list(connection: &Connection, workspace: &str, json: bool) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (document, field) in [(documents::MEMBERS, "members"), (documents::INVITATIONS, "invitations")] {
        let mut after = None::<String>;
        loop {
            let variables = json!({ "id": workspace, "first": 100, "after": after });
            let mut data = connection.query(document, variables).await?;
            let mut page = data["workspace"][field].take();
            let Value::Array(nodes) = page["nodes"].take() else { return Err(not_found("workspace")) };
            all.extend(nodes);
            after = next(&page);
            if after.is_none() {
                break;
            }
        }
    }
    show::list(&all, json, told);
    Ok(())
}

/// A member or an invitation, for people.
fn told(node: &Value) -> String {
    let word = |name: &str| node[name].as_str().unwrap_or_default();
    match node["actor"].as_str() {
        Some(actor) => format!("{actor}  {}  {}", word("role").to_lowercase(), word("actorName")).trim_end().to_owned(),
        None => format!("{}  {}, invited until {}", word("id"), word("role").to_lowercase(), word("expiresAt")),
    }
}
