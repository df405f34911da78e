//! Whether exactly these bytes were validated, and what they say of themselves is on record. Traps: rebuilding, or promoting what
//! merely has the same name; bytes that say nothing taken for bytes that need nothing. A way back is not held up by it.

use super::{Code, Facts, Judged, Refusal};
use crate::operation::Kind;

pub(crate) const KIND: &str = "artifact";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let (wanted, deployment) = (facts.change.artifact, facts.deployment);
    let refusal = |reason: &str| Refusal::new(Code::NotValidated, Some("deploymentId"), reason);
    match (&deployment.validated, &deployment.failed) {
        (_, Some(reason)) => Judged::closed(KIND, refusal(reason), wanted.to_string()),
        (Some(validated), None) if validated.digest == wanted && is_mute(facts) => {
            Judged::closed(KIND, refusal("what these bytes say of themselves is not on record"), wanted.to_string())
        }
        (Some(validated), None) if validated.digest == wanted => {
            Judged::open(KIND, "exactly these bytes were validated", validated.checks.join("; "))
        }
        (Some(validated), None) => {
            Judged::closed(KIND, refusal("other bytes were validated"), validated.digest.to_string())
        }
        (None, None) => Judged::closed(KIND, refusal("the deployment is not validated"), wanted.to_string()),
    }
}

/// Whether a promotion is asked of bytes of which nothing is known but their digest.
fn is_mute(facts: &Facts<'_>) -> bool {
    facts.next.is_none() && facts.requested.kind() == Kind::Promotion
}
