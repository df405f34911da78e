//! People sign in: at GitHub, with a browser's session, and everything that is tried against it. The traps avoided: a refusal
//! that is looked for in an answer alone (who is signed in afterwards is asked), and an attack that fails because the honest
//! way fails too (each has its honest twin).

mod attacks;
mod device;
mod documents;
mod sessions;

use rhone_tests::{
    browser::{Browser, SESSION, SIGN_IN},
    database::administrator,
    github::{CLIENT_SECRET, GitHub, Trouble},
    platform::Platform,
    scan::{self, Needle},
};
use serde_json::json;
use sqlx::Row as _;

/// A browser of this platform.
fn browser(platform: &Platform) -> Browser {
    Browser::new(&platform.report().urls.api)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_account_is_the_same_actor_under_whatever_login() {
    let (platform, github) = (Platform::shared().await, GitHub::shared());
    let mut account = github.somebody();
    let first = browser(platform);
    assert_eq!(first.sign_in(&account, "/graphiql?x=1").await, "/graphiql?x=1");
    assert_eq!(first.cookie(SIGN_IN), None, "the cookie of the sign-in is gone");
    let actor = first.actor().await.expect("somebody is signed in");
    account.login = format!("{}-renamed", account.login);
    github.put(account.clone());
    let second = browser(platform);
    second.sign_in(&account, "/").await;
    assert_eq!(second.actor().await.as_deref(), Some(actor.as_str()));
    let shown = second.graphql("{ viewer { account { provider login name } } }", json!({})).await.json();
    assert_eq!(shown["data"]["viewer"]["account"]["login"], json!(account.login));

    let other = browser(platform);
    other.sign_in(&github.somebody(), "/").await;
    assert_ne!(other.actor().await.expect("signed in"), actor, "another account is somebody else");

    let row = sqlx::query("SELECT count(*) OVER () AS rows, email FROM identity.users WHERE subject = $1")
        .bind(account.id.to_string())
        .fetch_one(&mut administrator(platform).await)
        .await
        .expect("a row");
    let kept: (i64, Option<String>) = (row.get("rows"), row.get("email"));
    assert_eq!(kept, (1, Some(account.emails[0].0.clone())), "one row, with the verified address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_github_says_no_to_is_answered_in_words_of_ours() {
    let (platform, github) = (Platform::shared().await, GitHub::shared());
    let cases = [
        (Trouble::Down, 502, "PROVIDER_UNAVAILABLE"),
        (Trouble::Nonsense, 502, "PROVIDER_UNAVAILABLE"),
        (Trouble::Endless, 502, "PROVIDER_UNAVAILABLE"),
        (Trouble::SecretReplaced, 502, "PROVIDER_REFUSED"),
        (Trouble::EmailUnverified, 403, "EMAIL_UNVERIFIED"),
        (Trouble::Silent, 504, "PROVIDER_SLOW"),
    ];
    for (trouble, status, code) in cases {
        let (browser, account) = (browser(platform), github.somebody());
        github.trouble(&account, trouble);
        let back = browser.at_github(&browser.begin("/").await, &account, true).await;
        let reply = browser.get(&back).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{trouble:?}: {reply:?}");
        assert_eq!((browser.cookie(SESSION), browser.cookie(SIGN_IN)), (None, None), "{trouble:?}");
    }
    let (browser, account) = (browser(platform), github.somebody());
    let back = browser.at_github(&browser.begin("/").await, &account, false).await;
    let reply = browser.get(&back).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "ACCESS_DENIED"));
    let page =
        browser.send(browser.request(reqwest::Method::GET, "/auth/github/callback").header("accept", "text/html"));
    let page = page.await;
    assert!(page.text.starts_with("<!DOCTYPE html>") && page.text.contains("SIGN_IN_EXPIRED"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_sign_in_is_kept_or_said_anywhere() {
    let (platform, github) = (Platform::shared().await, GitHub::shared());
    let browser = browser(platform);
    let account = github.somebody();
    let authorize = browser.begin("/").await;
    let binding = browser.cookie(SIGN_IN).expect("it was begun");
    let state = url_word(&authorize, "state");
    let back = browser.at_github(&authorize, &account, true).await;
    let before: Vec<String> = github.tokens();
    browser.get(&back).await;
    let session = browser.cookie(SESSION).expect("signed in");
    let token = github.tokens().into_iter().find(|token| !before.contains(token)).expect("a token was given");
    let verifier = github.exchange_of(&url_word(&back, "code"))["code_verifier"].clone();
    let secrets = [session, binding, state, token, verifier, CLIENT_SECRET.to_owned(), url_word(&back, "code")];
    for (number, secret) in secrets.iter().enumerate() {
        let scan = scan::everywhere(platform, &Needle::new(secret));
        assert!(scan.dumped > 100_000 && scan.files > 10, "{scan:?}");
        assert_eq!(scan.found, Vec::<String>::new(), "secret {number}");
    }
}

/// A word of a URL's query.
fn url_word(url: &str, name: &str) -> String {
    let url = reqwest::Url::parse(url).expect("a URL");
    let word = url.query_pairs().find(|(key, _)| key == name);
    word.unwrap_or_else(|| panic!("{url} has no {name}")).1.into_owned()
}
