//! An environment is created once, with a drain policy within bounds.

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

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
}
