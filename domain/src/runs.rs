//! Whole operations of any kind, run in memory: they succeed; they succeed with every step taken twice; and with a failure at
//! each step they end definitely, right there. The steps are not listed by hand: a plain run says which there are. A kind
//! brings its world as a [`Play`]; `kinds` takes every kind through all of it. Only tests read it. Trap: a fault that never
//! fired proves nothing; every run counts.

mod kinds;
pub(crate) mod lane;

use crate::{
    aggregate::{Aggregate, fold},
    operation::{self, Failure, Operation, Stage},
    process::Step,
    story::because,
};
use chrono::{DateTime, Utc};
use std::fmt::Debug;

/// The world of one operation, in memory.
pub(crate) trait Play: Clone {
    /// What its process manager can do besides going on.
    type Act: Clone + Debug + PartialEq;

    /// What its process manager wants next.
    fn next(&self) -> Step<Self::Act>;

    /// Appends what the step means, all of it or nothing; says whether anything was appended.
    fn commit(&mut self, step: &Step<Self::Act>) -> bool;

    /// A second passes: runners, schedulers and edges do their part.
    fn pass(&mut self);

    /// The deadline passes.
    fn outlast(&mut self);

    /// The moment.
    fn now(&self) -> DateTime<Utc>;

    /// What happened to the operation.
    fn operation(&mut self) -> &mut Vec<operation::Event>;

    /// How much has happened, in every stream.
    fn lengths(&self) -> Vec<usize>;

    /// What stands now of what it is about, in words: how its bad ends leave the world is compared by them.
    fn left(&self) -> String;
}

/// What goes wrong, at the nth step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The worker dies before the step is in the log.
    Lost(usize),
    /// The log takes no append of this step until the deadline has passed.
    Outage(usize),
    /// Somebody wants to cancel just before the step is appended.
    WishToCancel(usize),
}

/// How often every step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    Twice,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) stage: Stage,
    /// The last stage before it.
    pub(crate) after: Stage,
    pub(crate) failure: Option<Failure>,
}

/// One run: how it ended, the steps it took, the world it left behind.
#[derive(Clone, Debug)]
pub(crate) struct Run<P: Play> {
    pub(crate) end: End,
    pub(crate) steps: Vec<Step<P::Act>>,
    pub(crate) world: P,
    /// Where it stood when the fault struck.
    pub(crate) struck: Option<Stage>,
}

/// Runs it to its end; sees that it stays ended, and that a worker from long ago changes nothing.
pub(crate) fn run<P: Play>(mut world: P, times: Times, fault: Fault) -> Run<P> {
    let (mut steps, mut struck) = (vec![], None);
    for _ in 0..2_000 {
        let step = world.next();
        match step {
            Step::Done => break,
            Step::Wait(what) => {
                assert!(world.now() < deadline(&mut world), "it waits on at its deadline: {what}");
                world.pass();
            }
            Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel => {
                if struck.is_none() && strikes(&mut world, fault, steps.len()) {
                    struck = stage(&mut world);
                    continue;
                }
                assert!(world.commit(&step), "{step:?} with {fault:?} was refused: {:?}", world.operation());
                if times == Times::Twice {
                    let before = world.lengths();
                    world.commit(&step);
                    assert_eq!(world.lengths(), before, "taken twice: {step:?}");
                }
                steps.push(step);
            }
        }
    }
    assert_eq!(world.next(), Step::Done, "no end with {fault:?}: {:?}", world.operation());
    assert_eq!(struck.is_some(), fault != Fault::Nothing, "{fault:?} never fired");
    let before = world.lengths();
    for step in &steps {
        world.commit(step);
    }
    assert_eq!(world.lengths(), before, "a worker from long ago, after {fault:?}");
    Run { end: end(&mut world), steps, world, struck }
}

/// Whether the fault strikes at this step.
fn strikes<P: Play>(world: &mut P, fault: Fault, nth: usize) -> bool {
    match fault {
        Fault::Lost(at) if at == nth => true,
        Fault::Outage(at) if at == nth => {
            world.outlast();
            true
        }
        Fault::WishToCancel(at) if at == nth => {
            let wish = operation::Command::RequestCancel { reason: because("too early") };
            if let Ok(events) = fold::<Operation>(&*world.operation()).decide(wish) {
                world.operation().extend(events);
            }
            true
        }
        Fault::Nothing | Fault::Lost(_) | Fault::Outage(_) | Fault::WishToCancel(_) => false,
    }
}

fn deadline<P: Play>(world: &mut P) -> DateTime<Utc> {
    fold::<Operation>(&*world.operation()).requested.expect("it was requested").deadline
}

fn stage<P: Play>(world: &mut P) -> Option<Stage> {
    fold::<Operation>(&*world.operation()).stage
}

fn end<P: Play>(world: &mut P) -> End {
    let stages = stages(world);
    End {
        stage: stages[stages.len() - 1],
        after: stages[stages.len().saturating_sub(2)],
        failure: fold::<Operation>(&*world.operation()).failure,
    }
}

/// Every stage that it has come through, in order.
fn stages<P: Play>(world: &mut P) -> Vec<Stage> {
    let events = world.operation();
    let mut stages = (1..=events.len()).filter_map(|n| fold::<Operation>(&events[..n]).stage).collect::<Vec<_>>();
    stages.dedup();
    stages
}

/// The first two of the three tests, and the third one's losses: it succeeds; with every step twice it comes to the very same
/// end; a worker lost before any step is in the log changes nothing about it. Gives the plain run.
pub(crate) fn succeeds<P: Play>(world: &P, good: Stage) -> Run<P> {
    let plain = run(world.clone(), Times::Once, Fault::Nothing);
    assert_eq!((plain.end.stage, &plain.end.failure), (good, &None));
    let twice = run(world.clone(), Times::Twice, Fault::Nothing);
    assert_eq!((&twice.end, twice.world.lengths()), (&plain.end, plain.world.lengths()), "every step twice");
    for nth in 0..plain.steps.len() {
        for times in [Times::Once, Times::Twice] {
            assert_eq!(run(world.clone(), times, Fault::Lost(nth)).end, plain.end, "lost at {:?}", plain.steps[nth]);
        }
    }
    plain
}

/// The third test: the same fault at each step of the plain run, each with the run it led to, which ended where it was struck.
pub(crate) fn at_each_step<P: Play>(world: &P, fault: fn(usize) -> Fault) -> Vec<(Step<P::Act>, Run<P>)> {
    let plain = run(world.clone(), Times::Once, Fault::Nothing);
    let struck = |(nth, step)| {
        let [once, twice] = [Times::Once, Times::Twice].map(|times| run(world.clone(), times, fault(nth)));
        assert_eq!(once.end, twice.end, "every step twice, with a fault at {step:?}");
        if once.end.stage != plain.end.stage {
            assert_eq!(Some(once.end.after), once.struck, "it ended elsewhere than where it was struck: {step:?}");
        }
        (step, once)
    };
    plain.steps.into_iter().enumerate().map(struck).collect()
}

/// Somebody meddles with the world just before each step of the plain run: where it stood then, and the run it led to.
pub(crate) fn meddled_at_each_step<P: Play>(world: &P, meddle: impl Fn(&mut P)) -> Vec<(Stage, Run<P>)> {
    let steps = run(world.clone(), Times::Once, Fault::Nothing).steps.len();
    let meddled = |nth| {
        let mut amid = after(world.clone(), nth);
        let stood = stage(&mut amid).expect("it was requested");
        meddle(&mut amid);
        let once = run(amid.clone(), Times::Once, Fault::Nothing);
        assert_eq!(run(amid, Times::Twice, Fault::Nothing).end, once.end, "every step twice, meddled with at {stood}");
        (stood, once)
    };
    (0..steps).map(meddled).collect()
}

/// After so many steps, when the next one is about to be taken.
pub(crate) fn after<P: Play>(mut world: P, mut steps: usize) -> P {
    loop {
        match world.next() {
            Step::Wait(_) => world.pass(),
            step @ (Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel) if steps > 0 => {
                assert!(world.commit(&step), "{step:?} was refused");
                steps -= 1;
            }
            Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel | Step::Done => return world,
        }
    }
}
