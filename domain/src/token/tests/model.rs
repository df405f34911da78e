//! A token against its naive model: who holds it, how far it reaches as two small numbers, until when, and whether it was ended.

use super::*;
use crate::model::{
    Answer::{self, Changed, Refused},
    Model, Ways, blind, holds,
};
use proptest::prelude::*;

/// Whoever asks: who, how far what they show reaches (0: everywhere, 1: one workspace), how much it may (0: all, 1: deploy, 2:
/// only read), and until when.
type Who = (ActorId, u8, u8, Option<i64>);

#[derive(Clone, Copy, Debug)]
enum Act {
    /// By whom, how far it shall reach, what it may, when, until when.
    Create(Who, u8, u8, i64, i64),
    Issue,
    Rotate(Who, i64),
    Revoke(Who, i64),
    Withdraw(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    /// Nobody holds a machine's.
    holder: Option<ActorId>,
    reach: u8,
    may: u8,
    until: Option<i64>,
    secret: u8,
    ended: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Known>);

const NO_TOKEN: Answer = Refused("NO_TOKEN");

impl Naive {
    fn standing(&mut self, now: i64) -> Option<&mut Known> {
        self.0.as_mut().filter(|known| !known.ended && known.until.is_none_or(|until| now < until))
    }

    fn mine(&mut self, (actor, reach, may, _): Who, now: i64) -> Option<&mut Known> {
        let held = |known: &&mut Known| known.holder == Some(actor) && known.reach >= reach && known.may >= may;
        self.standing(now).filter(held)
    }

    fn rotate(&mut self, who: Who, now: i64) -> Answer {
        let outlives = |known: &&mut Known| who.3.is_some_and(|end| known.until.is_none_or(|until| until > end));
        match self.mine(who, now).filter(|known| !outlives(known)) {
            None => NO_TOKEN,
            Some(known) => {
                known.secret = 1;
                Changed
            }
        }
    }

    fn create(
        &mut self,
        (actor, own_reach, own_may, own_until): Who,
        (reach, may): (u8, u8),
        (now, until): (i64, i64),
    ) -> Answer {
        if self.0.is_some() {
            return Refused("ALREADY_EXISTS");
        }
        if until - now < 1 {
            return Refused("TOKEN_LIFETIME");
        }
        if reach < own_reach || may < own_may {
            return Refused("TOKEN_WIDER");
        }
        if own_until.is_some_and(|end| until > end) {
            return Refused("TOKEN_OUTLIVES_MAKER");
        }
        self.0 = Some(Known { holder: Some(actor), reach, may, until: Some(until), secret: 0, ended: false });
        Changed
    }
}

/// In minutes, so that every time of the model is one that a token can have.
fn minutes(count: i64) -> DateTime<Utc> {
    at(count * 60)
}

fn limits(reach: u8, may: u8, until: Option<i64>) -> Limits {
    let narrowing = match may {
        0 => Narrowing::Whole,
        1 => only(&[Grant::Deploy]),
        _ => only(&[]),
    };
    Limits { workspace: (reach == 1).then_some(ACME), narrowing, until: until.map(minutes) }
}

fn asker((actor, reach, may, until): Who) -> Asker {
    by(actor, limits(reach, may, until))
}

impl Model for Naive {
    type Noun = Token;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let until = || prop_oneof![2 => Just(None), 1 => (0_i64..9).prop_map(Some)];
        let who = move || (prop::sample::select(vec![ALICE, BOB]), 0_u8..2, 0_u8..3, until());
        let create = (who(), 0_u8..2, 0_u8..3, 0_i64..4, 0_i64..9);
        prop_oneof![
            4 => create.prop_map(|(who, reach, may, now, until)| Act::Create(who, reach, may, now, until)),
            1 => Just(Act::Issue),
            4 => (who(), 0_i64..9).prop_map(|(who, now)| Act::Rotate(who, now)),
            2 => (who(), 0_i64..9).prop_map(|(who, now)| Act::Revoke(who, now)),
            1 => (0_i64..9).prop_map(Act::Withdraw),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match *act {
            Act::Create(who, reach, may, now, until) => self.create(who, (reach, may), (now, until)),
            Act::Issue if self.0.is_some() => Refused("ALREADY_EXISTS"),
            Act::Issue => {
                self.0 = Some(Known { holder: None, reach: 0, may: 0, until: None, secret: 0, ended: false });
                Changed
            }
            Act::Rotate(who, now) => self.rotate(who, now),
            Act::Revoke(who, now) => self.mine(who, now).map_or(NO_TOKEN, |known| {
                known.ended = true;
                Changed
            }),
            Act::Withdraw(now) => self.standing(now).filter(|known| known.holder.is_none()).map_or(NO_TOKEN, |known| {
                known.ended = true;
                Changed
            }),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create(who, reach, may, now, until) => {
                let (limits, by) = (limits(reach, may, Some(until)), asker(who));
                Command::Create { id: ID, name: name("ci"), limits, secret: secret(), by, at: minutes(now) }
            }
            Act::Issue => {
                let token = described(Holder::Runner(HOST_1), Limits::default());
                Command::Issue { token, secret: secret(), at: at(0) }
            }
            Act::Rotate(who, now) => Command::Rotate { secret: another_secret(), by: asker(who), at: minutes(now) },
            Act::Revoke(who, now) => Command::Revoke { by: asker(who), at: minutes(now) },
            Act::Withdraw(now) => Command::Withdraw { at: minutes(now) },
        }
    }

    fn seen(noun: &Token) -> Self {
        Self(noun.token.as_ref().map(|token| Known {
            holder: (token.holder == Holder::Person).then_some(token.actor),
            reach: u8::from(token.limits.workspace.is_some()),
            may: match &token.limits.narrowing {
                Narrowing::Whole => 0,
                Narrowing::Only(grants) if grants.is_empty() => 2,
                Narrowing::Only(_) => 1,
            },
            until: token.limits.until.map(|until| (until - at(0)).num_minutes()),
            secret: u8::from(noun.secret == Some(another_secret())),
            ended: noun.ended.is_some(),
        }))
    }
}

fn is_made_over(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    if matches!(command, Command::Create { .. }) {
        blind(noun, command, |other| other.token = None)
    } else {
        noun.decide(command)
    }
}

/// Whoever asks is taken for somebody who shows no token.
fn makes_wider_ones(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Create { id, name, limits, secret, by, at } = command else { return noun.decide(command) };
    noun.decide(Command::Create { id, name, limits, secret, by: Asker { limits: Limits::default(), ..by }, at })
}

fn takes_over_wider_ones(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Rotate { secret, by, at } = command else { return noun.decide(command) };
    noun.decide(Command::Rotate { secret, by: Asker { limits: Limits::default(), ..by }, at })
}

/// Its own end is forgotten, and with it that nothing may outlive it.
fn takes_over_what_outlives_it(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Rotate { secret, mut by, at } = command else { return noun.decide(command) };
    by.limits.until = None;
    noun.decide(Command::Rotate { secret, by, at })
}

fn ends_anybodys(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Revoke { by, at } = command else { return noun.decide(command) };
    let actor = noun.token.as_ref().map_or(by.actor, |token| token.actor);
    noun.decide(Command::Revoke { by: Asker { actor, ..by }, at })
}

fn knows_no_end(noun: &Token, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |other| {
        if let Some(token) = &mut other.token {
            token.limits.until = None;
        }
    })
}

fn keeps_its_first_secret(noun: &mut Token, event: &Event) {
    if !matches!(event, Event::Rotated { .. }) {
        noun.apply(event);
    }
}

fn outlives_its_end(noun: &mut Token, event: &Event) {
    if !matches!(event, Event::Revoked { .. } | Event::Withdrawn { .. }) {
        noun.apply(event);
    }
}

#[test]
fn a_token_does_what_its_naive_model_says() {
    holds::<Naive>(&[
        ("it is made a second time", Ways::deciding(is_made_over)),
        ("it makes wider ones", Ways::deciding(makes_wider_ones)),
        ("it takes over wider ones", Ways::deciding(takes_over_wider_ones)),
        ("it takes over what outlives it", Ways::deciding(takes_over_what_outlives_it)),
        ("anybody ends it", Ways::deciding(ends_anybodys)),
        ("it knows no end", Ways::deciding(knows_no_end)),
        ("it keeps its first secret", Ways::applying(keeps_its_first_secret)),
        ("it outlives its end", Ways::applying(outlives_its_end)),
    ]);
}
