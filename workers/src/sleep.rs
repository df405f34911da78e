//! Does what the process manager of sleeps asks for, and asks for the sleep of environments that nobody uses. Both judge what
//! the edges say of themselves; the trap: a sleep that is decided on what one worker saw a while ago, so it is judged again
//! right before the route changes.

use crate::{
    config::Config,
    process::{AdvanceError, Drive, Outcome, decide, named},
    turn::{TurnError, settled},
    watch::Watch,
};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    allocation::Allocation,
    edge_status::EdgeStatus,
    environment::Environment,
    ids::{CorrelationId, EnvironmentId, OperationId, RegionId},
    numbers::{Fence, Version},
    operation::{self, Evidence, Operation, Stage},
    promotion::EDGE_LIVE,
    route_owner::{self, Opened, RouteOwner},
    sleep::{self, Act, SILENT, Sleep, Step, Use, World},
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, lease::Leases};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        operations, route_owners,
    },
    edges,
};
use std::time::{Duration, Instant};

const NAME: &str = "sleep";
const LEASE: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_secs(1);
/// The longest time between two looks at an environment that may sleep; a tenth of its idle time where that is less.
const LONGEST: Duration = Duration::from_secs(10);
/// How many owners are read at a time.
const AT_ONCE: usize = 20;
/// What makes an environment one that may sleep: its settings, and an owner that is awake.
const CATEGORIES: [&str; 2] = [Environment::CATEGORY, RouteOwner::CATEGORY];

/// What is known of an environment's use, as it was read.
struct Usage {
    allocations: Vec<Allocation>,
    edges: Vec<EdgeStatus>,
    silent: usize,
    /// Operations on it that have not ended.
    running: Vec<OperationId>,
}

impl Usage {
    async fn read(config: &Config, environment: EnvironmentId, region: RegionId) -> Result<Self, sqlx::Error> {
        let mut connection = config.pool.acquire().await?;
        let rows = allocations::of_environment(&mut connection, environment, None, Ended::Excluded).await?;
        let (live, silent) = (EDGE_LIVE.as_seconds_f64(), SILENT.as_seconds_f64());
        let running = operations::running(&mut connection, environment).await?;
        Ok(Self {
            allocations: rows.into_iter().map(|(state, _)| state).collect(),
            edges: edges::live(&mut connection, region, live).await?,
            silent: edges::silent(&mut connection, region, (live, silent)).await?,
            running: running.into_iter().filter_map(|(one, _)| Some(one.requested?.id)).collect(),
        })
    }

    fn of<'a>(&'a self, config: &Config, owner: &'a RouteOwner) -> Use<'a> {
        let now = config.clock.now();
        Use { now, owner, allocations: &self.allocations, edges: &self.edges, silent: self.silent }
    }
}

/// Does the next step of a sleep.
pub(crate) async fn advance(mut drive: Drive<'_>, work: &Sleep) -> Result<Outcome, AdvanceError> {
    let mut owner = drive.door.load::<RouteOwner>(work.environment).await?;
    let usage = Usage::read(drive.config, work.environment, drive.requested.region).await?;
    let others = usage.running.iter().filter(|id| **id != drive.requested.id).count();
    let step = sleep::next(&World {
        operation: &drive.operation.state,
        sleep: work,
        usage: usage.of(drive.config, &owner.state),
        others,
    });
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => unit.assert(&owner),
        Step::Do(Act::Sleep(turn)) => {
            decide(&mut unit, &mut owner, route_owner::Command::Sleep(turn))?;
            let evidence = Evidence { epoch: Some(owner.state.epoch), ..Evidence::default() };
            let entered = drive.entering(Stage::Sleeping, evidence);
            decide(&mut unit, &mut drive.operation, entered)?;
        }
        Step::Fail(_) | Step::Cancel => {}
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, |Act::Sleep(_)| "let the route sleep".to_owned())).await
}

/// Puts idle environments to sleep for ever.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    let (mut watched, mut held) = (Watch::default(), None);
    loop {
        match leases.claim(NAME, &config.owner(), LEASE).await {
            Ok(Some(fence)) => {
                if held.replace(fence) != Some(fence) {
                    watched = Watch::default();
                }
                if let Err(error) = turn(&config, fence, &mut watched).await {
                    watched = Watch::default();
                    // Somebody else puts them to sleep now, or it is tried again.
                    if !matches!(error, TurnError::Append(AppendError::StaleFence { .. })) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "nothing is put to sleep for now");
                    }
                }
            }
            // Whoever does not hold it knows of nothing that is due.
            Ok(None) => watched = Watch::default(),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "sleep has no lease");
                watched = Watch::default();
            }
        }
        let pause = if watched.is_due(Instant::now()) { TURN / 4 } else { TURN };
        tokio::time::sleep(pause).await;
    }
}

/// Looks at what may sleep; at nothing for longer than a turn, which is far less than the lease.
async fn turn(config: &Config, fence: Fence, watched: &mut Watch) -> Result<(), TurnError> {
    let begun = Instant::now();
    let mut connection = config.pool.acquire().await?;
    watched.hear(&mut connection, &CATEGORIES, begun).await?;
    drop(connection);
    while begun.elapsed() < TURN {
        let next = watched.take(AT_ONCE, Instant::now());
        if next.is_empty() {
            break;
        }
        let mut connection = config.pool.acquire().await?;
        let owners = route_owners::by_environments(&mut connection, &next).await?;
        drop(connection);
        for (owner, version) in owners.iter().filter(|(owner, _)| owner.may_sleep(owner.epoch).is_ok()) {
            let Some(opened) = owner.lane() else { continue };
            let looked = look(config, fence, owner, (*version, &opened)).await;
            let now = Instant::now();
            match &looked {
                Ok(None) => watched.rests(opened.environment, now),
                Ok(Some(pause)) => watched.again(opened.environment, now + *pause),
                Err(_) => watched.again(opened.environment, now + TURN),
            }
            settled(looked.map(drop), Some(opened.environment))?;
        }
    }
    Ok(())
}

/// How long until the next look at an environment with this idle time.
fn pause(seconds: u64) -> Duration {
    (Duration::from_secs(seconds) / 10).clamp(TURN, LONGEST)
}

/// Asks for the sleep of an environment that is idle; when to look again, if its settings ever let it sleep.
async fn look(
    config: &Config,
    fence: Fence,
    owner: &RouteOwner,
    (version, opened): (Version, &Opened),
) -> Result<Option<Duration>, TurnError> {
    let door = config.door();
    let settings = door.load::<Environment>(opened.environment).await?;
    let seconds = settings.state.sleep.sleep_after_seconds;
    if seconds == 0 {
        return Ok(None);
    }
    let again = Ok(Some(pause(seconds)));
    let usage = Usage::read(config, opened.environment, opened.region).await?;
    if !usage.running.is_empty() || usage.of(config, owner).is_idle(seconds).is_err() {
        return again;
    }
    let id: OperationId = config.clock.new_id();
    let Ok(requested) = sleep::request(id, owner, Some(seconds), None, config.clock.now()) else { return again };
    let mut unit = door.unit(config.context(Writer::Scheduler, opened.workspace, CorrelationId(id.0), None));
    unit.place(Some(opened.region), Some(opened.cell));
    unit.assert(&settings);
    let stream = rhone_domain::envelope::StreamId::new("route_owner", opened.environment.0);
    unit.assert(&Loaded { stream, version, state: owner.clone(), last_event: None });
    let mut operation = door.load::<Operation>(id).await?;
    if unit.decide(&mut operation, operation::Command::Request(requested)).is_ok() {
        let check = FenceCheck { lease: NAME.to_owned(), fence };
        door.commit(unit, None, Some(check)).await?;
        tracing::info!(environment.id = %opened.environment, seconds, "an idle environment is put to sleep");
    }
    again
}
