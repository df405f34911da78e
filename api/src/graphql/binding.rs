//! What provider bindings and runtime service bindings have in common in the API: asking for one, proving it again, changing
//! its credential, ending it. Each is accepted as an operation that the workers carry on. The trap avoided: an address with its
//! password in what is kept of a request; the fingerprint holds a keyed digest, the event a reference, the vault the rest.

mod affordances;
mod ask;
mod shown;

pub(crate) use affordances::BindingAffordances;
pub(crate) use ask::{Ask, Asked, Home, Noun, home};
pub(crate) use shown::Shown;

use super::{change::Manner, id, variables::HiddenText};
use crate::fault::Fault;
use async_graphql::{Context, ID};
use rhone_domain::{
    binding::Change,
    digest::Digest,
    hidden::Hidden,
    ids::{BindingId, EnvironmentId},
    operation::Kind,
};
use rhone_projections::authority::operations;
use rhone_providers::probe::{self, Target};

/// Where something is and with what it is reached, as it came in.
pub(crate) struct Address {
    pub(crate) secret: Option<Hidden>,
    pub(crate) endpoint: String,
    pub(crate) digest: Option<Digest>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.endpoint, self.digest)
    }
}

/// Reads an address of this kind; what is kept of it for comparison is a keyed digest.
pub(crate) async fn address(
    ctx: &Context<'_>,
    home: &Home,
    kind: probe::Kind,
    url: Option<HiddenText>,
) -> Result<Address, Fault> {
    use super::context::{Ask as _, begin};
    let secret = url.map(HiddenText::into_hidden);
    let target = Target::parse(kind, secret.as_ref().map(Hidden::expose));
    let target = target.map_err(|invalid| Fault::bad_input("url", invalid.to_string()))?;
    let digest = match &secret {
        None => None,
        Some(secret) => {
            let mut transaction = begin(ctx).await?;
            let vault = &ctx.platform().vault;
            let digester = vault.digester(&mut transaction, home.created.workspace, home.created.app).await;
            transaction.commit().await.map_err(Fault::internal)?;
            Some(digester.map_err(Fault::internal)?.of(home.created.id, "url", secret))
        }
    };
    Ok(Address { secret, endpoint: target.endpoint(), digest })
}

/// Where a binding is, if the caller may see it.
pub(crate) async fn environment_of(
    ctx: &Context<'_>,
    binding: BindingId,
    kind: Kind,
) -> Result<Option<EnvironmentId>, Fault> {
    let mut transaction = super::context::begin(ctx).await?;
    operations::environment_of(&mut transaction, binding, kind).await.map_err(Fault::internal)
}

/// An existing binding that is to be changed.
pub(crate) async fn alter<N: Noun>(
    ctx: &Context<'_>,
    (environment, field, binding): (&ID, &'static str, &ID),
    change: Change,
    manner: &Manner,
    name: &'static str,
) -> Result<Ask<N>, Fault> {
    let environment: EnvironmentId = id::read("environmentId", environment)?;
    let binding: BindingId = id::read(field, binding)?;
    let home = home(ctx, environment).await?;
    let asked = Asked::Alter { binding, field, change, address: None, reason: None };
    Ok(Ask::new(name, home, asked, manner))
}
