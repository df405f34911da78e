//! A project is created once.

mod model;

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created {
        id: ProjectId(Uuid::from_u128(n)),
        workspace: WorkspaceId(Uuid::from_u128(9)),
        slug: Slug::parse("slug", "shop").expect("a slug"),
        name: Name::parse("name", "Shop").expect("a name"),
    }
}

#[test]
fn a_project_is_created_once_and_the_same_again_is_no_event() {
    given::<Project>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Project>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Project>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}
