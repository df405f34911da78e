//! What else went on while requests waited. As long as one of them has waited for a tenth of a second, it is looked ten times a
//! second: what PostgreSQL's processes do and wait for, which processes have the processors, what the kernel has yet to write.
//! Of the slowest second that is said on standard error. The trap avoided: a stall that is in every figure and has no cause; and
//! a look that costs something while nobody waits.

use crate::seeded::Seeded;
use rhone_tests::database::administrator;
use sqlx::{PgConnection, Row as _};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    fs,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::MissedTickBehavior;

/// Who waits for longer is looked into, and as often.
const LONG: Duration = Duration::from_millis(100);
/// As many lines of each kind are said.
const MOST: usize = 8;

/// When each request was due that has no answer yet.
static DUE: Mutex<BTreeSet<(Instant, u64)>> = Mutex::new(BTreeSet::new());

const BACKENDS: &str = "SELECT concat_ws(' ', backend_type, nullif(application_name, ''), state,
        coalesce('waits for ' || wait_event_type || ':' || wait_event, 'runs'),
        left(regexp_replace(query, '\\s+', ' ', 'g'), 60)) AS does
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle' AND wait_event_type IS DISTINCT FROM 'Activity'";

/// A request without an answer, until this is dropped.
pub(crate) struct Unanswered((Instant, u64));

impl Unanswered {
    pub(crate) fn since(due: Instant) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let one = (due, NUMBER.fetch_add(1, Ordering::Relaxed));
        all_due().insert(one);
        Self(one)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        all_due().remove(&self.0);
    }
}

fn all_due() -> MutexGuard<'static, BTreeSet<(Instant, u64)>> {
    DUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does it, and says what else went on in its slowest second.
pub(crate) async fn watched<T>(seeded: &Seeded, when: &str, work: impl Future<Output = T>) -> T {
    let (mut database, mut looks) = (administrator(&seeded.platform).await, Vec::new());
    let begun = Instant::now();
    let came = tokio::select! {
        came = work => came,
        never = look(&mut database, &mut looks) => match never {},
    };
    say(when, begun, &looks);
    came
}

/// One look.
struct Look {
    at: Instant,
    /// How long the first without an answer has waited, and how many there are.
    longest: Duration,
    unanswered: usize,
    /// Name and hundredths of a second so far, by process.
    processes: HashMap<u32, (String, u64)>,
    backends: Vec<String>,
    kernel: Kernel,
}

/// What the kernel says of itself.
#[derive(Clone, Copy)]
struct Kernel {
    /// Pages of 4 KiB.
    dirty: u64,
    written_back: u64,
    /// Microseconds so far in which something waited.
    for_processor: u64,
    for_storage: u64,
}

async fn look(database: &mut PgConnection, looks: &mut Vec<Look>) -> Infallible {
    let mut ticks = tokio::time::interval(LONG);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some((longest, unanswered)) = waiting() else { continue };
        // PostgreSQL comes last: it may be what does not answer.
        let (at, processes, kernel) = (Instant::now(), processes(), kernel());
        let rows = sqlx::query(BACKENDS).fetch_all(&mut *database).await.expect("PostgreSQL says what it does");
        let backends = rows.iter().map(|row| row.get::<String, _>("does")).collect();
        looks.push(Look { at, longest, unanswered, processes, backends, kernel });
    }
}

fn waiting() -> Option<(Duration, usize)> {
    let due = all_due();
    let waiting = (due.first()?.0.elapsed(), due.len());
    (waiting.0 > LONG).then_some(waiting)
}

/// Name and hundredths of a second of a processor so far, which a tick of this file is on every Linux.
pub(crate) fn processor_of(pid: u32) -> Option<(String, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok());
    Some((before.split_once('(')?.1.to_owned(), ticks.sum()))
}

fn processes() -> HashMap<u32, (String, u64)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, processor_of(pid)?))).collect()
}

fn kernel() -> Kernel {
    Kernel {
        dirty: number("/proc/vmstat", "nr_dirty "),
        written_back: number("/proc/vmstat", "nr_writeback "),
        for_processor: number("/proc/pressure/cpu", "total="),
        for_storage: number("/proc/pressure/io", "total="),
    }
}

/// The number that follows this in a file, where it first does; 0 on a kernel that does not say it.
fn number(file: &str, after: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let rest = text.split_once(after).map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Of the second at whose end somebody had waited for the longest.
fn say(when: &str, begun: Instant, looks: &[Look]) {
    let Some(worst) = looks.iter().max_by_key(|look| look.longest) else {
        eprintln!("{when}: nobody waited for {} ms", LONG.as_millis());
        return;
    };
    let second = |look: &&Look| look.at <= worst.at && worst.at.duration_since(look.at) <= Duration::from_secs(1);
    let looks = looks.iter().filter(second).collect::<Vec<_>>();
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return };
    let later = worst.at.duration_since(begun).as_secs_f64();
    let (many, longest) = (worst.unanswered, worst.longest.as_millis());
    eprintln!("{when}: after {later:.1} s {many} requests had no answer, the first for {longest} ms.");
    let span = last.at.duration_since(first.at).as_millis();
    eprintln!("  hundredths of a second of a processor in the last {span} ms: {}", had(first, last));
    eprintln!("  PostgreSQL in {} looks: {}", looks.len(), did(&looks));
    let (before, after) = (first.kernel, last.kernel);
    let waited = |before: u64, after: u64| after.saturating_sub(before) / 1_000;
    eprintln!(
        "  the kernel: {} MiB to be written, {} MiB on their way; waited for a processor {} ms, for storage {} ms",
        after.dirty / 256,
        after.written_back / 256,
        waited(before.for_processor, after.for_processor),
        waited(before.for_storage, after.for_storage),
    );
}

/// Who had the processors in between: processes of one name together, and how many of them are new.
fn had(first: &Look, last: &Look) -> String {
    let mut by_name: BTreeMap<String, (u64, u32, u32)> = BTreeMap::new();
    for (pid, (name, ticks)) in &last.processes {
        let before = first.processes.get(pid);
        let sum = by_name.entry(named(*pid, name)).or_default();
        sum.0 += ticks.saturating_sub(before.map_or(0, |(_, ticks)| *ticks));
        sum.1 += 1;
        sum.2 += u32::from(before.is_none());
    }
    let mut sums = by_name.into_iter().filter(|(_, (ticks, _, _))| *ticks > 0).collect::<Vec<_>>();
    sums.sort_by_key(|(_, (ticks, _, _))| std::cmp::Reverse(*ticks));
    let said = sums.iter().take(MOST).map(|(name, (ticks, all, new))| format!("{ticks} {name} ({all}, {new} new)"));
    said.collect::<Vec<_>>().join("; ")
}

/// A process by the first words of its command line that are no paths; PostgreSQL's say there what they are.
fn named(pid: u32, name: &str) -> String {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(['\0', ' ']).filter(|word| !word.is_empty() && !word.contains('/')).take(3);
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

fn did(looks: &[&Look]) -> String {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for does in looks.iter().flat_map(|look| &look.backends) {
        *times.entry(does).or_default() += 1;
    }
    let mut times = times.into_iter().collect::<Vec<_>>();
    times.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    times.iter().take(MOST).map(|(does, times)| format!("{times} x {does}")).collect::<Vec<_>>().join("; ")
}
