//! An environment is created once, with a drain policy within bounds.

use super::*;
use crate::{
    aggregate::given,
    story::{FIRST, SECOND, because},
};
use uuid::Uuid;

mod model;
mod residency;

fn created(n: u128) -> Created {
    Created {
        id: EnvironmentId(Uuid::from_u128(n)),
        workspace: WorkspaceId(Uuid::from_u128(9)),
        project: ProjectId(Uuid::from_u128(8)),
        app: AppId(Uuid::from_u128(7)),
        slug: Slug::parse("slug", "production").expect("a slug"),
        kind: Kind::Production,
        region: RegionId(Uuid::from_u128(6)),
        cell: CellId(Uuid::from_u128(5)),
        drain: DrainPolicy::default(),
    }
}

#[test]
fn an_environment_is_created_once_and_the_same_again_is_no_event() {
    given::<Environment>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Environment>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
    given::<Environment>([Event::Created(created(1))])
        .when(Command::Create(created(2)))
        .then_rejected(&Rejection::Exists);
}

#[test]
fn a_drain_beyond_its_bounds_is_rejected() {
    let cases = [
        (DrainPolicy { drain_seconds: 604_801, standby_seconds: 0 }, Rejection::DrainTooLong),
        (DrainPolicy { drain_seconds: 0, standby_seconds: 86_401 }, Rejection::StandbyTooLong),
    ];
    for (drain, rejection) in cases {
        given::<Environment>([]).when(Command::Create(Created { drain, ..created(1) })).then_rejected(&rejection);
    }
    let longest = Created { drain: DrainPolicy { drain_seconds: 604_800, standby_seconds: 86_400 }, ..created(1) };
    given::<Environment>([]).when(Command::Create(longest.clone())).then([Event::Created(longest)]);
}

const TWO: Replicas = Replicas(2);
const THREE: Replicas = Replicas(3);

fn scale(by: OperationId, expected: Replicas, replicas: Replicas) -> Command {
    Command::Scale { by, expected, replicas }
}

#[test]
fn an_environment_wants_one_allocation_until_it_is_scaled_by_compare_and_swap() {
    let existing = || vec![Event::Created(created(1))];
    let scaled = |by, replicas| Event::Scaled { by, replicas };
    assert_eq!(crate::aggregate::fold::<Environment>(&existing()).replicas, Replicas::ONE);
    given::<Environment>([]).when(scale(FIRST, Replicas::ONE, TWO)).then_rejected(&Rejection::NotFound);
    given::<Environment>(existing()).when(scale(FIRST, Replicas::ONE, TWO)).then([scaled(FIRST, TWO)]);
    let after = || [existing(), vec![scaled(FIRST, TWO)]].concat();
    given::<Environment>(after()).when(scale(FIRST, Replicas::ONE, TWO)).then([]);
    let stale = Rejection::StaleReplicas { expected: Replicas::ONE, actual: TWO };
    given::<Environment>(after()).when(scale(SECOND, Replicas::ONE, THREE)).then_rejected(&stale);
    given::<Environment>(after()).when(scale(SECOND, TWO, THREE)).then([scaled(SECOND, THREE)]);
}

#[test]
fn a_number_of_replicas_is_within_its_bounds() {
    for (number, within) in [(0, false), (1, true), (32, true), (33, false), (256, false), (257, false)] {
        assert_eq!(Replicas::new(number).map(|replicas| u64::from(replicas.0)), within.then_some(number));
    }
}

#[test]
fn the_same_sleep_policy_again_is_no_event_and_a_month_is_the_longest() {
    let policy = |sleep_after_seconds| SleepPolicy { sleep_after_seconds };
    let given = || given::<Environment>([Event::Created(created(1)), Event::SleepPolicySet(policy(60))]);
    given().when(Command::SetSleepPolicy(policy(60))).then([]);
    given().when(Command::SetSleepPolicy(policy(61))).then([Event::SleepPolicySet(policy(61))]);
    given().when(Command::SetSleepPolicy(policy(2_592_000))).then([Event::SleepPolicySet(policy(2_592_000))]);
    given().when(Command::SetSleepPolicy(policy(2_592_001))).then_rejected(&Rejection::SleepTooLong);
}

#[test]
fn how_sessions_end_is_as_it_was_created_until_it_is_said_otherwise() {
    let policy = |drain_seconds, standby_seconds| DrainPolicy { drain_seconds, standby_seconds };
    let (first, set) = (DrainPolicy::default(), Event::DrainPolicySet(policy(5, 6)));
    let given = |more: &[Event]| given::<Environment>([&[Event::Created(created(1))], more].concat());
    given(&[]).when(Command::SetDrainPolicy(first)).then([]);
    given(&[]).when(Command::SetDrainPolicy(policy(5, 6))).then([set.clone()]);
    let is_set = || given(std::slice::from_ref(&set));
    is_set().when(Command::SetDrainPolicy(policy(5, 6))).then([]);
    is_set().when(Command::SetDrainPolicy(first)).then([Event::DrainPolicySet(first)]);
    given(&[]).when(Command::SetDrainPolicy(policy(604_801, 0))).then_rejected(&Rejection::DrainTooLong);
    given(&[]).when(Command::SetDrainPolicy(policy(0, 86_401))).then_rejected(&Rejection::StandbyTooLong);
    let fold = |events: &[Event]| crate::aggregate::fold::<Environment>(events).drain();
    assert_eq!((fold(&[]), fold(&[Event::Created(created(1))])), (first, first));
    assert_eq!(fold(&[Event::Created(created(1)), set]), policy(5, 6));
}

#[test]
fn an_approval_is_of_this_environment_or_of_none_here() {
    let approval = |environment| Approval {
        by: ActorId(Uuid::from_u128(4)),
        environment,
        deployment: DeploymentId(Uuid::from_u128(3)),
        artifact: Digest([1; 32]),
        expected_epoch: Epoch(2),
    };
    let (here, elsewhere) = (approval(created(1).id), approval(created(2).id));
    let given = |events: &[Event]| given::<Environment>([&[Event::Created(created(1))], events].concat());
    given(&[]).when(Command::Approve(elsewhere)).then_rejected(&Rejection::NotFound);
    let approved = Event::PromotionApproved(here.clone());
    given(&[]).when(Command::Approve(here.clone())).then([approved.clone()]);
    given(&[approved]).when(Command::Approve(here)).then([]);
}

#[test]
fn the_same_policy_again_is_no_event_and_ten_approvals_are_the_most() {
    let policy = |approvals_required| Policy { approvals_required };
    let set = |approvals_required| Command::SetPolicy { policy: policy(approvals_required), reason: because("audit") };
    let is_set = |approvals_required| Event::PolicySet { policy: policy(approvals_required), reason: because("audit") };
    let given = || given::<Environment>([Event::Created(created(1)), is_set(2)]);
    given().when(set(2)).then([]);
    given().when(set(3)).then([is_set(3)]);
    given().when(set(10)).then([is_set(10)]);
    given().when(set(11)).then_rejected(&Rejection::TooManyApprovals);
}
