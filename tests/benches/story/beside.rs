//! What goes on beside the promotions: appends at a fixed rate through the log's own door, and, on request, an index build on
//! 3,000,000 rows and rebuilds of the timeline, one after the other.

use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate as _,
    authorization::Authority,
    envelope::StreamId,
    ids::{ActorId, CorrelationId, PLATFORM},
    refusal::{Command, Refusals, Refused},
};
use rhone_eventstore::{Clock, Context, Dispatcher, NoInline, PgLog, postgres};
use rhone_tests::{database::administrator, platform::Platform};
use sqlx::Executor as _;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Appends at a fixed rate.
pub(crate) struct Appends {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    late: Arc<AtomicU64>,
    begun: Instant,
    task: JoinHandle<()>,
}

impl Appends {
    /// Starts `rate` appends a second, whatever becomes of each.
    pub(crate) async fn start(platform: &Platform, rate: u32) -> Self {
        let pool = postgres::connect(&platform.addresses().database.worker_url, "bench", 16).await.expect("a pool");
        let door = Arc::new(Dispatcher::new(PgLog::new(pool), Clock::system(), NoInline));
        let (stop, done, late) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
        let begun = Instant::now();
        let task = tokio::spawn(append_all(door, rate, stop.clone(), Arc::clone(&done), Arc::clone(&late)));
        Self { stop, done, late, begun, task }
    }

    /// Stops, and says how many a second there were and how many came late.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) async fn stop(self) -> (f64, f64) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("the appends end");
        let rate = self.done.load(Ordering::SeqCst) as f64 / self.begun.elapsed().as_secs_f64();
        (rate, self.late.load(Ordering::SeqCst) as f64)
    }
}

type Door = Arc<Dispatcher<PgLog, NoInline>>;

async fn append_all(door: Door, rate: u32, stop: Arc<AtomicBool>, done: Arc<AtomicU64>, late: Arc<AtomicU64>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        let (door, done, late) = (door.clone(), done.clone(), late.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            append(&door).await;
            done.fetch_add(1, Ordering::SeqCst);
            if begun.elapsed() > Duration::from_secs(1) {
                late.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

/// One event of about the usual size, in a stream of its own.
async fn append(door: &Door) {
    let actor = ActorId(door.clock().new_id());
    let target = StreamId::new(Refusals::CATEGORY, actor);
    let mut loaded = door.load::<Refusals>(actor).await.expect("the log answers");
    let mut unit = door.unit(Context {
        actor: Actor { id: actor, kind: ActorKind::Worker, on_behalf_of: None },
        writer: Writer::System,
        authority: Authority::itself(),
        workspace: PLATFORM,
        correlation: CorrelationId(actor.0),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    });
    let refused = Refused {
        command: "benchmark".into(),
        target,
        app: None,
        environment: None,
        code: "BENCHMARK".into(),
        message: "an event that is appended beside promotions, so that the log is as busy as on an ordinary day".into(),
        expected: None,
        actual: None,
        actor,
    };
    let at = unit.now();
    unit.decide(&mut loaded, Command::Record { refused, at }).expect("recording is never refused");
    door.commit(unit, None, None).await.expect("an append succeeds");
}

/// An index build and rebuilds, again and again.
pub(crate) struct HeavyWork {
    stop: Arc<AtomicBool>,
    indexes: JoinHandle<u32>,
    rebuilds: JoinHandle<u32>,
}

impl HeavyWork {
    /// Makes the rows, then starts.
    pub(crate) async fn start(platform: &Platform) -> Self {
        let mut admin = administrator(platform).await;
        let rows =
            "CREATE TABLE public.heavy AS SELECT i AS id, md5(i::text) AS word FROM generate_series(1, 3000000) i";
        admin.execute(rows).await.expect("the rows are made");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let indexes = tokio::spawn(async move {
            let mut built = 0;
            while !stopped.load(Ordering::SeqCst) {
                admin.execute("CREATE INDEX heavy_word ON public.heavy (word)").await.expect("the index is built");
                admin.execute("DROP INDEX public.heavy_word").await.expect("the index is dropped");
                built += 1;
            }
            built
        });
        let rebuilds = tokio::spawn(rebuild(platform.data(), stop.clone()));
        Self { stop, indexes, rebuilds }
    }

    /// Stops, and says how many indexes and rebuilds there were.
    pub(crate) async fn stop(self) -> (f64, f64) {
        self.stop.store(true, Ordering::SeqCst);
        let (indexes, rebuilds) = tokio::join!(self.indexes, self.rebuilds);
        (indexes.expect("the builder ends").into(), rebuilds.expect("the rebuilder ends").into())
    }
}

async fn rebuild(data: PathBuf, stop: Arc<AtomicBool>) -> u32 {
    let mut done = 0;
    while !stop.load(Ordering::SeqCst) {
        let output = rhone_tests::program::rhone(&data, &["rebuild", "timeline"]).await;
        if output.status.success() {
            done += 1;
        } else {
            eprintln!("a rebuild failed: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    done
}
