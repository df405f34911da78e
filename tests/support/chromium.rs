//! A real browser: Debian's Chromium without a screen, told what to do by WebDriver, with a profile that goes with it. The trap
//! avoided: a page that is held to work because a client of ours does what we think that browsers do.

use crate::wait::{PATIENCE, until};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{Actions, InputSource as _, KeyAction, KeyActions},
    elements::Element,
    key::Key,
};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// What stands between the name of the port and its end, in the words of the driver.
const LISTENS: &str = "started successfully on port ";

/// A browser that runs, with one page.
pub struct Chromium {
    page: Client,
    driver: Child,
    _profile: TempDir,
}

impl Chromium {
    /// None, said loudly, where it is not installed.
    pub async fn start() -> Option<Self> {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", profile.path()).env("TMPDIR", profile.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let is_there = Command::new("chromium").arg("--version").output().await.is_ok();
        let listening = if is_there { listening(&mut command).await } else { None };
        let Some((driver, port)) = listening else {
            eprintln!("SKIPPED: `chromium` or `chromedriver` is not installed");
            return None;
        };
        // Only pages of ours are opened; Chromium's own sandbox wants what a container may not give.
        let words = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--window-size=1400,1000",
            // Apps of the tests have names that nobody resolves.
            "--host-resolver-rules=MAP *.test 127.0.0.1",
        ];
        let wanted = json!({ "goog:chromeOptions": { "args": words }, "timeouts": { "script": 60_000 } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted.as_object().expect("an object").clone());
        let page = started(&builder, &format!("http://127.0.0.1:{port}")).await;
        Some(Self { page, driver, _profile: profile })
    }

    /// Opens a page, as a link does, and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Where it is.
    pub async fn address(&self) -> String {
        self.page.current_url().await.expect("it is somewhere").into()
    }

    /// What a script of the page returns; a promise is awaited.
    pub async fn run(&self, script: &str, words: Vec<Value>) -> Value {
        self.page.execute(script, words).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Goes into the only frame of the page.
    pub async fn enter_frame(&self) {
        self.page.enter_frame(0).await.expect("there is a frame");
    }

    /// What is there as soon as it is there.
    pub async fn find(&self, css: &str) -> Element {
        self.found(css, Locator::Css(css)).await
    }

    async fn found(&self, what: &str, locator: Locator<'_>) -> Element {
        until(what, PATIENCE, async || self.page.find(locator).await.ok()).await
    }

    /// Clicks on what is there as soon as it takes a click: a page that is drawn anew meanwhile has another one in its place.
    pub async fn click(&self, css: &str) {
        self.clicked(css, Locator::Css(css)).await;
    }

    /// The same by an `XPath`.
    pub async fn click_by(&self, path: &str) {
        self.clicked(path, Locator::XPath(path)).await;
    }

    async fn clicked(&self, what: &str, locator: Locator<'_>) {
        let click = async || self.found(what, locator).await.click().await.ok();
        until(&format!("{what} is clicked"), PATIENCE, click).await;
    }

    /// Replaces what stands in an editor: with mouse and keys, as a person does.
    pub async fn write(&self, css: &str, text: &str) {
        self.click(css).await;
        let mut keys = KeyActions::new("keys".into());
        let control = char::from(Key::Control);
        keys = keys.then(KeyAction::Down { value: control }).then(KeyAction::Down { value: 'a' });
        keys = keys.then(KeyAction::Up { value: 'a' }).then(KeyAction::Up { value: control });
        for value in std::iter::once(char::from(Key::Backspace)).chain(text.chars()) {
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.page.perform_actions(Actions::from(keys)).await.expect("it has keys");
    }

    /// Ends it, and what it wrote.
    pub async fn close(self) {
        self.page.clone().close().await.expect("it ends");
    }
}

/// The driver gives a browser a minute to start, which a busy machine may need more than once.
async fn started(builder: &ClientBuilder<HttpConnector>, driver: &str) -> Client {
    let mut told = String::new();
    for _ in 0..3 {
        match builder.connect(driver).await {
            Ok(page) => return page,
            Err(error) => told = error.to_string(),
        }
    }
    panic!("Chromium does not start: {told}");
}

/// The driver and its port; none where there is no such program. It takes a free port of IPv6 and then the same of IPv4, and ends
/// when somebody has that one.
async fn listening(command: &mut Command) -> Option<(Child, u16)> {
    let mut told = String::new();
    for _ in 0..5 {
        let mut driver = command.spawn().ok()?;
        let said = timeout(PATIENCE, port(driver.stdout.take().expect("it is a pipe"))).await;
        match said.unwrap_or_else(|_| Err("nothing of a port".to_owned())) {
            Ok(port) => return Some((driver, port)),
            Err(words) => told = words,
        }
    }
    panic!("chromedriver does not listen: {told}");
}

/// What it listens on, or its words when it ends before.
async fn port(said: ChildStdout) -> Result<u16, String> {
    let (mut lines, mut told) = (BufReader::new(said).lines(), String::new());
    while let Some(line) = lines.next_line().await.expect("it speaks") {
        if let Some((_, port)) = line.split_once(LISTENS) {
            return Ok(port.trim_end_matches('.').parse().expect("a port"));
        }
        told.push_str(&line);
    }
    Err(told)
}

/// With all that it started; a test that failed closes nothing.
impl Drop for Chromium {
    fn drop(&mut self) {
        let group = self.driver.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
