//! An artifact is created once.

mod model;

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created {
        id: ArtifactId(Uuid::from_u128(n)),
        workspace: WorkspaceId(Uuid::from_u128(9)),
        digest: Digest::of(&[&[u8::try_from(n).expect("small")]]),
        size: 1,
        facts: ArtifactFacts::default(),
    }
}

#[test]
fn an_artifact_is_created_once_and_the_same_again_is_no_event() {
    given::<Artifact>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Artifact>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn the_same_bytes_read_by_a_later_program_are_the_same_artifact() {
    let mut more = created(1);
    more.facts.health_path = "/health".into();
    given::<Artifact>([Event::Created(created(1))]).when(Command::Create(more)).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Artifact>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}
