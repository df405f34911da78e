//! GitHub, as far as somebody signs in there: authorize, exchange, `/user`, `/user/emails`; see `tests/github/PROVENANCE.md`
//! for where its shapes are from. The trap avoided: a double that takes anything. It checks the app, its secret, the way back,
//! PKCE, and that a code is used once and in time; what it refuses it refuses in GitHub's words, with GitHub's status.

mod oauth;

use crate::program;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    net::TcpListener as StdListener,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::{net::TcpListener, runtime::Builder};

/// The app that is registered here.
pub const CLIENT_ID: &str = "Iv23liRhoneTests";
/// What only it and GitHub know.
pub const CLIENT_SECRET: &str = "github-client-secret-of-the-tests";

/// GitHub on a port of its own, for as long as the process lives: in a thread, because each test has a runtime of its own.
#[derive(Debug)]
pub struct GitHub {
    /// Where it is.
    pub url: String,
    shared: Shared,
}

type Shared = Arc<Mutex<Held>>;

/// What it holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The ways back that the app registered: each a host, and a path below which the way back must be.
    callbacks: Vec<String>,
    people: HashMap<u64, Account>,
    codes: HashMap<String, oauth::Code>,
    tokens: HashMap<String, (u64, String)>,
    /// Of whom it has trouble with.
    trouble: HashMap<u64, Trouble>,
    /// What the app sent to be given a token.
    exchanges: Vec<HashMap<String, String>>,
}

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// It never changes.
    pub id: u64,
    /// It does.
    pub login: String,
    /// Address, whether it is the first one, whether it was verified.
    pub emails: Vec<(String, bool, bool)>,
}

/// What is wrong with GitHub when it is about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 502 with a page.
    Down,
    /// It takes the question and does not answer.
    Silent,
    /// 200 with something else than JSON.
    Nonsense,
    /// 200 without an end.
    Endless,
    /// The app's secret was replaced.
    SecretReplaced,
    /// The address of the person is not verified.
    EmailUnverified,
    /// It gives a token to whoever brings a code: as before it had PKCE.
    IgnoresPkce,
}

impl GitHub {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<GitHub> = LazyLock::new(GitHub::start);
        &SHARED
    }

    fn start() -> Self {
        let shared = Shared::default();
        let router = Router::new()
            .route("/login/oauth/authorize", get(oauth::authorize))
            .route("/login/oauth/access_token", post(oauth::exchange))
            .route("/user", get(user))
            .route("/user/emails", get(emails))
            .with_state(Arc::clone(&shared));
        let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        listener.set_nonblocking(true).expect("a socket can be");
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("it is bound");
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        Self { url, shared }
    }

    /// What tells the platform to come here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (format!("RHONE_GITHUB_{name}"), value.to_owned());
        vec![
            pair("CLIENT_ID", CLIENT_ID),
            pair("CLIENT_SECRET", CLIENT_SECRET),
            pair("AUTHORIZE_URL", &format!("{}/login/oauth/authorize", self.url)),
            pair("TOKEN_URL", &format!("{}/login/oauth/access_token", self.url)),
            pair("API_URL", &self.url),
        ]
    }

    /// Somebody new with a verified address.
    pub fn somebody(&self) -> Account {
        static NUMBER: AtomicU64 = AtomicU64::new(583_231);
        let id = NUMBER.fetch_add(1, Ordering::Relaxed);
        let login = format!("ada-{id}");
        let emails = vec![(format!("{login}@example.org"), true, true), (format!("{login}@old.example"), false, false)];
        let account = Account { id, login, emails };
        self.put(account.clone());
        account
    }

    /// Changes an account, or makes it.
    pub fn put(&self, account: Account) {
        held(&self.shared).people.insert(account.id, account);
    }

    /// Where people may be sent back to, besides what was registered before.
    pub fn register(&self, callback: &str) {
        held(&self.shared).callbacks.push(callback.to_owned());
    }

    /// From now on, when it is about this account.
    pub fn trouble(&self, account: &Account, trouble: Trouble) {
        held(&self.shared).trouble.insert(account.id, trouble);
    }

    /// What the app sent to be given a token for this code.
    pub fn exchange_of(&self, code: &str) -> HashMap<String, String> {
        let held = held(&self.shared);
        let sent = held.exchanges.iter().find(|sent| sent.get("code").is_some_and(|sent| sent == code));
        sent.unwrap_or_else(|| panic!("nobody asked for a token")).clone()
    }

    /// The tokens that were given away.
    pub fn tokens(&self) -> Vec<String> {
        held(&self.shared).tokens.keys().cloned().collect()
    }

    /// As if its ten minutes were over.
    pub fn expire(&self, code: &str) {
        held(&self.shared).codes.get_mut(code).expect("there is such a code").expired = true;
    }
}

fn held(shared: &Shared) -> MutexGuard<'_, Held> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn documented() -> Value {
    let path = program::root().join("tests/github/account.json");
    serde_json::from_str(&fs::read_to_string(path).expect("it is checked in")).expect("it is JSON")
}

/// Whose token it is, and for what.
fn caller(shared: &Shared, headers: &HeaderMap) -> Result<(Account, String), Box<Response>> {
    if !headers.contains_key(header::USER_AGENT) {
        let why = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Err(Box::new((StatusCode::FORBIDDEN, why).into_response()));
    }
    let refused = |status: StatusCode, message: &str| {
        let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.as_str() });
        Box::new((status, Json(body)).into_response())
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(shown) = shown else { return Err(refused(StatusCode::UNAUTHORIZED, "Requires authentication")) };
    let token = shown.strip_prefix("Bearer ").or_else(|| shown.strip_prefix("token ")).unwrap_or_default();
    let held = held(shared);
    let Some((id, scope)) = held.tokens.get(token) else {
        return Err(refused(StatusCode::UNAUTHORIZED, "Bad credentials"));
    };
    Ok((held.people[id].clone(), scope.clone()))
}

async fn user(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    match caller(&shared, &headers) {
        Ok((account, _)) => Json(shown(&account)).into_response(),
        Err(refused) => *refused,
    }
}

/// The documented example with this account's own.
fn shown(account: &Account) -> Value {
    let mut user = documented()["examples"]["private-user-response-with-public-profile-information"]["value"].take();
    user["id"] = json!(account.id);
    user["login"] = json!(account.login);
    user["email"] = Value::Null;
    user
}

async fn emails(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    match caller(&shared, &headers) {
        Ok((account, scope)) if scope.split([',', ' ']).any(|word| word == "user:email" || word == "user") => {
            let email = |(email, primary, verified): &(String, bool, bool)| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
            Json(account.emails.iter().map(email).collect::<Vec<_>>()).into_response()
        }
        Ok(_) => (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found", "status": "404" }))).into_response(),
        Err(refused) => *refused,
    }
}

#[cfg(test)]
mod tests {
    //! It says what GitHub documents.
    use super::*;

    #[test]
    fn an_account_has_every_field_that_github_documents_as_required() {
        let user = shown(&Account { id: 7, login: "ada".into(), emails: vec![] });
        let required = documented()["schemas"]["public-user"]["required"].take();
        for field in required.as_array().expect("a list") {
            let field = field.as_str().expect("a name");
            assert!(user.get(field).is_some(), "{field} is missing");
        }
        assert_eq!((&user["id"], &user["login"]), (&json!(7), &json!("ada")));
    }
}
