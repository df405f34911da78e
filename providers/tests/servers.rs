//! The private servers, for real: started, killed, started again on the same port with what they kept. Needs PostgreSQL,
//! `psql` and nats-server; `./dev prerequisites` brings them.

use rhone_providers::servers::{Nats, Postgres, ServerError};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// Long enough for anything that is not broken, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder below /tmp, whose parents everybody may enter.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn kill_9(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process's number");
    kill_process(pid, Signal::KILL).expect("the process was there to be killed");
}

fn sql(url: &str, statement: &str) -> String {
    let output = Command::new("psql").args([url, "-XAtqc", statement]).output().expect("psql runs");
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, poll).await.is_ok(), "never: {what}");
}

#[tokio::test]
async fn postgres_killed_with_a_session_open_comes_back_on_its_port_with_what_it_acknowledged() {
    let folder = folder();
    let postgres = Postgres::start_for_test(folder.path()).await.expect("starts");
    let url = postgres.url("postgres");
    sql(&url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    let mut session = Command::new("psql").args([&url, "-XAtqc", "SELECT pg_sleep(600)"]).spawn().expect("psql runs");
    until("the session is open", || {
        sql(&url, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sl'") == "1"
    })
    .await;
    let pid = postgres.pid();
    kill_9(pid);
    timeout(PATIENCE, postgres.wait()).await.expect("its end is seen");
    drop(postgres);

    let again = Postgres::start_for_test(folder.path()).await.expect("starts again");
    assert_ne!(again.pid(), pid);
    assert_eq!(again.url("postgres"), url);
    assert_eq!(sql(&url, "SELECT n FROM kept"), "7");
    let data = folder.path().canonicalize().expect("the folder exists").join("data");
    assert_eq!(sql(&url, "SHOW data_directory"), data.display().to_string());
    assert_eq!(sql(&url, "SHOW data_checksums"), "on");
    assert_eq!(sql(&url, "SHOW idle_in_transaction_session_timeout"), "5s");
    session.wait().expect("the session ended with its server");
    again.stop().await;
}

#[tokio::test]
async fn postgres_left_running_by_an_earlier_run_is_stopped_and_its_data_carried_on() {
    let folder = folder();
    let left = Postgres::start(folder.path()).await.expect("starts");
    let pid = left.pid();
    sql(&left.url("postgres"), "CREATE TABLE kept (n int)");
    assert!(matches!(Postgres::start(folder.path()).await, Err(ServerError::Owned { .. })));
    drop(left);
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "it outlives its owner");

    let again = Postgres::start_for_test(folder.path()).await.expect("starts again");
    assert_ne!(again.pid(), pid);
    assert_eq!(sql(&again.url("postgres"), "SELECT count(*) FROM kept"), "0");
    let ended = again.pid();
    again.stop().await;
    assert!(!Path::new(&format!("/proc/{ended}")).exists(), "stop waits for the end");
}

#[tokio::test]
async fn postgres_moves_to_another_port_when_its_own_is_taken_and_ignores_a_foreign_pid_file() {
    let folder = folder();
    let first = Postgres::start_for_test(folder.path()).await.expect("starts");
    let port = first.port();
    first.stop().await;
    let _taken = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free now");
    let foreign = format!("{}\n/elsewhere\n", std::process::id());
    fs::write(folder.path().join("data/postmaster.pid"), foreign).expect("the data folder is there");

    let moved = Postgres::start_for_test(folder.path()).await.expect("starts elsewhere");
    assert_ne!(moved.port(), port);
    moved.stop().await;
}

#[tokio::test]
async fn postgres_begins_anew_where_an_initdb_was_interrupted() {
    let folder = folder();
    fs::create_dir(folder.path().join("data.new")).expect("a half-made folder");
    fs::write(folder.path().join("data.new/PG_VERSION"), "15\n").expect("a half-made file");
    let postgres = Postgres::start_for_test(folder.path()).await.expect("starts");
    assert_eq!(sql(&postgres.url("postgres"), "SELECT 1"), "1");
    postgres.stop().await;
}

/// A session of NATS' text protocol: enough to publish into a stream and to count it.
struct Session {
    lines: BufReader<TcpStream>,
}

impl Session {
    async fn open(nats: &Nats) -> Self {
        let url = nats.url();
        let (user, password) =
            url.split_once("//").and_then(|(_, rest)| rest.split_once('@')?.0.split_once(':')).expect("a URL");
        let stream = TcpStream::connect(("127.0.0.1", nats.port())).await.expect("it listens");
        let mut session = Self { lines: BufReader::new(stream) };
        session.line().await;
        let hello =
            format!("CONNECT {{\"verbose\":false,\"user\":{user:?},\"pass\":{password:?}}}\r\nSUB answer 1\r\n");
        session.send(&hello).await;
        session
    }

    async fn send(&mut self, text: &str) {
        self.lines.write_all(text.as_bytes()).await.expect("it reads");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await;
        read.expect("it answers in time").expect("it answers");
        line
    }

    async fn ask(&mut self, subject: &str, body: &str) -> String {
        self.send(&format!("PUB {subject} answer {}\r\n{body}\r\n", body.len())).await;
        let head = self.line().await;
        assert!(head.starts_with("MSG answer"), "{head}");
        let length: u64 = head.split_whitespace().next_back().and_then(|word| word.parse().ok()).expect("a length");
        let mut answer = String::new();
        (&mut self.lines).take(length + 2).read_to_string(&mut answer).await.expect("the whole answer");
        answer
    }
}

#[tokio::test]
async fn nats_killed_comes_back_on_its_port_with_its_stream_and_lets_no_stranger_in() {
    let folder = folder();
    let nats = Nats::start_for_test(folder.path()).await.expect("starts");
    let mut session = Session::open(&nats).await;
    let made = session.ask("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"file"}"#).await;
    assert!(made.contains("did_create"), "{made}");
    let stored = session.ask("s.1", "hello").await;
    assert!(stored.contains("\"seq\":1"), "{stored}");
    let (url, pid) = (nats.url(), nats.pid());
    kill_9(pid);
    timeout(PATIENCE, nats.wait()).await.expect("its end is seen");
    drop(nats);

    let again = Nats::start_for_test(folder.path()).await.expect("starts again");
    assert_eq!(again.url(), url);
    let found = Session::open(&again).await.ask("$JS.API.STREAM.INFO.S", "").await;
    assert!(found.contains("\"messages\":1"), "{found}");

    let mut stranger = TcpStream::connect(("127.0.0.1", again.port())).await.expect("it listens");
    stranger.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await.expect("it reads");
    let mut said = String::new();
    timeout(PATIENCE, stranger.read_to_string(&mut said)).await.expect("it hangs up").expect("it answers");
    assert!(said.contains("Authorization Violation"), "{said}");
    again.stop().await;
}

#[tokio::test]
async fn nats_left_running_by_an_earlier_run_is_stopped_first() {
    let folder = folder();
    let left = Nats::start(folder.path()).await.expect("starts");
    let pid = left.pid();
    drop(left);
    let again = Nats::start_for_test(folder.path()).await.expect("starts again");
    until("the earlier one is gone", || !Path::new(&format!("/proc/{pid}")).exists()).await;
    again.stop().await;
}

#[tokio::test]
async fn a_server_for_a_test_ends_when_it_is_dropped() {
    let folder = folder();
    let nats = Nats::start_for_test(&folder.path().join("nats")).await.expect("starts");
    let postgres = Postgres::start_for_test(&folder.path().join("postgres")).await.expect("starts");
    let pids = [nats.pid(), postgres.pid()];
    drop((nats, postgres));
    until("both are gone", || pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())).await;
}

/// Not a test: what the next one starts and kills.
#[tokio::test]
#[ignore = "runs until it is killed; started by the test below"]
async fn holds_a_server_until_it_is_killed() {
    let folder = PathBuf::from(env::var_os("RHONE_TEST_FOLDER").expect("the starter names a folder"));
    let nats = Nats::start_for_test(&folder.join("nats")).await.expect("starts");
    fs::write(folder.join("pid.next"), nats.pid().to_string()).expect("the folder is there");
    fs::rename(folder.join("pid.next"), folder.join("pid")).expect("the folder is there");
    nats.wait().await;
}

/// A process that ends with the test, also with one that fails: who reads what tests print waits for all who could still print.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[tokio::test]
async fn a_server_for_a_test_ends_even_when_the_test_is_killed() {
    let folder = folder();
    let holder = Command::new(env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "holds_a_server_until_it_is_killed"])
        .env("RHONE_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("this test starts again");
    let mut holder = Holder(holder);
    until("the server is there", || folder.path().join("pid").exists()).await;
    let pid = fs::read_to_string(folder.path().join("pid")).expect("it was written");
    assert!(Path::new("/proc").join(&pid).exists());
    holder.0.kill().expect("the holder was there");
    holder.0.wait().expect("it ends");
    until("the server is gone", || !Path::new("/proc").join(&pid).exists()).await;
}
