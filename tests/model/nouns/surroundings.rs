//! Allocations and databases, asked through pages as the other nouns are: what a runner reports and what is recorded of a
//! migration is judged by the real rules. The trap: an allocation that is ready because the model says so.

use super::{Nouns, Report, SOMEBODY, deployment_of, told};
use crate::book::{NONE, Page};
use rhone_domain::{
    allocation::{self, Allocation, Placement, Planned},
    database_impact::Impact,
    digest::Digest,
    ids::AllocationId,
    migrations::{self, RanBy},
    numbers::Epoch,
    text::{MigrationName, Proof},
};
use rhone_tests::rules::{DRAIN, HOST, Move, bytes, deployment, environment, opened, owner};
use uuid::Uuid;

impl Nouns {
    /// Whether an allocation answers in this environment with exactly the bytes of this deployment.
    pub(crate) fn answers(&self, allocation: Page, lane: usize, of: usize) -> bool {
        allocation != NONE
            && self.answering.ask((allocation, lane, of), |_| {
                let one = self.allocations.read(allocation);
                let meant = one.planned.as_ref().is_some_and(|planned| {
                    (planned.environment, planned.deployment) == (environment(lane), deployment(of))
                });
                meant && one.state == Some(allocation::State::Ready) && one.verified == Some(bytes(of))
            })
    }

    /// An allocation that is ordered for a deployment in an environment; one is like the other.
    pub(crate) fn planned(&self, lane: usize, of: usize) -> Page {
        self.plans.ask((lane, of), |_| {
            let deployed = deployment_of(of);
            let validated = deployed.validated.as_ref().expect("every deployment here is validated");
            let id = AllocationId(Uuid::from_u128(deployment(of).0.as_u128() << 8 | lane as u128));
            let placement = Placement { id, host: HOST, min_epoch: Epoch(0) };
            let command =
                allocation::Command::Plan(Planned::of(&opened(lane), &owner(of), validated, DRAIN, placement));
            self.allocations.enter(told(&Allocation::default(), command).expect("a new allocation"))
        })
    }

    /// An allocation as a worker ordered it, under the one name of those like it: no decision tells them apart.
    pub(crate) fn ordered(&self, step: Page, lane: usize, of: usize) -> Page {
        self.ordered.ask((step, lane, of), |_| {
            let Move::Plan(planned) = Move::clone(&self.moves.read(step)) else { return NONE };
            let like = self.allocations.read(self.planned(lane, of));
            let id = like.planned.as_ref().expect("it was planned").id;
            let command = allocation::Command::Plan(Planned { id, ..planned });
            self.allocations.enter(told(&Allocation::default(), command).expect("a new allocation"))
        })
    }

    /// An allocation after its runner's reports, as far as they are believed; the same page if nothing has changed.
    pub(crate) fn reported(&self, allocation: Page, report: Report) -> Page {
        self.reports.ask((allocation, report), |_| {
            let mut one = Allocation::clone(&self.allocations.read(allocation));
            let digest = one.planned.as_ref().expect("it was planned").artifact;
            let failed = allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None };
            let reports = match report {
                Report::ComesUp if one.state != Some(allocation::State::Planned) => return allocation,
                Report::ComesUp => vec![
                    allocation::Command::ReportPulling,
                    allocation::Command::ReportStarting { digest },
                    allocation::Command::ReportReady { digest, address: "127.0.0.1:7000".into() },
                ],
                Report::Fails => vec![failed],
            };
            for report in reports {
                one = told(&one, report).unwrap_or(one);
            }
            self.allocations.enter(one)
        })
    }

    /// The database after a destructive migration at this epoch.
    pub(crate) fn migrated(&self, migrations: Page, lane: usize, epoch: u8) -> Page {
        self.ran.ask((migrations, lane, epoch), |_| {
            let before = self.migrations.read(migrations);
            let nth = u8::try_from(before.ran.len()).expect("few migrations");
            let recorded = migrations::Recorded {
                environment: environment(lane),
                id: MigrationName::parse("id", &format!("drop-{nth}")).expect("a name"),
                digest: Digest([nth; 32]),
                impact: Impact::Destructive,
                epoch: Epoch(epoch.into()),
                ran_by: RanBy::External,
                evidence: Proof::parse("evidence", "a log").expect("a proof"),
                by: SOMEBODY,
            };
            let command = migrations::Command::Record(recorded);
            self.migrations.enter(told(&*before, command).expect("a new migration"))
        })
    }
}
