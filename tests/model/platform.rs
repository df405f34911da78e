//! The model: what may happen in a state, and what comes of it. Users, runners and edges stand here, workers in `worker.rs`.
//! The trap: a step that the model leaves out in silence; what is bounded stands in [`Bounds`] and in `main.rs`.

use crate::{
    book::{NONE, Page},
    laws::{Beside, Broken, Law, index},
    nouns::{Changed, Nouns, Order, Question, Report, history},
    sins::Sin,
    state::{
        Action, Clock, Course, DEPLOYMENTS, Decided, EDGES, LANES, Lane, Marks, PLACES, Read, Source, State, Task,
        WORKERS, Work,
    },
};
use rhone_domain::{
    aggregate::Aggregate,
    migrations::Migrations,
    numbers::Epoch,
    operation::{Kind, Operation},
    route_owner::{self, RouteOwner},
};
use rhone_tests::rules::{Move, opened};

/// How much may happen, for production and for the preview.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests that are accepted.
    pub(crate) requests: [u8; LANES],
    /// Operations that are open at once.
    pub(crate) open: [usize; LANES],
    /// Leases of one operation: it is lost by one worker less often than that.
    pub(crate) fences: u8,
    /// Freezes.
    pub(crate) freezes: [u8; LANES],
    /// Destructive migrations.
    pub(crate) migrations: [u8; LANES],
    /// Allocations that fail.
    pub(crate) failures: [u8; LANES],
    /// Allocations that come up without one of these operations.
    pub(crate) come_up: [u8; LANES],
    /// Deadlines that pass.
    pub(crate) deadlines: [u8; LANES],
    /// The deployments that are asked for are those before this one.
    pub(crate) deployments: [usize; LANES],
}

/// See the module.
pub(crate) struct Platform {
    pub(crate) nouns: Nouns,
    pub(crate) bounds: Bounds,
    first: State,
}

impl Platform {
    /// Deployment 0 owned production, 1 owns it now, both answer, and every edge knows; the preview has no owner.
    pub(crate) fn new(bounds: Bounds, sin: Option<Sin>) -> Self {
        let nouns = Nouns::new(sin);
        let mut lanes = [Lane::default(); LANES];
        for (n, lane) in lanes.iter_mut().enumerate() {
            let mut route = RouteOwner::default();
            let mut tell = |command: route_owner::Command| {
                for event in route.decide(command).expect("the history is in order") {
                    route.apply(&event);
                    let _law_of_a_history = lane.told.read(n, &event, &Beside { operation: None, ready: &|_| true });
                }
            };
            tell(route_owner::Command::Open(opened(n)));
            if n == 0 {
                for of in 0..2 {
                    tell(history(of, Epoch(of as u64)));
                    lane.allocations[of][0] = nouns.reported(nouns.planned(n, of), Report::ComesUp);
                }
            }
            lane.route = nouns.routes.enter(route);
            lane.migrations = nouns.migrations.enter(Migrations::default());
        }
        let served = [[nouns.publish(lanes[0].route), nouns.publish(lanes[1].route)]; EDGES];
        let (marks, broken) = (Marks::default(), Broken::default());
        let first = State { lanes, tasks: [Task::Idle; WORKERS], served, marks, broken };
        Self { nouns, bounds, first }
    }

    fn ask(&self, state: &mut State, lane: usize, kind: Kind, to: usize) -> Option<()> {
        let slot = state.lanes[lane].free_slot()?;
        let look = self.question(state, lane, NONE, to, Clock::InTime);
        let epoch = state.lanes[lane].told.epoch();
        let operation = self.nouns.request((lane, slot), kind, to, epoch, look)?;
        let deployment = u8::try_from(to).expect("few deployments");
        let here = &mut state.lanes[lane];
        here.used.requests += 1;
        here.works[slot] = Work { operation, deployment, fence: 0, clock: Clock::InTime, course: Course::Open };
        Some(())
    }

    /// What there is to see for whoever judges a change of owner.
    pub(crate) fn question(&self, state: &State, lane: usize, operation: Page, of: usize, clock: Clock) -> Question {
        let (here, elsewhere) = (&state.lanes[lane], &state.lanes[1 - lane]);
        Question {
            operation,
            deployment: of,
            route: here.route,
            allocations: here.allocations[of],
            elsewhere: elsewhere.allocations[of],
            migrations: here.migrations,
            clock,
            served: state.served.map(|edge| (edge[lane], self.answers_through(state, lane, edge[lane]))),
        }
    }

    /// Whether an edge that serves this route gets an answer from its owner.
    fn answers_through(&self, state: &State, lane: usize, served: Page) -> bool {
        let route = (served != NONE).then(|| self.nouns.contents.read(served));
        let owner = route.and_then(|route| route.owner.as_ref().map(|owner| index(owner.deployment)));
        owner.is_some_and(|of| self.is_ready(&state.lanes[lane], lane, of))
    }

    /// Whether a deployment has an allocation here that answers.
    pub(crate) fn is_ready(&self, here: &Lane, lane: usize, of: usize) -> bool {
        here.allocations[of].iter().any(|one| self.nouns.answers(*one, lane, of))
    }

    fn order(&self, state: &mut State, lane: usize, order: Order) -> Option<()> {
        let changed = self.nouns.order(state.lanes[lane].route, order)?;
        state.lanes[lane].used.freezes += u8::from(order == Order::Freeze);
        self.take(state, lane, &changed, None);
        Some(())
    }

    /// The route has changed: the laws hear of it, and whoever judged on it before will be refused.
    pub(crate) fn take(&self, state: &mut State, lane: usize, changed: &Changed, operation: Option<&Operation>) {
        let here = state.lanes[lane];
        let ready = |of: usize| self.is_ready(&here, lane, of);
        for event in changed.events.iter() {
            let broken = state.lanes[lane].told.read(lane, event, &Beside { operation, ready: &ready });
            state.broken.join(broken);
        }
        state.lanes[lane].route = changed.route;
        self.moved(state, |held, step| {
            usize::from(held.lane) == lane && matches!(step, Move::Enter(..) | Move::ChangeRoute(_))
        });
    }

    /// What decisions assert has moved.
    pub(crate) fn moved(&self, state: &mut State, asserts: impl Fn(crate::state::Held, &Move) -> bool) {
        for task in &mut state.tasks {
            let Task::On(held) = task else { continue };
            let (before, Some(decided)) = (*held, &mut held.decided) else { continue };
            if decided.read == Read::Moved || !asserts(before, &self.nouns.moves.read(decided.step)) {
                continue;
            }
            // What was decided does not matter any more, unless nobody asks.
            let asked = self.nouns.sin != Some(Sin::NoCompareAndSwap);
            let read = Read::Moved;
            *decided = if asked { Decided { step: NONE, route: NONE, read } } else { Decided { read, ..*decided } };
        }
    }

    fn migrate(&self, state: &mut State, lane: usize) {
        let here = &mut state.lanes[lane];
        here.used.migrations += 1;
        here.migrations = self.nouns.migrated(here.migrations, lane, here.told.epoch());
        here.told.migrated();
        self.moved(state, |held, step| {
            usize::from(held.lane) == lane && matches!(step, Move::Enter(..) | Move::ChangeRoute(_))
        });
    }

    fn come_up(&self, state: &mut State, lane: usize, of: usize) -> Option<()> {
        let here = &mut state.lanes[lane];
        let place = here.allocations[of].iter_mut().find(|page| **page == NONE)?;
        *place = self.nouns.reported(self.nouns.planned(lane, of), Report::ComesUp);
        here.used.come_up += 1;
        Some(())
    }

    /// The runner's report arrives; one that changes nothing is no step.
    fn report(&self, state: &mut State, lane: usize, of: usize, place: usize, report: Report) -> Option<()> {
        let page = &mut state.lanes[lane].allocations[of][place];
        if *page == NONE {
            return None;
        }
        let after = self.nouns.reported(*page, report);
        (after != *page).then(|| *page = after)
    }

    /// Whoever asserts one of two that are ready is taken to assert the one that fails.
    fn fail(&self, state: &mut State, lane: usize, of: usize, place: usize) -> Option<()> {
        self.report(state, lane, of, place, Report::Fails)?;
        state.lanes[lane].used.failures += 1;
        let works = state.lanes[lane].works;
        self.moved(state, |held, step| {
            let its = usize::from(works[usize::from(held.slot)].deployment) == of;
            usize::from(held.lane) == lane && its && matches!(step, Move::ChangeRoute(_))
        });
        Some(())
    }

    fn hear(&self, state: &mut State, edge: usize, lane: usize, from: Source) -> Option<()> {
        let new = match from {
            Source::Newest => self.nouns.publish(state.lanes[lane].route),
            Source::HeldBy(other) => state.served[other][lane],
        };
        let held = state.served[edge][lane];
        if new == held || !self.nouns.takes(held, new) {
            return None;
        }
        let order = |page: Page| {
            let route = self.nouns.contents.read(page);
            (route.epoch, route.revision)
        };
        state.broken.unless(order(new) >= order(held), Law::Edge);
        state.served[edge][lane] = new;
        Some(())
    }

    fn act(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Ask { lane, kind, deployment } => self.ask(state, lane, kind, deployment),
            Action::Claim { lane, slot } => Self::claim(state, lane, slot),
            Action::Decide { worker } => self.decide(state, worker),
            Action::Append { worker } => self.append(state, worker),
            Action::Notice { worker } => {
                Self::notice(state, worker);
                Some(())
            }
            Action::Pass { lane, slot } => {
                state.lanes[lane].works[slot].clock = Clock::Overdue;
                state.lanes[lane].used.deadlines += 1;
                Some(())
            }
            Action::Freeze { lane } => self.order(state, lane, Order::Freeze),
            Action::Unfreeze { lane } => self.order(state, lane, Order::Unfreeze),
            Action::ReleasePin { lane } => self.order(state, lane, Order::ReleasePin),
            Action::Migrate { lane } => {
                self.migrate(state, lane);
                Some(())
            }
            Action::Ready { lane, deployment, place } => self.report(state, lane, deployment, place, Report::ComesUp),
            Action::Fail { lane, deployment, place } => self.fail(state, lane, deployment, place),
            Action::ComeUp { lane, deployment } => self.come_up(state, lane, deployment),
            Action::Hear { edge, lane, from } => self.hear(state, edge, lane, from),
        }
    }

    /// Operations that have ended and that nobody works on are forgotten.
    fn tidy(&self, state: &mut State) {
        for lane in 0..LANES {
            for slot in 0..state.lanes[lane].works.len() {
                let work = state.lanes[lane].works[slot];
                let here = |task: &Task| matches!(task, Task::On(held) if (usize::from(held.lane), usize::from(held.slot)) == (lane, slot));
                if work.operation == NONE || work.course == Course::Open || state.tasks.iter().any(here) {
                    continue;
                }
                let before = state.lanes[lane].route;
                let after = self.nouns.forget(before, lane, slot);
                state.lanes[lane].works[slot] = Work::default();
                state.lanes[lane].route = after;
                for task in &mut state.tasks {
                    if let Task::On(crate::state::Held { decided: Some(decided), .. }) = task
                        && decided.route == before
                    {
                        decided.route = after;
                    }
                }
            }
        }
        state.sort();
    }
}

impl stateright::Model for Platform {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.any() {
            return;
        }
        for lane in 0..LANES {
            self.in_lane(state, lane, actions);
        }
        for (worker, task) in state.tasks.iter().enumerate() {
            let Task::On(held) = task else { continue };
            if held.decided.is_some() {
                actions.push(Action::Append { worker });
                continue;
            }
            actions.push(Action::Decide { worker });
            if held.fence != state.work(*held).fence {
                actions.push(Action::Notice { worker });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = State { marks: Marks::default(), ..*last };
        self.act(&mut state, action)?;
        self.tidy(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        crate::properties::all()
    }
}

impl Platform {
    /// What may happen in an environment, within the bounds.
    fn in_lane(&self, state: &State, lane: usize, actions: &mut Vec<Action>) {
        let (here, bounds) = (&state.lanes[lane], &self.bounds);
        let open = here.works.iter().filter(|work| work.operation != NONE).count();
        if here.used.requests < bounds.requests[lane] && open < bounds.open[lane] {
            for deployment in 0..bounds.deployments[lane] {
                actions.extend([Kind::Promotion, Kind::Rollback].map(|kind| Action::Ask { lane, kind, deployment }));
            }
        }
        let idle = state.tasks.contains(&Task::Idle);
        for (slot, work) in here.works.iter().enumerate() {
            if work.operation == NONE || work.course == Course::Ended {
                continue;
            }
            if idle && work.fence < bounds.fences {
                actions.push(Action::Claim { lane, slot });
            }
            if work.clock == Clock::InTime && here.used.deadlines < bounds.deadlines[lane] {
                actions.push(Action::Pass { lane, slot });
            }
        }
        if here.used.freezes < bounds.freezes[lane] {
            actions.push(Action::Freeze { lane });
        }
        actions.extend([Action::Unfreeze { lane }, Action::ReleasePin { lane }]);
        if here.used.migrations < bounds.migrations[lane] {
            actions.push(Action::Migrate { lane });
        }
        self.around_lane(here, lane, actions);
    }

    /// What runners and edges may do there.
    fn around_lane(&self, here: &Lane, lane: usize, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        for deployment in 0..DEPLOYMENTS {
            actions.extend((0..PLACES).map(|place| Action::Ready { lane, deployment, place }));
            if here.used.come_up < bounds.come_up[lane] {
                actions.push(Action::ComeUp { lane, deployment });
            }
            if here.used.failures < bounds.failures[lane] {
                actions.extend((0..PLACES).map(|place| Action::Fail { lane, deployment, place }));
            }
        }
        for edge in 0..EDGES {
            let heard = [Source::Newest, Source::HeldBy(0), Source::HeldBy(1)];
            actions.extend(heard.map(|from| Action::Hear { edge, lane, from }));
        }
    }
}
