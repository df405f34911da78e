//! Whether exactly these bytes were validated. Trap: rebuilding, or promoting what merely has the same name.

use super::{Code, Facts, Judged, Refusal};

pub(crate) const KIND: &str = "artifact";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let (wanted, deployment) = (facts.change.artifact, facts.deployment);
    let refusal = |reason: &str| Refusal::new(Code::NotValidated, Some("deploymentId"), reason);
    match (&deployment.validated, &deployment.failed) {
        (_, Some(reason)) => Judged::closed(KIND, refusal(reason), wanted.to_string()),
        (Some(validated), None) if validated.digest == wanted => {
            Judged::open(KIND, "exactly these bytes were validated", validated.checks.join("; "))
        }
        (Some(validated), None) => {
            Judged::closed(KIND, refusal("other bytes were validated"), validated.digest.to_string())
        }
        (None, None) => Judged::closed(KIND, refusal("the deployment is not validated"), wanted.to_string()),
    }
}
