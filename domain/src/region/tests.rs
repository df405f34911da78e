//! A region is created once.

mod model;

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created {
        id: RegionId(Uuid::from_u128(n)),
        slug: Slug::parse("slug", "lyon").expect("a slug"),
        name: Name::parse("name", "Lyon").expect("a name"),
    }
}

#[test]
fn a_region_is_created_once_and_the_same_again_is_no_event() {
    given::<Region>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Region>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Region>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}
