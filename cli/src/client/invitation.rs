//! Inviting from the command line. The trap avoided: asking twice because the first answer was lost; the second one has no
//! secret any more, so what shows one is never repeated.

use super::{
    args::{How, MemberRole},
    connection::{Again, Connection},
    documents,
    failure::Failure,
    mutation::Payload,
    run::{next, not_found},
    show,
};
use crate::output;
use serde_json::{Value, json};

/// What is to be invited.
#[derive(Debug)]
pub(super) struct Invite {
    pub(super) workspace: String,
    pub(super) role: MemberRole,
    pub(super) days: Option<u32>,
}

/// `rhone member invite`.
pub(super) async fn invite(connection: &Connection, asked: Invite, how: &How) -> Result<(), Failure> {
    let seconds = asked.days.map(|days| u64::from(days) * 86_400);
    let input = json!({ "input": {
        "workspaceId": asked.workspace, "role": asked.role.word(), "expiresInSeconds": seconds,
        "idempotencyKey": how.idempotency_key, "dryRun": how.dry_run,
    } });
    let mut answer = connection.ask(documents::MEMBER_INVITE, input, Again::MustNot).await?;
    let payload = Payload::new(answer["memberInvite"].take(), "invitation");
    if how.json || payload.refusal().is_none() {
        show::data(payload.whole(), how.json);
    }
    payload.accepted().map(drop)
}

/// `rhone member list`: who belongs to it, then who may still come in.
pub(super) async fn list(connection: &Connection, workspace: &str, json: bool) -> Result<(), Failure> {
    for (document, field) in [(documents::MEMBERS, "members"), (documents::INVITATIONS, "invitations")] {
        let mut after = None::<String>;
        loop {
            let variables = json!({ "id": workspace, "first": 100, "after": after });
            let mut data = connection.query(document, variables).await?;
            let mut page = data["workspace"][field].take();
            let Value::Array(nodes) = page["nodes"].take() else { return Err(not_found("workspace")) };
            for node in &nodes {
                if json { output::line(node) } else { output::line(told(node)) }
            }
            after = next(&page);
            if after.is_none() {
                break;
            }
        }
    }
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
