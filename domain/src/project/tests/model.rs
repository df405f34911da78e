//! A project against its naive model: it is made once, and it is one tenant's for ever.

use super::*;
use crate::{
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{ACME, name, slug},
};
use proptest::prelude::*;

const GLOBEX: WorkspaceId = WorkspaceId(Uuid::from_u128(0x610be));
const SLUGS: [&str; 2] = ["sites", "shops"];
const NAMES: [&str; 2] = ["Sites", "Shops"];

/// Which, whose, known as what, and called what by people.
type Life = (u128, WorkspaceId, &'static str, &'static str);

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Life>);

/// Which of these a text is.
fn one_of(texts: [&'static str; 2], text: &str) -> &'static str {
    texts.into_iter().find(|one| *one == text).expect("one of the two")
}

impl Model for Naive {
    type Noun = Project;
    type Act = Life;

    fn act() -> BoxedStrategy<Life> {
        let of = |texts: [&'static str; 2]| prop::sample::select(texts.to_vec());
        (1..=2_u128, prop::sample::select(vec![ACME, GLOBEX]), of(SLUGS), of(NAMES)).boxed()
    }

    fn tell(&mut self, act: &Life) -> Answer {
        match self.0 {
            None => {
                self.0 = Some(*act);
                Changed
            }
            Some(life) if life == *act => AlreadySo,
            Some(_) => Refused("ALREADY_EXISTS"),
        }
    }

    fn command((which, workspace, known_as, called): &Life) -> Command {
        let id = ProjectId(Uuid::from_u128(*which));
        Command::Create(Created { id, workspace: *workspace, slug: slug(known_as), name: name(called) })
    }

    fn seen(noun: &Project) -> Self {
        let life = |known: &Created| {
            let (slug, name) = (one_of(SLUGS, known.slug.as_str()), one_of(NAMES, known.name.as_str()));
            (known.id.0.as_u128(), known.workspace, slug, name)
        };
        Self(noun.created.as_ref().map(life))
    }
}

/// Whoever knows a project's id takes it over.
fn goes_to_another_tenant(noun: &Project, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id && known.workspace != again.workspace => Ok(vec![Event::Created(again)]),
        _ => noun.decide(Command::Create(again)),
    }
}

/// What a build wrote for its settings becomes them.
fn is_renamed_by_making_it_again(noun: &Project, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id && known.name != again.name => Ok(vec![Event::Created(again)]),
        _ => noun.decide(Command::Create(again)),
    }
}

#[test]
fn random_commands_find_the_project_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("GoesToAnotherTenant", Ways::deciding(goes_to_another_tenant)),
        ("IsRenamedByMakingItAgain", Ways::deciding(is_renamed_by_making_it_again)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
        ("ForgetsThatItExists", Ways::applying(|_, _| {})),
    ]);
}
