//! Whether everything answers, and what people are told then. The trap avoided: a URL that is printed before anybody
//! answers there.

use super::report::Facts;
use crate::{data::Data, output::line};
use anyhow::{Context as _, Result, bail};
use std::{net::IpAddr, time::Duration};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);

/// Returns when everybody has answered once, or says who did not.
pub(super) async fn wait_until_ready(data: &Data, asked: &[(String, String)]) -> Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        .context("preparing to ask whether everything is ready")?;
    let until = Instant::now() + PATIENCE;
    for (name, url) in asked {
        while !answers(&client, url).await {
            if Instant::now() >= until {
                bail!("{name} is not ready after {} s; its log is {}", PATIENCE.as_secs(), data.log(name)?.display());
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn answers(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Tells people where everything is.
pub(super) fn announce(data: &Data, facts: &Facts, host: IpAddr) {
    line("rhone is up");
    line(format_args!("  API     {}/graphql   (in a browser: {}/graphiql)", facts.urls.api, facts.urls.api));
    if host.is_loopback() {
        line(format_args!("  sign in {}/auth/dev/login?return_to=/graphiql   (you are its owner)", facts.urls.api));
    }
    for edge in &facts.urls.edges {
        line(format_args!("  edge    {edge}   (an app is chosen by the Host header)"));
    }
    line(format_args!("  token   {}", facts.token));
    line(format_args!("  data    {}   (logs: {})", data.path().display(), data.path().join("logs").display()));
    line("Ctrl-C stops everything; the next `rhone up` carries on from disk.");
}
