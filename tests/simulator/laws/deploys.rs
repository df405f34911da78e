//! What a deploy owes: a release on record in the append that says it was built, judged bytes before it is ready, and one
//! promotion at most, asked for in the append that ends it well.

use super::{Verdict, here, law};
use rhone_domain::{
    deploy::{Deploy, Then},
    deployment,
    digest::Digest,
    operation::Stage,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

struct Making {
    deployment: Uuid,
    then: Then,
    made: Option<Digest>,
    validated: bool,
    promotion: Option<Uuid>,
}

/// All deploys, by their operations.
#[derive(Default)]
pub(super) struct Deploys {
    makings: BTreeMap<Uuid, Making>,
}

impl Deploys {
    pub(super) fn asked(&mut self, id: Uuid, deploy: &Deploy) -> Verdict {
        law(!self.makes(deploy.deployment.0), || "two deploys make one release".into())?;
        let (deployment, then) = (deploy.deployment.0, deploy.then);
        self.makings.insert(id, Making { deployment, then, made: None, validated: false, promotion: None });
        Ok(())
    }

    /// Which deploy makes this release.
    pub(super) fn making(&self, deployment: Uuid) -> Option<Uuid> {
        self.makings.iter().find(|(_, making)| making.deployment == deployment).map(|(id, _)| *id)
    }

    pub(super) fn makes(&self, deployment: Uuid) -> bool {
        self.making(deployment).is_some()
    }

    pub(super) fn entered(&mut self, id: Uuid, stage: Stage, promotion: Option<Uuid>, append: &[Recorded]) -> Verdict {
        let making = self.makings.get(&id).ok_or("a deploy that nobody asked for")?;
        if stage == Stage::Validating {
            let built = here(append, making.deployment, "deployment.created");
            return law(built, || "a deploy was built and no release is on record".into());
        }
        if stage != Stage::PreviewReady {
            return law(promotion.is_none(), || "a deploy promotes before it is ready".into());
        }
        law(making.validated, || "a deploy is ready and nobody judged its bytes".into())?;
        match (making.then, promotion) {
            (Then::Stay, named) => law(named.is_none(), || "a deploy promotes what shall stay".into()),
            (Then::Promote, Some(named)) => law(here(append, named, "operation.requested"), || {
                "a deploy names a promotion of another append".into()
            }),
            (Then::Promote, None) => Err("a deploy is ready and promotes nothing".into()),
        }
    }

    pub(super) fn promotion_asked(&mut self, promotion: Uuid, deployment: Uuid, append: &[Recorded]) -> Verdict {
        let by = self.making(deployment).ok_or("a release that nobody makes")?;
        law(here(append, by, "operation.stage_entered"), || "a promotion without the deploy that asks for it".into())?;
        let making = self.makings.get_mut(&by).ok_or("a deploy that nobody asked for")?;
        law(making.promotion.is_none(), || "a deploy asked for its promotion twice".into())?;
        making.promotion = Some(promotion);
        Ok(())
    }

    /// What a release's event says; the digest, when it was found to be fit.
    pub(super) fn release(
        &mut self,
        event: &Recorded,
        stage: Option<Stage>,
        append: &[Recorded],
    ) -> Result<Option<Digest>, String> {
        let deployment = event.envelope.stream.id();
        let by = self.making(deployment).ok_or("a release that nobody makes")?;
        let making = self.makings.get_mut(&by).ok_or("a deploy that nobody asked for")?;
        match event.decode().map_err(|error| error.to_string())? {
            deployment::Event::Created(created) => {
                law(here(append, by, "operation.stage_entered"), || "a release before its deploy says so".into())?;
                making.made = Some(created.digest);
                Ok(None)
            }
            deployment::Event::Validated(validated) => {
                law(stage == Some(Stage::Validating), || format!("a release was judged at {stage:?}"))?;
                law(making.made == Some(validated.digest), || "other bytes were judged than were made".into())?;
                making.validated = true;
                Ok(Some(validated.digest))
            }
            deployment::Event::Failed { .. } => Ok(None),
        }
    }
}
