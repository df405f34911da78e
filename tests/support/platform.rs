//! A whole platform: `rhone up` on a folder of its own, and what tests do to it. It ends with the test process, however that
//! ends. The trap avoided: servers left behind by a test that panicked; a shell waits for this process' end and stops them.

use crate::{
    github::GitHub,
    graphql::Client,
    program,
    report::{self, Addresses, Report},
    signals::{self, Paused},
    wait::{PATIENCE, until, within},
};
use rustix::process::Signal;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::sync::{Mutex, MutexGuard, OnceCell, Semaphore, SemaphorePermit};

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    folder: PathBuf,
    /// What it is told beside its options.
    environment: Vec<(String, String)>,
    /// Its end is the shell's sign to stop everything.
    guard: Child,
    /// At most so many at a time.
    _place: Option<SemaphorePermit<'static>>,
}

/// While this lives, nothing of a platform that dies is started again, and no other platform starts.
#[derive(Debug)]
pub struct Unsupervised {
    _supervisor: Paused,
    _nobody_starts: MutexGuard<'static, ()>,
}

/// Postgres, NATS and six processes each. Two, for while one waits until a silence or a drain has passed the other is at work.
static PLACES: Semaphore = Semaphore::const_new(2);
/// Who starts takes ports that are free: those of nobody else who starts, and of nothing that is down and comes back.
static STARTING: Mutex<()> = Mutex::const_new(());

/// Starts `rhone up`, waits until this process is gone or wants it stopped, stops it, and removes its folder.
const SHELL: &str = r#"
folder=$1; shift
"$@" >"$folder/up.out" 2>&1 </dev/null &
up=$!
read -r _
kill -CONT "$up" 2>/dev/null
kill -TERM "$up" 2>/dev/null
wait "$up"
[ -n "$RHONE_E2E_KEEP" ] || { chmod -R u+w -- "$folder"; rm -rf -- "$folder"; }
"#;

impl Platform {
    /// The one that all tests share which break nothing. People sign in at [`GitHub::shared`].
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Platform> = OnceCell::const_new();
        let start = async || {
            let platform = Self::start_in(new_folder(), None, &[], GitHub::shared().environment()).await;
            GitHub::shared().register(&platform.report().urls.api);
            platform
        };
        SHARED.get_or_init(start).await
    }

    /// One of its own, for a test that breaks things.
    pub async fn start() -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        Self::start_in(new_folder(), Some(place), &[], Vec::new()).await
    }

    /// One of its own, at which people sign in by [`GitHub::shared`].
    pub async fn start_with_sign_in() -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        let platform = Self::start_in(new_folder(), Some(place), &[], GitHub::shared().environment()).await;
        GitHub::shared().register(&platform.report().urls.api);
        platform
    }

    /// One of its own, started with these options.
    pub async fn start_with(options: &[&str]) -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        Self::start_in(new_folder(), Some(place), options, Vec::new()).await
    }

    /// One of its own, whose parts are told this beside.
    pub async fn start_told(environment: Vec<(String, String)>) -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        Self::start_in(new_folder(), Some(place), &[], environment).await
    }

    /// Another one, beside this, whose parts are told this beside. It has this one's place.
    pub async fn start_beside(&self, environment: Vec<(String, String)>) -> Self {
        Self::start_in(new_folder(), None, &[], environment).await
    }

    /// One of its own, on a data folder that somebody made before its first start.
    pub async fn start_prepared(prepare: impl AsyncFnOnce(&Path)) -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        let folder = new_folder();
        prepare(&folder.join("data")).await;
        Self::start_in(folder, Some(place), &[], Vec::new()).await
    }

    async fn start_in(
        folder: PathBuf,
        place: Option<SemaphorePermit<'static>>,
        options: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        let _nobody_else = Self::nobody_starts().await;
        let guard = up(&folder, options, &environment);
        let platform = Self { folder, environment, guard, _place: place };
        platform.ready().await;
        platform
    }

    /// Ends it in order, as Ctrl-C does, and returns when it has ended.
    pub async fn end(&self) {
        let pid = self.report().up.pid;
        signals::send(pid, Signal::TERM);
        until("`rhone up` has ended", PATIENCE, async || (!signals::is_alive(pid)).then_some(())).await;
    }

    /// While the answer lives, no other platform starts: one that has ended, and is started again, finds its ports free.
    pub async fn nobody_starts() -> MutexGuard<'static, ()> {
        STARTING.lock().await
    }

    /// Starts it again, after its end, on the same folder. Whoever ended it lets nobody start meanwhile.
    pub async fn start_again(&mut self) {
        // The shell that waits for this process' end would remove the folder.
        self.guard.kill().expect("the shell waits");
        self.guard.wait().expect("the shell was killed");
        self.guard = up(&self.folder, &[], &self.environment);
        self.ready().await;
    }

    /// Waits until everything answers.
    pub async fn ready(&self) {
        let ready = async || self.look().filter(|report| report.stage == "ready");
        let is_ready = within(PATIENCE * 2, ready).await.is_some();
        assert!(is_ready, "the platform is not up; it said: {}", self.said());
    }

    /// What it printed.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("up.out")).unwrap_or_default()
    }

    /// The log of a part.
    pub fn log(&self, part: &str) -> String {
        fs::read_to_string(self.data().join("logs").join(format!("{part}.log"))).unwrap_or_default()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn look(&self) -> Option<Report> {
        report::read(&self.data().join("up.json"))
    }

    /// What runs now.
    pub fn report(&self) -> Report {
        self.look().expect("a platform that started has reported")
    }

    /// Where its servers are.
    pub fn addresses(&self) -> Addresses {
        report::read(&self.data().join("rhone.json")).expect("a platform that started is configured")
    }

    /// The development user at the API.
    pub fn developer(&self) -> Client {
        self.client(&self.report().token)
    }

    /// Somebody at the API.
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.report().urls.api, token)
    }

    /// The pid of a part that runs now.
    pub fn pid(&self, part: &str) -> u32 {
        self.report().parts.get(part).unwrap_or_else(|| panic!("there is no part {part}")).pid
    }

    /// Kills a part and returns once it is dead. Who it was.
    pub async fn kill(&self, part: &str) -> u32 {
        let pid = self.pid(part);
        signals::kill(pid);
        until(&format!("{part} is dead"), PATIENCE, async || (!signals::is_alive(pid)).then_some(())).await;
        pid
    }

    /// Waits until a part runs again that had this pid.
    pub async fn runs_again(&self, part: &str, old: u32) {
        let again = async || {
            let new = self.look()?.parts.get(part)?.pid;
            (new != old && signals::is_alive(new)).then_some(())
        };
        until(&format!("{part} was started again"), PATIENCE, again).await;
    }

    /// While the answer lives, nothing that dies is started again, and nobody takes its ports.
    pub async fn unsupervised(&self) -> Unsupervised {
        let nobody_starts = Self::nobody_starts().await;
        Unsupervised { _supervisor: Paused::new(self.report().up.pid), _nobody_starts: nobody_starts }
    }

    /// Runs `rhone` on this platform's folder.
    pub async fn rhone(&self, words: &[&str]) -> std::process::Output {
        program::rhone(&self.data(), words).await
    }

    /// The processes of the apps that run on it.
    pub fn apps(&self) -> Vec<u32> {
        signals::running_from(&self.data().join("runner"))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Whether the database is somebody else's, so that it cannot be killed.
pub fn database_is_foreign() -> bool {
    env::var_os("DATABASE_URL").is_some()
}

fn up(folder: &Path, options: &[&str], environment: &[(String, String)]) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", SHELL, "e2e"]).arg(folder).arg(program::path("rhone"));
    shell.args(["up", "--data"]).arg(folder.join("data")).args(options);
    shell.envs(environment.iter().map(|(name, value)| (name, value)));
    shell.stdin(Stdio::piped()).spawn().expect("there is a shell")
}

/// PostgreSQL's own user must be able to enter it, and no other test run may have it.
fn new_folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rhone-e2e-{}-{number}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&name).tempdir_in("/var/tmp").expect("/var/tmp takes a folder").keep();
    open(&folder);
    folder
}

fn open(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).expect("it is ours");
}
