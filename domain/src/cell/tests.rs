//! A cell is created once.

mod model;

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created {
        id: CellId(Uuid::from_u128(n)),
        region: RegionId(Uuid::from_u128(9)),
        slug: Slug::parse("slug", "cell-1").expect("a slug"),
    }
}

#[test]
fn a_cell_is_created_once_and_the_same_again_is_no_event() {
    given::<Cell>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Cell>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Cell>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}
