//! `rhone login`, `logout`, `whoami`: the device flow (RFC 8628) from the program's side. What a person must do goes to standard
//! error. The trap avoided: a token that travels or lies open; it is asked for over TLS (or on this machine) and kept in a
//! file of its owner's.

use super::{
    connection::Connection,
    documents,
    failure::Failure,
    logins::{Logins, chosen},
    mutation::TOKEN_REVOKE,
    run::secret,
    show,
};
use crate::{Report, Stage, data::Data, private_file};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    env,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};
use tokio::time::{Instant, sleep};

const CLIENT_ID: &str = "rhone-cli";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the API gives to begin with.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// What becomes of a question.
#[derive(Deserialize)]
struct Polled {
    access_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What is said of the API outside of the arguments, and what a running `rhone up` says.
pub(super) struct Said {
    url: Option<String>,
    token: Option<String>,
    up: Option<(String, String)>,
}

impl Said {
    /// By the environment and by this data folder.
    pub(super) fn read(data: &Data) -> Result<Self, Failure> {
        let said = |name| env::var(name).ok().filter(|text| !text.is_empty());
        let report: Option<Report> = private_file::read(&data.report())
            .map_err(|error| Failure::local("looking for a running `rhone up`", error))?;
        let facts = report.filter(|report| report.stage != Stage::Stopped).map(|report| report.facts);
        let up = facts.map(|facts| (facts.urls.api, facts.token));
        Ok(Self { url: said("RHONE_URL"), token: said("RHONE_TOKEN"), up })
    }

    /// Where the API is and who asks.
    pub(super) fn chosen(self) -> Result<(String, String), Failure> {
        chosen((self.url, self.token), self.up, &Logins::read()?)
    }

    /// Where the API is.
    fn url(self, logins: &Logins) -> Result<String, Failure> {
        let url = self.url.or_else(|| self.up.map(|(url, _)| url)).or_else(|| logins.current().map(str::to_owned));
        url.ok_or(Failure::NoToken)
    }
}

/// `rhone login`. A token that was given is looked at before it is kept.
pub(super) async fn login(data: &Data, url: Option<String>, given: Option<&Path>, json: bool) -> Result<(), Failure> {
    let mut logins = Logins::read()?;
    let url = url.map_or_else(|| Said::read(data)?.url(&logins), Ok)?;
    let url = url.trim_end_matches('/').to_owned();
    let here = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|here| url.starts_with(here));
    if !here && !url.starts_with("https://") {
        let message = "url: must begin with https://, but for this machine itself".to_owned();
        return Err(Failure::Fault { code: "BAD_USER_INPUT".into(), message });
    }
    let token = match given {
        Some(file) => secret(Some(file).filter(|file| *file != Path::new("-")))?.trim().to_owned(),
        None => asked(&Connection::new(&url, "")?).await?,
    };
    let viewer = viewer(&Connection::new(&url, &token)?).await?;
    logins.add(&url, token);
    logins.write()?;
    show::data(&json!({ "url": url, "viewer": viewer }), json);
    Ok(())
}

/// `rhone logout`.
pub(super) async fn logout(data: &Data, json: bool) -> Result<(), Failure> {
    let mut logins = Logins::read()?;
    let url = Said::read(data)?.url(&logins)?;
    let token = logins.token(&url).ok_or(Failure::NoToken)?.to_owned();
    let connection = Connection::new(&url, &token)?;
    let ended = async {
        let id = viewer(&connection).await?["tokenId"].take();
        let payload = connection.mutate(&TOKEN_REVOKE, json!({ "tokenId": id })).await?;
        // None any more: it was ended already, or is over.
        let gone = payload.refusal().is_some_and(|refusal| refusal.code == "NO_TOKEN");
        if gone { Ok(()) } else { payload.accepted().map(drop) }
    };
    match ended.await {
        // It was ended already, from elsewhere or by time.
        Ok(()) | Err(Failure::Unauthenticated(_)) => {}
        Err(failure) => return Err(failure),
    }
    logins.remove(&url);
    logins.write()?;
    show::data(&json!({ "url": url, "signedOut": true }), json);
    Ok(())
}

/// `rhone whoami`.
pub(super) async fn whoami(connection: &Connection, json: bool) -> Result<(), Failure> {
    show::data(&json!({ "url": connection.at(""), "viewer": viewer(connection).await? }), json);
    Ok(())
}

async fn viewer(connection: &Connection) -> Result<Value, Failure> {
    Ok(connection.query(documents::VIEWER, json!({})).await?["viewer"].take())
}

/// Asks to be let in, and waits until a person has answered.
async fn asked(nobody: &Connection) -> Result<String, Failure> {
    let (status, body) = post(nobody, "/auth/device/code", &[("client_id", CLIENT_ID)]).await?;
    let odd = || Failure::Unexpected(format!("status {status} to a device that asks to be let in"));
    if status == StatusCode::NOT_FOUND {
        return Err(Failure::no_sign_in());
    }
    let begun: Begun = serde_json::from_slice(&body).map_err(|_| odd())?;
    let Begun { user_code, verification_uri, verification_uri_complete, .. } = &begun;
    let _ = writeln!(
        io::stderr(),
        "open {verification_uri_complete}\nor open {verification_uri} and type {user_code}\nwaiting until you have answered there ..."
    );
    let until = Instant::now() + Duration::from_secs(begun.expires_in);
    let mut every = Duration::from_secs(begun.interval.max(1));
    while Instant::now() < until {
        sleep(every).await;
        let words = [("client_id", CLIENT_ID), ("grant_type", GRANT), ("device_code", begun.device_code.as_str())];
        let polled = match post(nobody, "/auth/device/token", &words).await {
            Ok((status, body)) if !status.is_server_error() => serde_json::from_slice(&body).map_err(|_| odd())?,
            // It may be starting again; the code stands.
            Ok(_) | Err(Failure::Unreachable { .. }) => continue,
            Err(failure) => return Err(failure),
        };
        match polled {
            Polled { access_token: Some(token), .. } => return Ok(token),
            Polled { error: Some(error), .. } if error == "authorization_pending" => {}
            Polled { error: Some(error), .. } if error == "slow_down" => every += Duration::from_secs(5),
            Polled { error, error_description, .. } => {
                let why = error_description.or(error).unwrap_or_default();
                return Err(Failure::Unauthenticated(why));
            }
        }
    }
    Err(Failure::Unauthenticated("nobody answered in time".into()))
}

async fn post(nobody: &Connection, path: &str, words: &[(&str, &str)]) -> Result<(StatusCode, Vec<u8>), Failure> {
    let url = nobody.at(path);
    let http: &Client = nobody.http();
    let answer = async {
        let response = http.post(&url).form(words).send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?.to_vec()))
    };
    answer.await.map_err(|source| Failure::Unreachable { url: url.clone(), source })
}
