//! Opening a workspace, by whoever becomes its owner. The trap avoided: a contact in clear in the log; it is sealed under a key of its
//! own before the event that holds it.

use super::Workspace;
use crate::{
    fault::{Code, Fault},
    graphql::{
        change::{Bench, Change, Judged, KeyScope, Manner, No, change, decide, payload},
        context::Ask as _,
        member::not_support,
        place::{claim_slug, name, slug},
    },
};
use async_graphql::{Context, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    claim,
    ids::{CorrelationId, SubjectId, WorkspaceId},
    personal::Sealed,
    text::{InvalidText, Name, Slug},
    workspace,
};
use uuid::Uuid;

#[derive(Clone, Debug, InputObject)]
pub(crate) struct WorkspaceCreateInput {
    /// 3 to 63 of a-z, 0-9 and -; globally unique.
    slug: String,
    name: String,
    /// Kept sealed under a key of its own, so that it can be erased.
    contact_email: Option<String>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of workspaceCreate.
    WorkspaceCreatePayload { workspace: created Workspace }
}

#[derive(Debug, Default)]
pub(crate) struct WorkspaceMutation;

#[Object]
impl WorkspaceMutation {
    /// Opens a workspace, with the caller as its owner.
    async fn workspace_create(
        &self,
        ctx: &Context<'_>,
        input: WorkspaceCreateInput,
    ) -> async_graphql::Result<WorkspaceCreatePayload> {
        not_support(ctx)?;
        if ctx.principal().workspace.is_some() {
            return Err(Fault::new(Code::Forbidden, "a token of one workspace opens no other").into());
        }
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let create = Create {
            slug: slug(&input.slug)?,
            name: name(&input.name)?,
            contact_email: input.contact_email.as_deref().map(email).transpose()?,
        };
        Ok(WorkspaceCreatePayload(change(ctx, manner, create).await?))
    }
}

fn email(text: &str) -> Result<String, Fault> {
    const RULE: &str = "an e-mail address of at most 254 characters";
    let plain = Name::parse("contactEmail", &text.chars().take(64).collect::<String>()).is_ok();
    let sound = text.len() <= 254
        && plain
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    if sound {
        Ok(text.to_owned())
    } else {
        let InvalidText { field, rule } = InvalidText::new("contactEmail", RULE);
        Err(Fault::bad_input(field, rule))
    }
}

struct Create {
    slug: Slug,
    name: Name,
    contact_email: Option<String>,
}

impl Change for Create {
    const KEY_SCOPE: KeyScope = KeyScope::Caller;

    fn name(&self) -> &'static str {
        "workspaceCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{:?}", self.slug, self.name, self.contact_email)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: WorkspaceId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, id, CorrelationId(id.0));
        claim_slug(bench, &mut unit, (claim::Kind::WorkspaceSlug, Uuid::nil()), &self.slug, id.0).await?;
        let mut workspace = bench.fresh::<workspace::Workspace>();
        let contact_email = match &self.contact_email {
            Some(email) => Some(seal(bench, id, email).await?),
            None => None,
        };
        let owner = bench.principal.actor;
        let (slug, name) = (self.slug.clone(), self.name.clone());
        let create = workspace::Command::Create { id, slug, name, contact_email, owner };
        decide(&mut unit, &mut workspace, create)?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

/// The subject is the workspace's contact: erasing it leaves the workspace as it is.
async fn seal(bench: &Bench<'_>, id: WorkspaceId, email: &str) -> Result<Sealed, No> {
    let subjects = &bench.ctx.platform().subjects;
    let sealed = subjects.seal(id, SubjectId(id.0), "workspace.contact_email", email).await;
    Ok(sealed.map_err(Fault::internal)?)
}
