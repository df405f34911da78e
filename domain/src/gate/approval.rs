//! Whether enough others approved exactly this. Trap: an approval of something else; it is of one deployment, of these bytes,
//! to this environment, at this epoch, and nobody approves their own request. A rollback waits for nobody.

use super::{Code, Facts, Judged, Refusal};
use crate::operation::Work;

const KIND: &str = "approval";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let required = usize::from(facts.environment.policy.approvals_required);
    if matches!(facts.requested.work, Work::Rollback(_)) {
        return Judged::open(KIND, "a rollback waits for nobody's approval", "0 of 0");
    }
    if required == 0 {
        return Judged::open(KIND, "this environment asks for no approval", "0 of 0");
    }
    let change = facts.change;
    let by =
        facts.environment.approved_by(change.deployment, change.artifact, change.expected_epoch, change.requested_by);
    let evidence = format!("{} of {required}", by.len());
    if by.len() >= required {
        let who = by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Judged::open(KIND, format!("approved by {who}"), evidence);
    }
    let message = format!(
        "{required} others must approve exactly this: deployment {}, {}, at epoch {}; {} did",
        change.deployment,
        change.artifact,
        change.expected_epoch,
        by.len()
    );
    let mut refusal = Refusal::new(Code::ApprovalMissing, Some("environmentId"), message);
    refusal.expected_and_actual = Some((format!("{required} approvals"), format!("{} approvals", by.len())));
    Judged::closed(KIND, refusal, evidence)
}
