//! Programs without a browser are let in: the endpoints of RFC 8628, the page, and `rhone login`.

use super::browser;
use reqwest::{Method, StatusCode};
use rhone_tests::{
    browser::{Browser, Reply},
    database::administrator,
    github::GitHub,
    platform::Platform,
    program,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A program that asks to be let in.
pub(super) struct Device {
    program: Browser,
    pub(super) code: String,
    pub(super) user_code: String,
}

impl Device {
    pub(super) async fn new(platform: &Platform) -> Self {
        Self::called(platform, "rhone/0.0 (tests)").await
    }

    /// One that calls itself so.
    pub(super) async fn called(platform: &Platform, agent: &str) -> Self {
        let program = browser(platform);
        let asked = program.request(Method::POST, "/auth/device/code").header("user-agent", agent);
        let reply = program.send(asked.form(&[("client_id", "rhone-cli")])).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let begun = reply.json();
        let page = format!("{}/auth/device", platform.report().urls.api);
        assert_eq!((&begun["verification_uri"], &begun["interval"]), (&json!(page), &json!(5)));
        let text = |name: &str| begun[name].as_str().unwrap_or_else(|| panic!("{begun:#}")).to_owned();
        Self { program, code: text("device_code"), user_code: text("user_code") }
    }

    /// Asks with these words beside the usual ones.
    pub(super) async fn ask(&self, code: &str) -> Reply {
        let form = [("client_id", "rhone-cli"), ("grant_type", GRANT), ("device_code", code)];
        self.program.send(self.program.request(Method::POST, "/auth/device/token").form(&form)).await
    }

    /// Asks whether it was let in, as if it had waited long enough.
    pub(super) async fn poll(&self, platform: &Platform) -> Reply {
        self.change(platform, "polled_at = NULL").await;
        self.ask(&self.code).await
    }

    /// Changes its row, as time does.
    pub(super) async fn change(&self, platform: &Platform, change: &str) {
        let update = format!("UPDATE identity.device_codes SET {change} WHERE hash = sha256($1)");
        sqlx::query(sqlx::AssertSqlSafe(update))
            .bind(self.code.as_bytes())
            .execute(&mut administrator(platform).await)
            .await
            .expect("the row is changed");
    }
}

/// The word that the page's forms carry.
pub(super) async fn proof(person: &Browser) -> String {
    let page = person.get("/auth/device").await;
    let (_, rest) = page.text.split_once("name=\"proof\" value=\"").unwrap_or_else(|| panic!("no form: {page:?}"));
    rest.split('"').next().expect("a value ends").to_owned()
}

/// Sends a form of the page.
pub(super) async fn answer(person: &Browser, origin: Option<&str>, proof: &str, code: &str, verdict: &str) -> Reply {
    let form = [("proof", proof), ("user_code", code), ("verdict", verdict)];
    let request = person.request(Method::POST, "/auth/device").header("accept", "text/html").form(&form);
    person.send(origin.into_iter().fold(request, |request, origin| request.header("origin", origin))).await
}

/// Sends a form of the page from the page.
pub(super) async fn decide(person: &Browser, code: &str, verdict: &str) -> Reply {
    let proof = proof(person).await;
    answer(person, Some(&person.address("")), &proof, code, verdict).await
}

/// Somebody who is signed in.
pub(super) async fn somebody(platform: &Platform) -> Browser {
    let browser = browser(platform);
    browser.sign_in(&GitHub::shared().somebody(), "/").await;
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_let_in_by_a_person_who_sees_what_asks() {
    let platform = Platform::shared().await;
    let (person, device) = (somebody(platform).await, Device::called(platform, "rhone/9 <b>bold</b>").await);
    let first = device.ask(&device.code).await;
    assert_eq!((first.status.as_u16(), first.code().as_str()), (400, "authorization_pending"));
    let hasty = async || (device.ask(&device.code).await.code() == "slow_down").then_some(());
    until("whoever asks again at once is told to slow down", PATIENCE, hasty).await;

    let page = decide(&person, &device.user_code.to_lowercase(), "look").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text.contains("rhone/9 &lt;b&gt;bold&lt;/b&gt;") && page.text.contains("127.0.0.1"), "{page:?}");
    assert!(page.text.contains(&device.user_code), "{page:?}");
    for (name, value) in [("x-frame-options", "DENY"), ("cache-control", "no-store")] {
        assert_eq!(page.headers[name], value);
    }
    assert_eq!(device.poll(platform).await.code(), "authorization_pending", "looking lets nobody in");

    decide(&person, &device.user_code, "approve").await;
    let given = device.poll(platform).await;
    assert_eq!(given.status, 200, "{given:?}");
    let given = given.json();
    assert_eq!(given["token_type"], "bearer");
    let token = given["access_token"].as_str().expect("a token");
    let seen = platform.client(token).data("{ viewer { actor } }", json!({})).await;
    assert_eq!(seen["viewer"]["actor"].as_str(), person.actor().await.as_deref());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_told_that_it_was_turned_away_or_came_too_late() {
    let platform = Platform::shared().await;
    let person = somebody(platform).await;
    let device = Device::new(platform).await;
    decide(&person, &device.user_code, "deny").await;
    assert_eq!(device.poll(platform).await.code(), "access_denied");
    let device = Device::new(platform).await;
    device.change(platform, "expires_at = now() - interval '1 s'").await;
    assert_eq!(device.poll(platform).await.code(), "expired_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_signed_in_comes_back_to_the_code() {
    let platform = Platform::shared().await;
    let (browser, device) = (browser(platform), Device::new(platform).await);
    let sent = browser.get(&format!("/auth/device?user_code={}", device.user_code)).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    let authorize = browser.get(&sent.location()).await.location();
    let back = browser.at_github(&authorize, &GitHub::shared().somebody(), true).await;
    let page = browser.get(&back).await.location();
    let letters = device.user_code.replace('-', "");
    assert_eq!(page, format!("/auth/device?user_code={letters}"));
    assert!(browser.get(&page).await.text.contains(&format!("value=\"{letters}\"")), "it is typed already");
}

/// `rhone` on a machine of its own.
fn rhone(machine: &Path, url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program::path("rhone"));
    command.arg("--data").arg(machine.join("data")).args(words).env("RHONE_URL", url);
    command.env("RHONE_LOGINS", machine.join("config/logins.json")).env_remove("RHONE_TOKEN").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn said(mut command: Command) -> (Option<i32>, Value, String) {
    let output = command.output().await.expect("rhone runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), json, program::text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_signs_in_says_who_it_is_and_signs_out() {
    let platform = Platform::shared().await;
    let (machine, url) = (tempfile::tempdir().expect("a folder"), platform.report().urls.api);
    let account = GitHub::shared().somebody();
    let person = browser(platform);
    person.sign_in(&account, "/").await;
    let none = said(rhone(machine.path(), &url, &["whoami", "--json"])).await;
    assert_eq!(none.0, Some(3), "nobody yet: {none:?}");

    let mut login = rhone(machine.path(), &url, &["login", "--json"]).spawn().expect("rhone runs");
    let mut lines = BufReader::new(login.stderr.take().expect("piped")).lines();
    let mut code = String::new();
    while code.is_empty() {
        let line = lines.next_line().await.expect("readable").expect("it says what to do");
        code = line.rsplit_once(" type ").map(|(_, code)| code.to_owned()).unwrap_or_default();
    }
    let approved = decide(&person, &code, "approve").await;
    assert_eq!(approved.status, StatusCode::OK, "{approved:?}");
    let output = login.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(shown["viewer"]["account"]["login"], json!(account.login));

    let file = machine.path().join("config/logins.json");
    let mode = std::fs::metadata(&file).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, who, _) = said(rhone(machine.path(), &url, &["whoami", "--json"])).await;
    assert_eq!((status, &who["viewer"]["account"]["login"]), (Some(0), &json!(account.login)));
    let mut beaten = rhone(machine.path(), &url, &["whoami", "--json"]);
    beaten.env("RHONE_TOKEN", platform.report().token);
    assert_eq!(said(beaten).await.1["viewer"]["actor"], json!(platform.report().ids.user.to_string()));

    let kept: Value = serde_json::from_slice(&std::fs::read(&file).expect("readable")).expect("JSON");
    let token = kept["tokens"][&url].as_str().expect("a token for this API").to_owned();
    let (status, out, why) = said(rhone(machine.path(), &url, &["logout", "--json"])).await;
    assert_eq!((status, &out["signedOut"]), (Some(0), &json!(true)), "{why}");
    let ended = platform.client(&token).ask("{ viewer { actor } }", json!({})).await;
    assert_eq!(ended["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "the token has ended");
    assert_eq!(said(rhone(machine.path(), &url, &["whoami"])).await.0, Some(3));
}
