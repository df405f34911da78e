//! GitHub as a client speaks to it when somebody signs in: where a browser is sent, how a code becomes an account. The traps
//! avoided: a token that is kept (it is used for two questions and dropped), an answer that is believed because of its status
//! (GitHub says `bad_verification_code` with 200), an answer without an end, an e-mail address that nobody verified, and a
//! secret in a `Debug`.

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use std::{fmt, time::Duration};

/// GitHub has this long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer of GitHub's to us is longer.
const MOST: usize = 256 * 1024;

/// An OAuth app of GitHub, and where GitHub is.
#[derive(Clone, Debug)]
pub struct App {
    /// The app's public id.
    pub client_id: String,
    /// What only the app and GitHub know.
    pub client_secret: ClientSecret,
    /// Where people are asked: `https://github.com/login/oauth/authorize`.
    pub authorize_url: String,
    /// Where a code becomes a token: `https://github.com/login/oauth/access_token`.
    pub token_url: String,
    /// Where GitHub says who somebody is: `https://api.github.com`.
    pub api_url: String,
}

/// A secret that shows itself to nobody but GitHub.
#[derive(Clone)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// Takes it in.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// GitHub, for one app.
#[derive(Debug)]
pub struct GitHub {
    http: Client,
    app: App,
    authorize: Url,
    redirect_uri: String,
}

/// Who somebody is at GitHub.
#[derive(Clone, Debug)]
pub struct Account {
    /// GitHub's number; it never changes.
    pub id: u64,
    /// It may be another's later.
    pub login: String,
    /// For people.
    pub name: Option<String>,
    /// Verified by GitHub.
    pub email: Option<String>,
}

/// Why GitHub did not say who somebody is.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// Begin again.
    #[error("GitHub did not take the code")]
    CodeRefused,
    /// The person must do something about it.
    #[error("the person has no verified address at GitHub")]
    EmailUnverified,
    /// Fatal: whoever runs the platform must do something about it.
    #[error("GitHub refused our app: {0}")]
    AppRefused(&'static str),
    /// Retry.
    #[error("GitHub answered {0}")]
    Status(StatusCode),
    /// Retry.
    #[error("GitHub's answer is not one: {0}")]
    Odd(&'static str),
    /// Retry.
    #[error("asking GitHub")]
    Http(#[from] reqwest::Error),
}

impl GitHubError {
    /// Whether it took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Http(cause) if cause.is_timeout())
    }
}

/// The app cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Where people are asked.
    #[error("github.authorize_url is no URL")]
    Address,
    /// The client could not be made.
    #[error("preparing to ask GitHub")]
    Client(#[from] reqwest::Error),
}

#[derive(Deserialize)]
struct Exchanged {
    access_token: Option<String>,
    token_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Email {
    #[serde(rename = "email")]
    address: String,
    primary: bool,
    verified: bool,
}

impl GitHub {
    /// For this app; `redirect_uri` is where GitHub sends people back to.
    pub fn new(app: App, redirect_uri: String) -> Result<Self, AppError> {
        let builder = Client::builder().timeout(PATIENCE).redirect(Policy::none()).user_agent("rhone");
        // A proxy for the outside world has no business between us and this machine.
        let here = app.token_url.starts_with("http://");
        let http = if here { builder.no_proxy() } else { builder }.build()?;
        let authorize = Url::parse(&app.authorize_url).map_err(|_| AppError::Address)?;
        Ok(Self { http, app, authorize, redirect_uri })
    }

    /// Where a browser is sent.
    pub fn authorize(&self, state: &str, challenge: &str) -> String {
        let mut to = self.authorize.clone();
        to.query_pairs_mut()
            .append_pair("client_id", &self.app.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", "user:email")
            .append_pair("state", state)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        to.into()
    }

    /// Whose a code is.
    pub async fn account(&self, code: &str, verifier: &str) -> Result<Account, GitHubError> {
        let token = self.exchanged(code, verifier).await?;
        let user: User = read(self.api(&token, "/user").send().await?).await?;
        if user.login.is_empty() || user.login.len() > 100 {
            return Err(GitHubError::Odd("a login of another length"));
        }
        // Whoever does not show us an address has none here.
        let emails: Vec<Email> = match read(self.api(&token, "/user/emails").send().await?).await {
            Err(GitHubError::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)) => Vec::new(),
            read => read?,
        };
        let email = emails.into_iter().find(|email| email.primary && email.verified).map(|email| email.address);
        let name = user.name.filter(|name| !name.trim().is_empty()).map(|name| name.chars().take(255).collect());
        Ok(Account { id: user.id, login: user.login, name, email: email.filter(|email| email.len() <= 254) })
    }

    async fn exchanged(&self, code: &str, verifier: &str) -> Result<String, GitHubError> {
        let form = [
            ("client_id", self.app.client_id.as_str()),
            ("client_secret", self.app.client_secret.0.as_str()),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        let asked = self.http.post(&self.app.token_url).header(header::ACCEPT, "application/json").form(&form);
        let answer: Exchanged = read(asked.send().await?).await?;
        match (answer.error.as_deref(), answer.access_token, answer.token_type) {
            (Some("bad_verification_code" | "invalid_grant"), ..) => Err(GitHubError::CodeRefused),
            (Some("unverified_user_email"), ..) => Err(GitHubError::EmailUnverified),
            (Some("incorrect_client_credentials"), ..) => {
                Err(GitHubError::AppRefused("its id and its secret do not match"))
            }
            (Some("redirect_uri_mismatch"), ..) => {
                Err(GitHubError::AppRefused("our address is not the one it has there"))
            }
            (Some(_), ..) => Err(GitHubError::AppRefused("for a reason that we do not know")),
            (None, Some(token), Some(kind)) if kind.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(token),
            (None, ..) => Err(GitHubError::Odd("neither a token nor an error")),
        }
    }

    fn api(&self, token: &str, path: &str) -> RequestBuilder {
        self.http
            .get(format!("{}{path}", self.app.api_url.trim_end_matches('/')))
            .bearer_auth(token)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
    }
}

/// A JSON answer of a bounded length.
async fn read<T: DeserializeOwned>(mut response: Response) -> Result<T, GitHubError> {
    if !response.status().is_success() {
        return Err(GitHubError::Status(response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST {
            return Err(GitHubError::Odd("it does not end"));
        }
    }
    // The decoder's own words could quote a token.
    serde_json::from_slice(&bytes).map_err(|_| GitHubError::Odd("not the JSON that is documented"))
}
