//! The runner's client of the control plane. It is away at any time: every call has a deadline and says whether trying again
//! can help, and nothing of what runs on this host depends on an answer.

use crate::{config::Config, error::Error};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rhone_domain::{
    digest::Digest,
    host_protocol::{AllocationVariables, DesiredSet, Reports, SECRET_MISSING},
    ids::AllocationId,
    logs::LogChunks,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(15);
/// How long the control plane may hold a request for the desired set.
const WAIT: Duration = Duration::from_secs(20);
/// A download that makes no progress for so long is dead.
const STALL: Duration = Duration::from_secs(30);

/// The control plane as this host sees it.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    base: Url,
    token: crate::config::Token,
    client: Client,
}

/// Some of an artifact's bytes.
pub(crate) type Part = Result<Bytes, reqwest::Error>;

/// Why an artifact was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// No answer, or it broke off.
    #[error("talking to the control plane")]
    Transport(#[source] reqwest::Error),
    /// An answer that may be another one later.
    #[error("the control plane answered {0}")]
    Status(StatusCode),
    /// This host or its token is not wanted any more.
    #[error("the control plane refused: {0}")]
    Forbidden(String),
    /// There is no such artifact for this host.
    #[error("the control plane does not have the artifact")]
    Unknown,
    /// The allocation's set of variables is not there, or not whole: trying again cannot help.
    #[error("{SECRET_MISSING}: {0}")]
    SecretMissing(String),
}

/// What the control plane says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// What became of reports.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Taken.
    Taken,
    /// Not now.
    Later(String),
    /// Never: the control plane understood and refused.
    Refused(StatusCode),
}

impl ControlPlane {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        // The client wants a provider even for plain HTTP; an error only says that the process has chosen one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            Client::builder().connect_timeout(CONNECT).read_timeout(STALL).no_proxy().build().map_err(Error::Client)?;
        let base = Url::parse(&config.control_url)
            .ok()
            .filter(|url| !url.cannot_be_a_base())
            .ok_or(Error::Config("control_url is no address"))?;
        Ok(Self { base, token: config.token.clone(), client })
    }

    /// The desired set, once it is another one than `etag` names; none when it stayed the same.
    pub(crate) async fn desired(&self, etag: &str) -> Result<Option<DesiredSet>, PullError> {
        let wait = WAIT.as_millis().to_string();
        let mut url = self.at("desired");
        url.query_pairs_mut().append_pair("etag", etag).append_pair("wait_ms", &wait);
        let answer = send(self.client.get(url).bearer_auth(&self.token.0).timeout(WAIT + ANSWER)).await?;
        if matches!(answer.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) {
            return Ok(None);
        }
        if answer.status() == StatusCode::FORBIDDEN {
            let refusal: Refusal = answer.json().await.map_err(PullError::Transport)?;
            return Err(PullError::Forbidden(refusal.message));
        }
        let set: DesiredSet = expect_success(answer)?.json().await.map_err(PullError::Transport)?;
        Ok((set.etag != etag).then_some(set))
    }

    /// The bytes of an artifact, as they come.
    pub(crate) async fn artifact(&self, digest: Digest) -> Result<BoxStream<'static, Part>, PullError> {
        let answer = send(self.client.get(self.at(&format!("artifacts/{digest}"))).bearer_auth(&self.token.0)).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Err(PullError::Unknown);
        }
        Ok(expect_success(answer)?.bytes_stream().boxed())
    }

    /// What the app of an allocation is started with.
    pub(crate) async fn variables(&self, allocation: AllocationId) -> Result<AllocationVariables, PullError> {
        let url = self.at(&format!("variables/{allocation}"));
        let answer = send(self.client.get(url).bearer_auth(&self.token.0).timeout(ANSWER)).await?;
        if answer.status() == StatusCode::CONFLICT {
            let refusal: Refusal = answer.json().await.map_err(PullError::Transport)?;
            return Err(PullError::SecretMissing(refusal.message));
        }
        expect_success(answer)?.json().await.map_err(PullError::Transport)
    }

    /// Hands reports over.
    pub(crate) async fn report(&self, reports: &Reports) -> Delivery {
        self.deliver("reports", reports).await
    }

    /// Hands lines over.
    pub(crate) async fn logs(&self, chunks: &LogChunks) -> Delivery {
        self.deliver("logs", chunks).await
    }

    async fn deliver(&self, path: &str, what: &impl Serialize) -> Delivery {
        let url = self.at(path);
        match send(self.client.post(url).bearer_auth(&self.token.0).timeout(ANSWER).json(what)).await {
            Err(error) => Delivery::Later(chain(&error)),
            Ok(answer) if answer.status().is_success() => Delivery::Taken,
            Ok(answer) => match answer.status() {
                status @ (StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS) => Delivery::Later(status.to_string()),
                status if status.is_client_error() => Delivery::Refused(status),
                status => Delivery::Later(status.to_string()),
            },
        }
    }

    /// The address of one of the runner's endpoints.
    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/runner/v1/{path}", self.base.path().trim_end_matches('/')));
        url
    }
}

async fn send(request: RequestBuilder) -> Result<Response, PullError> {
    request.send().await.map_err(PullError::Transport)
}

fn expect_success(answer: Response) -> Result<Response, PullError> {
    if answer.status().is_success() { Ok(answer) } else { Err(PullError::Status(answer.status())) }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
