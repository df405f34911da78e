//! The seeded simulator: real nouns, process managers, dispatcher, authority rows and sentences over the log in memory, with a
//! faulty runner, a faulty provider, faulty edges and workers that die. Every seed is another life; the same seed is the same life. The trap:
//! a simulator in which nothing can go wrong; it must find every planted bug of `sins.rs`.

#![expect(clippy::wildcard_enum_match_arm, reason = "a law looks at the few events that it is about")]

mod bindings;
mod deploys;
mod dice;
mod edge;
mod faults;
mod fleet;
mod kinds;
mod laws;
mod log;
mod provider;
mod reader;
mod sins;
mod worker;
mod world;

use rhone_domain::digest::Digest;
use sins::{Sin, commit};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use world::{Life, World};

/// How many things happen in a life before the faults end.
const STEPS: usize = 300;

/// How many lives `./dev test` lives; in these a planted bug must be found.
const SEEDS: u64 = 500;

/// What must have happened in some life, or its faults were never tried.
const SEEN: &[&str] = &[
    "promoted with all that it needs",
    "PROVIDER_MISSING",
    "RUNTIME_SERVICE_MISSING",
    "a probe was answered twice",
    "a binding was proven after it had failed",
    "binding: UNREACHABLE",
    "binding: REFUSED",
    "binding: IDENTITY_CHANGED",
    "binding: SHARED_DATABASE",
    "binding: BINDING_DISABLED",
    "binding: DEADLINE_PASSED",
    "binding: late report",
    "slept",
    "woken",
    "a wake failed",
    "a region is fit",
    "moved to another region",
    "a migration on record",
    "an owner that counts on a migration",
    "NEEDS_ACKNOWLEDGEMENT",
    "a closed way back was acknowledged",
    "a host drain ended: uncordoned",
];

fn live(seed: u64) -> Result<Life, String> {
    World::new(seed).run(STEPS)
}

/// All that came of some lives.
struct Lives {
    /// The broken laws.
    broken: Vec<String>,
    /// One hash over all traces.
    hash: Digest,
    /// What must have happened, and did not.
    unseen: Vec<String>,
}

/// Lives the lives of these seeds on every core.
fn lives(seeds: std::ops::Range<u64>) -> Lives {
    let cores = cores() as u64;
    let mut all = std::thread::scope(|scope| {
        let threads = (0..cores).map(|nth| {
            let mine = seeds.clone().filter(move |seed| seed % cores == nth);
            scope.spawn(move || mine.map(|seed| (seed, live(seed))).collect::<Vec<_>>())
        });
        let threads = threads.collect::<Vec<_>>();
        threads.into_iter().flat_map(|thread| thread.join().expect("a life ends")).collect::<Vec<_>>()
    });
    all.sort_by_key(|(seed, _)| *seed);
    let broken = |(seed, life): &(u64, Result<Life, String>)| Some(format!("seed {seed}: {}", life.as_ref().err()?));
    let hash = all.iter().fold(Digest::ZERO, |hash, (_, life)| {
        Digest::of(&[&hash.0, &life.as_ref().map_or(Digest::ZERO, |life| life.trace).0])
    });
    let seen = |what: &str| {
        let often = all.iter().filter_map(|(_, life)| life.as_ref().ok()?.seen.get(what));
        println!("{what}: {}", often.clone().sum::<usize>());
        often.sum::<usize>() > 0
    };
    let mut unseen = SEEN.iter().filter(|what| !seen(what)).map(ToString::to_string).collect::<Vec<_>>();
    unseen.extend(faults::missing(all.iter().filter_map(|(_, life)| Some(&life.as_ref().ok()?.faults))));
    Lives { broken: all.iter().filter_map(broken).collect(), hash, unseen }
}

/// Asserts that no law is broken, and that everything that must go wrong did.
fn hold(seeds: u64) {
    let begun = Instant::now();
    let Lives { broken, hash, unseen } = lives(0..seeds);
    println!("{seeds} seeds, {STEPS} steps each, {} broken laws, {hash}, {:?}", broken.len(), begun.elapsed());
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(unseen, Vec::<String>::new(), "a fault that never happened proves nothing");
}

#[test]
fn no_law_is_broken_in_any_life() {
    hold(SEEDS);
}

#[test]
fn the_same_seed_is_the_same_life_and_another_seed_another() {
    let trace = |seed| live(seed).map(|life| life.trace);
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn every_planted_bug_is_found() {
    let next = AtomicUsize::new(0);
    let missed = std::thread::scope(|scope| {
        let threads = (0..cores()).map(|_| scope.spawn(|| missed(&next))).collect::<Vec<_>>();
        threads.into_iter().flat_map(|thread| thread.join().expect("a life ends")).collect::<Vec<_>>()
    });
    println!("{} planted bugs, {} found", Sin::ALL.len(), Sin::ALL.len() - missed.len());
    assert_eq!(missed, Vec::<Sin>::new());
}

/// The sins that no life finds, of those that this thread takes.
fn missed(next: &AtomicUsize) -> Vec<Sin> {
    let mut missed = Vec::new();
    while let Some(sin) = Sin::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
        commit(Some(*sin));
        let found = (0..SEEDS).find_map(|seed| live(seed).err().map(|law| (seed, law)));
        commit(None);
        match found {
            Some((seed, law)) => println!("{sin:?}: seed {seed}: {law}"),
            None => missed.push(*sin),
        }
    }
    missed
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `./dev soak sim`; `RHONE_SEEDS` says how many.
#[test]
#[ignore = "takes minutes: ./dev soak sim"]
fn soak() {
    let seeds = std::env::var("RHONE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    hold(seeds);
}
