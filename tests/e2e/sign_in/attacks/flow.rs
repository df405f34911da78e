//! Attacks on the way to GitHub and back.

use super::Tally;
use crate::sign_in::{browser, url_word};
use reqwest::{Method, Url};
use rhone_tests::{
    browser::{Browser, Reply, SESSION, SIGN_IN},
    database::administrator,
    github::{Account, CLIENT_ID, CLIENT_SECRET, GitHub},
    graphql::http,
    platform::Platform,
};
use serde_json::{Value, json};

/// A browser that was at GitHub and is about to come back.
struct Victim {
    browser: Browser,
    account: Account,
    authorize: String,
    back: String,
}

impl Victim {
    async fn new(platform: &Platform) -> Self {
        let (browser, account) = (browser(platform), GitHub::shared().somebody());
        let authorize = browser.begin("/").await;
        let back = browser.at_github(&authorize, &account, true).await;
        Self { browser, account, authorize, back }
    }

    fn code(&self) -> String {
        url_word(&self.back, "code")
    }

    /// The way back with other words.
    fn back_with(&self, words: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&self.back).expect("a URL");
        url.query_pairs_mut().clear().extend_pairs(words);
        url.into()
    }
}

/// Refused with this code, and nobody is signed in.
fn refused(reply: &Reply, browser: &Browser, code: &str) -> bool {
    reply.code() == code && reply.status.is_client_error() && browser.cookie(SESSION).is_none()
}

pub(super) async fn attack(platform: &Platform, tally: &mut Tally) {
    let honest = Victim::new(platform).await;
    let reply = honest.browser.get(&honest.back).await;
    assert!(reply.status == 303 && honest.browser.cookie(SESSION).is_some(), "the honest way works: {reply:?}");
    states(platform, tally).await;
    replays(platform, tally).await;
    other_browsers(platform, tally).await;
    codes(platform, tally).await;
    provider(platform, tally).await;
}

/// A state that is missing, wrong or doubled.
async fn states(platform: &Platform, tally: &mut Tally) {
    let stale = "SIGN_IN_EXPIRED";
    for (attack, state, code) in [
        ("no state", vec![], stale),
        ("an empty state", vec![""], stale),
        ("a guessed state", vec!["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], stale),
        ("a state that is there twice", vec!["mine", "yours"], "BAD_USER_INPUT"),
    ] {
        let victim = Victim::new(platform).await;
        let given = victim.code();
        let words = state.iter().map(|state| ("state", *state)).chain([("code", given.as_str())]).collect::<Vec<_>>();
        let reply = victim.browser.get(&victim.back_with(&words)).await;
        tally.note(attack, refused(&reply, &victim.browser, code));
    }
    let victim = Victim::new(platform).await;
    victim.browser.forget(SIGN_IN);
    let reply = victim.browser.get(&victim.back).await;
    tally.note("the way back without the cookie", refused(&reply, &victim.browser, stale));

    let victim = Victim::new(platform).await;
    victim.browser.plant(SIGN_IN, &url_word(&victim.back, "state"));
    let reply = victim.browser.get(&victim.back).await;
    tally.note("the state as the cookie", refused(&reply, &victim.browser, stale));

    let victim = Victim::new(platform).await;
    sqlx::query("UPDATE identity.sign_ins SET expires_at = now() - interval '1 s' WHERE state = sha256($1)")
        .bind(url_word(&victim.back, "state").as_bytes())
        .execute(&mut administrator(platform).await)
        .await
        .expect("ten minutes are over");
    let reply = victim.browser.get(&victim.back).await;
    tally.note("a sign-in that took too long", refused(&reply, &victim.browser, stale));

    let victim = Victim::new(platform).await;
    let reply = victim.browser.send(victim.browser.request(Method::POST, "/auth/github/callback")).await;
    tally.note("the way back by POST", reply.status == 405 && victim.browser.cookie(SESSION).is_none());
}

/// What was used once.
async fn replays(platform: &Platform, tally: &mut Tally) {
    let victim = Victim::new(platform).await;
    let binding = victim.browser.cookie(SIGN_IN).expect("begun");
    victim.browser.get(&victim.back).await;
    victim.browser.forget(SESSION);
    victim.browser.plant(SIGN_IN, &binding);
    let reply = victim.browser.get(&victim.back).await;
    tally.note("the whole way back again, cookie and all", refused(&reply, &victim.browser, "SIGN_IN_EXPIRED"));

    let authorize = victim.browser.begin("/").await;
    let (state, used) = (url_word(&authorize, "state"), victim.code());
    let reply = victim.browser.get(&victim.back_with(&[("code", &used), ("state", &state)])).await;
    tally.note("a used code under a new state", refused(&reply, &victim.browser, "CODE_REFUSED"));

    let victim = Victim::new(platform).await;
    let binding = victim.browser.cookie(SIGN_IN).expect("begun");
    let denied = victim.browser.at_github(&victim.authorize, &victim.account, false).await;
    victim.browser.get(&denied).await;
    victim.browser.plant(SIGN_IN, &binding);
    let reply = victim.browser.get(&victim.back).await;
    tally.note("a code after the person said no", refused(&reply, &victim.browser, "SIGN_IN_EXPIRED"));
}

/// Signing the victim in as the attacker, and the other way round.
async fn other_browsers(platform: &Platform, tally: &mut Tally) {
    let attacker = Victim::new(platform).await;
    let idle = browser(platform);
    let reply = idle.get(&attacker.back).await;
    tally.note("the attacker's way back in an idle browser", refused(&reply, &idle, "SIGN_IN_EXPIRED"));

    let (attacker, victim) = (Victim::new(platform).await, Victim::new(platform).await);
    let reply = victim.browser.get(&attacker.back).await;
    tally.note("the attacker's way back during a sign-in", refused(&reply, &victim.browser, "SIGN_IN_EXPIRED"));

    let (attacker, victim) = (Victim::new(platform).await, Victim::new(platform).await);
    let (stolen, state) = (victim.code(), url_word(&attacker.back, "state"));
    let reply = attacker.browser.get(&attacker.back_with(&[("code", &stolen), ("state", &state)])).await;
    // PKCE alone stops this one: state, cookie and code are all unused.
    tally.note("a stolen code in the attacker's sign-in", refused(&reply, &attacker.browser, "CODE_REFUSED"));

    let (attacker, victim) = (Victim::new(platform).await, Victim::new(platform).await);
    let (own, state) = (attacker.code(), url_word(&victim.back, "state"));
    let reply = victim.browser.get(&victim.back_with(&[("code", &own), ("state", &state)])).await;
    tally.note("the attacker's code under the victim's state", refused(&reply, &victim.browser, "CODE_REFUSED"));

    let (attacker, victim) = (Victim::new(platform).await, Victim::new(platform).await);
    attacker.browser.plant(SIGN_IN, &attacker.browser.cookie(SIGN_IN).expect("begun"));
    let reply = attacker.browser.get(&victim.back).await;
    tally
        .note("the victim's way back in the attacker's browser", refused(&reply, &attacker.browser, "SIGN_IN_EXPIRED"));
}

/// Codes that are none any more, or never were.
async fn codes(platform: &Platform, tally: &mut Tally) {
    let victim = Victim::new(platform).await;
    GitHub::shared().expire(&victim.code());
    let reply = victim.browser.get(&victim.back).await;
    tally.note("an expired code", refused(&reply, &victim.browser, "CODE_REFUSED"));
    for (attack, given, expected) in [
        ("no code", None, "CODE_MISSING"),
        ("an empty code", Some(""), "CODE_MISSING"),
        ("a guessed code", Some("0123456789abcdef0123"), "CODE_REFUSED"),
    ] {
        let victim = Victim::new(platform).await;
        let state = url_word(&victim.back, "state");
        let words: Vec<_> = [("state", state.as_str())].into_iter().chain(given.map(|code| ("code", code))).collect();
        let reply = victim.browser.get(&victim.back_with(&words)).await;
        tally.note(attack, refused(&reply, &victim.browser, expected));
    }
    let victim = Victim::new(platform).await;
    let mut weakened = Url::parse(&victim.authorize).expect("a URL");
    let words: Vec<(String, String)> = weakened.query_pairs().into_owned().collect();
    let words = words.iter().filter(|(name, _)| !name.starts_with("code_challenge"));
    weakened.query_pairs_mut().clear().extend_pairs(words);
    let back = victim.browser.at_github(weakened.as_str(), &victim.account, true).await;
    let reply = victim.browser.get(&back).await;
    tally.note("a challenge taken out of the way to GitHub", refused(&reply, &victim.browser, "CODE_REFUSED"));
}

/// What an attacker asks of GitHub itself, with what a stolen way back holds: that our questions are such that GitHub can refuse.
async fn provider(platform: &Platform, tally: &mut Tally) {
    let victim = Victim::new(platform).await;
    for required in ["state", "code_challenge"] {
        assert!(url_word(&victim.authorize, required).len() >= 43, "{required}: {}", victim.authorize);
    }
    assert_eq!(url_word(&victim.authorize, "code_challenge_method"), "S256");
    for (attack, verifier) in [
        ("a stolen code without a verifier", None),
        ("a stolen code with another verifier", Some("A".repeat(43))),
        ("a stolen code with the challenge as verifier", Some(url_word(&victim.authorize, "code_challenge"))),
    ] {
        let victim = Victim::new(platform).await;
        let answer = exchange(&victim.code(), verifier.as_deref()).await;
        tally.note(attack, answer["error"] == "bad_verification_code" && answer["access_token"].is_null());
    }
    let victim = Victim::new(platform).await;
    let mut bent = Url::parse(&victim.authorize).expect("a URL");
    let words: Vec<(String, String)> = bent.query_pairs().into_owned().collect();
    let elsewhere = |(name, value): &(String, String)| {
        let value = if name == "redirect_uri" { "https://evil.test/auth/github/callback" } else { value };
        (name.clone(), value.to_owned())
    };
    bent.query_pairs_mut().clear().extend_pairs(words.iter().map(elsewhere));
    let back = victim.browser.at_github(bent.as_str(), &victim.account, true).await;
    tally.note(
        "another way back, given to GitHub",
        back.contains("error=redirect_uri_mismatch") && !back.contains("evil.test") && !back.contains("code="),
    );
}

async fn exchange(code: &str, verifier: Option<&str>) -> Value {
    let mut form = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "code": code });
    if let Some(verifier) = verifier {
        form["code_verifier"] = json!(verifier);
    }
    let url = format!("{}/login/oauth/access_token", GitHub::shared().url);
    let asked = http().post(url).header("accept", "application/json").form(&form).send();
    asked.await.expect("GitHub answers").json().await.expect("JSON")
}
