//! An app against its naive model: whether it is there, the credential that it holds for each host, and how many there were.

use super::{App, Command, Event, Rejection, created, host, remove, set};
use crate::{
    aggregate::Aggregate as _,
    digest::Digest,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOSTS: [&str; 2] = ["git.example.com", "registry.example.com"];
const USERS: [&str; 2] = ["alice", "bob"];
const SECRETS: [&str; 2] = ["one", "two"];

#[derive(Clone, Copy, Debug)]
enum Act {
    Create(u128),
    Set { host: usize, user: usize, secret: usize },
    Remove(usize),
}

/// A user, a secret, and the how manieth of the host it is.
type Held = (usize, usize, u64);

#[derive(Debug, Default, PartialEq)]
struct Naive {
    which: Option<u128>,
    held: BTreeMap<usize, Held>,
    /// How many there ever were for each host.
    ever: BTreeMap<usize, u64>,
}

impl Model for Naive {
    type Noun = App;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let set = (0..HOSTS.len(), 0..USERS.len(), 0..SECRETS.len());
        prop_oneof![
            2 => (1..=2_u128).prop_map(Act::Create),
            4 => set.prop_map(|(host, user, secret)| Act::Set { host, user, secret }),
            2 => (0..HOSTS.len()).prop_map(Act::Remove),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match (self.which, *act) {
            (None, Act::Create(which)) => self.which = Some(which),
            (None, _) => return Refused("NOT_FOUND"),
            (Some(known), Act::Create(which)) if known == which => return AlreadySo,
            (Some(_), Act::Create(_)) => return Refused("ALREADY_EXISTS"),
            (Some(_), Act::Remove(host)) if self.held.remove(&host).is_none() => return Refused("NOT_FOUND"),
            (Some(_), Act::Remove(_)) => {}
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
            held: held.collect(),
            ever: noun.generations.iter().map(|(host, generation)| (at(host), generation.0)).collect(),
        }
    }
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
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
    ]);
}
