//! `rhone edge`: an edge. It opens no database and waits for nobody before it serves.

use crate::{
    config::{Edge, section},
    data::Data,
};
use anyhow::{Context as _, Result};
use rhone_edge::{Config, HoldBudget, Secret, Shrink, Timing, feed_key};

/// Runs an edge until it is asked to end.
pub(crate) async fn run(data: &Data, name: &str) -> Result<()> {
    let edge: Edge = section(data, name)?;
    let config = Config {
        data_dir: edge.data_dir,
        listen: edge.listen,
        admin: edge.admin,
        public_url: edge.public_url,
        control_url: edge.control_url,
        token: Secret::new(edge.token),
        region: edge.region,
        feed_key: feed_key(&edge.feed_key).context("reading the feed's public key")?,
        nats_url: edge.nats_url.map(Secret::new),
        shrink: Shrink::Refuse,
        timing: Timing::default(),
        holds: HoldBudget::default(),
    };
    rhone_edge::run(config).await.context("running the edge")
}
