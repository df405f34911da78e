//! An app against its naive model: whether it is there, where it comes from, the credential that it holds for each host, and
//! how many there were.

use super::{
    App, Command, Event, Rejection, Source, created, host, remove, set,
    source::{imported, set_source},
};
use crate::{
    aggregate::Aggregate as _,
    digest::Digest,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, changed_if, holds,
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOSTS: [&str; 2] = ["git.example.com", "registry.example.com"];
const USERS: [&str; 2] = ["alice", "bob"];
const SECRETS: [&str; 2] = ["one", "two"];
const REPOSITORIES: [&str; 2] = ["https://git.example.com/shop", "https://git.example.com/moved"];
/// The first is what is meant of a repository of which nothing else was said.
const REFERENCES: [&str; 3] = ["HEAD", "main", "next"];

#[derive(Clone, Copy, Debug)]
enum Act {
    Create(u128),
    Import(u128, Whence),
    SetSource { repository: usize, reference: Option<usize> },
    RemoveSource,
    Set { host: usize, user: usize, secret: usize },
    Remove(usize),
}

/// A repository and a reference.
type Whence = (usize, usize);

/// A user, a secret, and the how manieth of the host it is.
type Held = (usize, usize, u64);

#[derive(Debug, Default, PartialEq)]
struct Naive {
    which: Option<u128>,
    source: Option<Whence>,
    held: BTreeMap<usize, Held>,
    /// How many there ever were for each host.
    ever: BTreeMap<usize, u64>,
}

impl Model for Naive {
    type Noun = App;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let set = (0..HOSTS.len(), 0..USERS.len(), 0..SECRETS.len());
        let from = (0..REPOSITORIES.len(), 0..REFERENCES.len());
        let said = (0..REPOSITORIES.len(), prop::option::of(0..REFERENCES.len()));
        prop_oneof![
            2 => (1..=2_u128).prop_map(Act::Create),
            2 => ((1..=2_u128), from).prop_map(|(which, from)| Act::Import(which, from)),
            3 => said.prop_map(|(repository, reference)| Act::SetSource { repository, reference }),
            1 => Just(Act::RemoveSource),
            4 => set.prop_map(|(host, user, secret)| Act::Set { host, user, secret }),
            2 => (0..HOSTS.len()).prop_map(Act::Remove),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match (self.which, *act) {
            (None, Act::Create(which)) => self.which = Some(which),
            (None, Act::Import(which, from)) => (self.which, self.source) = (Some(which), Some(from)),
            (None, _) => return Refused("NOT_FOUND"),
            (Some(known), Act::Create(which)) if known == which => return AlreadySo,
            (Some(known), Act::Import(which, from)) if (known, self.source) == (which, Some(from)) => return AlreadySo,
            (Some(_), Act::Create(_) | Act::Import(..)) => return Refused("ALREADY_EXISTS"),
            (Some(_), Act::SetSource { repository, reference }) => {
                let before = self.source.map(|from| from.1);
                let from = (repository, reference.or(before).unwrap_or(0));
                return changed_if(self.source.replace(from) != Some(from), AlreadySo);
            }
            (Some(_), Act::RemoveSource) if self.source.take().is_none() => return Refused("NOT_FOUND"),
            (Some(_), Act::Remove(host)) if self.held.remove(&host).is_none() => return Refused("NOT_FOUND"),
            (Some(_), Act::RemoveSource | Act::Remove(_)) => {}
            (Some(_), Act::Set { host, user, secret }) => {
                if self.held.get(&host).is_some_and(|held| (held.0, held.1) == (user, secret)) {
                    return AlreadySo;
                }
                let ever = self.ever.entry(host).or_default();
                *ever += 1;
                self.held.insert(host, (user, secret, *ever));
            }
        }
        Changed
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create(which) => Command::Create(created(which)),
            Act::Import(which, (repository, reference)) => {
                Command::Import(imported(which, REPOSITORIES[repository], REFERENCES[reference]))
            }
            Act::SetSource { repository, reference } => {
                set_source(REPOSITORIES[repository], reference.map(|which| REFERENCES[which]))
            }
            Act::RemoveSource => Command::RemoveSource,
            Act::Set { host, user, secret } => set(HOSTS[host], USERS[user], SECRETS[secret]),
            Act::Remove(host) => remove(HOSTS[host]),
        }
    }

    fn seen(noun: &App) -> Self {
        let at = |wanted: &crate::source_credential::SourceHost| {
            HOSTS.iter().position(|name| host(name) == *wanted).expect("one of the two")
        };
        let held = noun.source_credentials.values().map(|one| {
            let user = USERS.iter().position(|user| *user == one.username.as_str()).expect("one of the two");
            let secret = SECRETS.iter().position(|secret| Digest::of(&[secret.as_bytes()]) == one.digest);
            (at(&one.host), (user, secret.expect("one of the two"), one.generation.0))
        });
        Self {
            which: noun.created.as_ref().map(|created| created.id.0.as_u128()),
            source: noun.source.as_ref().map(seen_from),
            held: held.collect(),
            ever: noun.generations.iter().map(|(host, generation)| (at(host), generation.0)).collect(),
        }
    }
}

fn seen_from(source: &Source) -> Whence {
    let (repository, reference) = (source.repository.as_str(), source.reference.as_str());
    let repository = REPOSITORIES.iter().position(|one| *one == repository).expect("one of the two");
    (repository, REFERENCES.iter().position(|one| *one == reference).expect("one of the three"))
}

/// What a deploy would be made of stays what it was when the app was imported.
fn knows_where_it_came_from_first(noun: &mut App, event: &Event) {
    let before = noun.source.take();
    noun.apply(event);
    noun.source = before.or(noun.source.take());
}

/// A repository that moved is read at another branch than before.
fn forgets_the_reference(noun: &App, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |noun| noun.source = None)
}

/// The ciphertext of a removed credential would open for the next one.
fn counts_anew_after_a_removal(noun: &mut App, event: &Event) {
    noun.apply(event);
    if let Event::SourceCredentialRemoved { host, .. } = event {
        noun.generations.remove(host);
    }
}

/// A credential for one host puts away that of another.
fn holds_one_for_all_hosts(noun: &mut App, event: &Event) {
    noun.apply(event);
    if let Event::SourceCredentialSet(set) = event {
        noun.source_credentials.retain(|host, _| *host == set.host);
    }
}

fn goes_by_the_user_alone(noun: &App, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::SetSourceCredential { host, wanted, .. }
            if noun.source_credentials.get(&host).is_some_and(|held| held.username == wanted.username) =>
        {
            Ok(vec![])
        }
        command @ (Command::Create(_)
        | Command::Import(_)
        | Command::SetSource { .. }
        | Command::RemoveSource
        | Command::SetSourceCredential { .. }
        | Command::RemoveSourceCredential { .. }) => noun.decide(command),
    }
}

#[test]
fn random_commands_find_the_app_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("CountsAnewAfterARemoval", Ways::applying(counts_anew_after_a_removal)),
        ("HoldsOneForAllHosts", Ways::applying(holds_one_for_all_hosts)),
        ("GoesByTheUserAlone", Ways::deciding(goes_by_the_user_alone)),
        ("KnowsWhereItCameFromFirst", Ways::applying(knows_where_it_came_from_first)),
        ("ForgetsTheReference", Ways::deciding(forgets_the_reference)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
    ]);
}
