//! The control plane as an edge calls it: snapshot, events, status. Used by the repair loop and by reporting. The trap: a
//! call that waits for ever, so each has a bound of its own; the long poll's is its wait plus a margin.

use crate::config::{Config, EdgeError, Secret};
use reqwest::{Client, StatusCode, header::RETRY_AFTER};
use rhone_domain::{
    edge_status::EdgeStatus,
    feed::{Events, Snapshot},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
    wake::Ask,
};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How many entries one answer brings at most.
const LIMIT: u32 = 1_000;
/// How long an ordinary call may take.
const CALL: Duration = Duration::from_secs(5);
/// A snapshot may be large.
const SNAPSHOT: Duration = Duration::from_mins(1);

/// Why the control plane was no help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// No answer.
    #[error("calling the control plane")]
    Call(#[source] reqwest::Error),
    /// No answer of use.
    #[error("the control plane answered {0}")]
    Status(StatusCode),
    /// An answer that cannot be read.
    #[error("reading the control plane's answer")]
    Read(#[source] serde_json::Error),
}

/// What followed a position.
pub(crate) enum Followed {
    /// These entries.
    Events(Events),
    /// The position is of another life, or was trimmed.
    Trimmed,
}

/// What became of a question for a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// It is being woken.
    Accepted,
    /// The route is another one by now.
    Moved,
    /// Not now.
    NoRoom(Duration),
    /// Nobody answered, or nothing of use.
    Unheard,
}

/// See the module.
pub(crate) struct Control {
    client: Client,
    base: String,
    token: Secret,
    region: RegionId,
}

impl Control {
    /// Prepares the calls; calls nobody yet.
    pub(crate) fn new(config: &Config) -> Result<Self, EdgeError> {
        let client = Client::builder().connect_timeout(Duration::from_secs(2)).build().map_err(EdgeError::Control)?;
        let base = config.control_url.trim_end_matches('/').to_owned();
        Ok(Self { client, base, token: config.token.clone(), region: config.region })
    }

    /// All that is true now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ControlError> {
        let url = format!("{}/edge/v1/snapshot?region={}", self.base, self.region);
        read(self.get(&url, SNAPSHOT).await?).await
    }

    /// What follows `after`, waiting for it if there is nothing yet.
    pub(crate) async fn events(
        &self,
        life: Incarnation,
        after: FeedSeq,
        wait: Duration,
    ) -> Result<Followed, ControlError> {
        let url = format!(
            "{}/edge/v1/events?region={}&incarnation={life}&after={after}&wait_ms={}&limit={LIMIT}",
            self.base,
            self.region,
            wait.as_millis()
        );
        match self.get(&url, CALL + wait).await {
            Err(ControlError::Status(StatusCode::GONE)) => Ok(Followed::Trimmed),
            Err(error) => Err(error),
            Ok(response) => read(response).await.map(Followed::Events),
        }
    }

    /// Reports.
    pub(crate) async fn report(&self, status: &EdgeStatus) -> Result<(), ControlError> {
        let url = format!("{}/edge/v1/status", self.base);
        let call = self.client.post(url).bearer_auth(self.token.reveal()).json(status).timeout(CALL);
        let response = call.send().await.map_err(ControlError::Call)?;
        if response.status().is_success() { Ok(()) } else { Err(ControlError::Status(response.status())) }
    }

    /// Asks for a wake; asking twice is asking once.
    pub(crate) async fn wake(&self, ask: Ask) -> Woken {
        let url = format!("{}/edge/v1/wake", self.base);
        let call = self.client.post(url).bearer_auth(self.token.reveal()).json(&ask).timeout(CALL);
        let response = match call.send().await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a wake was asked for in vain");
                return Woken::Unheard;
            }
        };
        match response.status() {
            status if status.is_success() => Woken::Accepted,
            StatusCode::CONFLICT => Woken::Moved,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let said = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Woken::NoRoom(Duration::from_secs(said.unwrap_or(1)))
            }
            _ => Woken::Unheard,
        }
    }

    async fn get(&self, url: &str, bound: Duration) -> Result<reqwest::Response, ControlError> {
        let call = self.client.get(url).bearer_auth(self.token.reveal()).timeout(bound);
        let response = call.send().await.map_err(ControlError::Call)?;
        if response.status() == StatusCode::OK { Ok(response) } else { Err(ControlError::Status(response.status())) }
    }
}

async fn read<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, ControlError> {
    let bytes = response.bytes().await.map_err(ControlError::Call)?;
    serde_json::from_slice(&bytes).map_err(ControlError::Read)
}
