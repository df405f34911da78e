//! An artifact against its naive model: the same bytes of the same tenant are the same for ever, and what was first read in them
//! is what they say.

use super::*;
use crate::{
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{ACME, BLUE_BYTES, GREEN_BYTES},
};
use proptest::prelude::*;

const GLOBEX: WorkspaceId = WorkspaceId(Uuid::from_u128(0x610be));
const HEALTH: [&str; 2] = ["/", "/health"];

/// Which, whose, which bytes, and what was read in them.
type Life = (u128, WorkspaceId, Digest, &'static str);

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Life>);

impl Model for Naive {
    type Noun = Artifact;
    type Act = Life;

    fn act() -> BoxedStrategy<Life> {
        let (whose, bytes) = (vec![ACME, GLOBEX], vec![BLUE_BYTES, GREEN_BYTES]);
        let read = prop::sample::select(HEALTH.to_vec());
        (1..=2_u128, prop::sample::select(whose), prop::sample::select(bytes), read).boxed()
    }

    fn tell(&mut self, act: &Life) -> Answer {
        match self.0 {
            None => {
                self.0 = Some(*act);
                Changed
            }
            Some((which, whose, bytes, _)) if (which, whose, bytes) == (act.0, act.1, act.2) => AlreadySo,
            Some(_) => Refused("ALREADY_EXISTS"),
        }
    }

    fn command((which, workspace, digest, health): &Life) -> Command {
        let facts = ArtifactFacts { health_path: (*health).into(), ..ArtifactFacts::default() };
        let id = ArtifactId(Uuid::from_u128(*which));
        Command::Create(Created { id, workspace: *workspace, digest: *digest, size: 1, facts })
    }

    fn seen(noun: &Artifact) -> Self {
        let life = |known: &Created| {
            let health = HEALTH.into_iter().find(|path| *path == known.facts.health_path).expect("one of the two");
            (known.id.0.as_u128(), known.workspace, known.digest, health)
        };
        Self(noun.created.as_ref().map(life))
    }
}

/// The trap of the noun: what was promoted is made again under its name.
fn takes_other_bytes(noun: &Artifact, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id && known.digest != again.digest => Ok(vec![Event::Created(again)]),
        _ => noun.decide(Command::Create(again)),
    }
}

/// A later program reads more in the same bytes, and what they need changes under a promotion.
fn says_what_was_read_last(noun: &Artifact, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if are_the_same_bytes(known, &again) && known.facts != again.facts => {
            Ok(vec![Event::Created(again)])
        }
        _ => noun.decide(Command::Create(again)),
    }
}

fn forgets_whose_it_is(noun: &Artifact, Command::Create(mut again): Command) -> Result<Vec<Event>, Rejection> {
    again.workspace = noun.created.as_ref().map_or(again.workspace, |known| known.workspace);
    noun.decide(Command::Create(again))
}

#[test]
fn random_commands_find_the_artifact_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("TakesOtherBytes", Ways::deciding(takes_other_bytes)),
        ("SaysWhatWasReadLast", Ways::deciding(says_what_was_read_last)),
        ("ForgetsWhoseItIs", Ways::deciding(forgets_whose_it_is)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
    ]);
}
