//! Publishes every region's feed to JetStream, entry by entry, and its heartbeats. A hint for the edges and nothing more: an
//! entry that is lost on its way is fetched by the repair path. The trap: treating the bus as the place where routes are;
//! what the bus does not confirm is counted and not sent again, and holds up neither a heartbeat nor another region.

use crate::config::Config;
use async_nats::{
    HeaderMap,
    jetstream::{self, context::PublishAckFuture, stream},
};
use futures_util::future::join_all;
use metrics::{counter, histogram};
use rhone_domain::{
    feed::{Entry, Heartbeat, Message, subject},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
};
use rhone_eventstore::lease::Leases;
use rhone_projections::authority::feed::{self, Head};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::timeout};

const LEASE: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(100);
/// How long the bus may take to accept a message: longer, and it is gone.
const SEND: Duration = Duration::from_millis(500);
/// How long the bus may take to confirm what it accepted.
const CONFIRM: Duration = Duration::from_secs(2);
/// The most that is read and sent at a time.
const BATCH: i64 = 10_000;
/// How many batches may wait for their confirmation; those of a bus that confirms nothing are not waited for.
const UNCONFIRMED: usize = 32;

/// Publishes for ever, while it holds the lease.
pub(crate) async fn run(config: Config) {
    let Some(nats) = config.nats.clone() else {
        return std::future::pending().await;
    };
    let leases = Leases::new(config.pool.clone());
    let mut bell = config.bell.listen();
    let mut held_until = None::<Instant>;
    let mut publisher = Publisher::new(config.clone(), nats);
    loop {
        bell.borrow_and_update();
        if held_until.is_none_or(|until| Instant::now() + LEASE / 2 > until) {
            let held = matches!(leases.claim("publisher", &config.owner(), LEASE).await, Ok(Some(_)));
            if held && held_until.is_none() {
                publisher.begin();
            }
            held_until = held.then(|| Instant::now() + LEASE);
        }
        if held_until.is_some() {
            publisher.turn().await;
        }
        let _ = timeout(POLL, bell.changed()).await;
    }
}

type Cursor = (Incarnation, FeedSeq);

struct Publisher {
    config: Config,
    nats: async_nats::Client,
    bus: jetstream::Context,
    published: BTreeMap<RegionId, Cursor>,
    beaten: Option<Instant>,
    /// Batches that wait for their confirmation.
    unconfirmed: JoinSet<()>,
}

/// Why a region was not published to.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the feed could not be read")]
    Rows(#[from] sqlx::Error),
    #[error("a message could not be written")]
    Message(#[from] serde_json::Error),
    #[error("the bus did not accept a message in time")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error("the bus refused a message")]
    Refused(#[from] jetstream::context::PublishError),
    #[error("the bus refused a heartbeat")]
    Heartbeat(#[from] async_nats::PublishError),
}

impl Publisher {
    fn new(config: Config, nats: async_nats::Client) -> Self {
        let bus = jetstream::new(nats.clone());
        Self { config, nats, bus, published: BTreeMap::new(), beaten: None, unconfirmed: JoinSet::new() }
    }

    /// The lease is new: what another has published is not known, nor whether there is a stream.
    fn begin(&mut self) {
        self.published.clear();
        let bus = self.bus.clone();
        self.unconfirmed.spawn(async move { prepare(&bus).await });
    }

    /// What is new in every region, and the heartbeats that are due.
    async fn turn(&mut self) {
        while self.unconfirmed.try_join_next().is_some() {}
        let heads = match feed::heads(&self.config.pool).await {
            Ok(heads) => heads,
            Err(error) => return failed("read", &SendError::Rows(error)),
        };
        let due = self.beaten.is_none_or(|at| at.elapsed() >= HEARTBEAT);
        for (region, head) in heads {
            if let Err(error) = self.entries(region, head).await {
                failed("entries", &error);
            }
            if due && let Err(error) = self.heartbeat(region, head).await {
                failed("heartbeat", &error);
            }
        }
        if due {
            self.beaten = Some(Instant::now());
        }
    }

    /// Sends what a region has that was not sent. Only what could not be read is tried again.
    async fn entries(&mut self, region: RegionId, head: Head) -> Result<(), SendError> {
        let from = match self.published.get(&region) {
            Some((incarnation, seq)) if *incarnation == head.incarnation => *seq,
            // A new publisher repeats a little; edges drop what they have.
            Some(_) | None => FeedSeq(head.seq.0.saturating_sub(100)),
        };
        if from >= head.seq {
            self.published.insert(region, (head.incarnation, from));
            return Ok(());
        }
        let begun = Instant::now();
        let mut connection = self.config.pool.acquire().await?;
        let key = &self.config.feed_key;
        let entries = feed::entries(&mut connection, key, region, head.incarnation, from, BATCH).await?;
        drop(connection);
        let last = entries.last().map_or(head.seq, |entry| entry.seq);
        self.published.insert(region, (head.incarnation, last));
        let mut acks = Vec::with_capacity(entries.len());
        let sent = send(&self.bus, region, entries, &mut acks).await;
        counter!("rhone_feed_published_total").increment(acks.len() as u64);
        if self.unconfirmed.len() < UNCONFIRMED {
            self.unconfirmed.spawn(confirm(self.bus.clone(), acks, begun));
        }
        sent
    }

    async fn heartbeat(&self, region: RegionId, head: Head) -> Result<(), SendError> {
        let (position, now) = ((head.seq, head.digest), self.config.clock.now());
        let heartbeat = Heartbeat::signed(&self.config.feed_key, (head.incarnation, region), position, now);
        let message = serde_json::to_vec(&Message::Heartbeat(heartbeat))?;
        timeout(SEND, self.nats.publish(subject(region), message.into())).await??;
        Ok(())
    }
}

fn failed(what: &'static str, error: &SendError) {
    counter!("rhone_feed_publish_failures_total", "what" => what).increment(1);
    tracing::warn!(what, error = error as &dyn std::error::Error, "not published; edges repair over HTTP");
}

/// Sends entries in order, and stops at the first that the bus does not accept: the rest would wait as long, each.
async fn send(
    bus: &jetstream::Context,
    region: RegionId,
    entries: Vec<Entry>,
    acks: &mut Vec<PublishAckFuture>,
) -> Result<(), SendError> {
    for entry in entries {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{}:{}", entry.incarnation, entry.seq));
        let message = serde_json::to_vec(&Message::Entry(entry))?;
        acks.push(timeout(SEND, bus.publish_with_headers(subject(region), headers, message.into())).await??);
    }
    Ok(())
}

/// Waits for a batch to be confirmed; what is not is counted, and perhaps the stream is gone and made anew.
async fn confirm(bus: jetstream::Context, acks: Vec<PublishAckFuture>, begun: Instant) {
    let outcomes = join_all(acks.into_iter().map(|ack| timeout(CONFIRM, ack))).await;
    let lost = outcomes.iter().filter(|outcome| !matches!(outcome, Ok(Ok(_)))).count();
    if lost == 0 {
        histogram!("rhone_feed_publish_seconds").record(begun.elapsed().as_secs_f64());
        return;
    }
    counter!("rhone_feed_publish_failures_total", "what" => "confirmation").increment(lost as u64);
    tracing::warn!(lost, "entries were sent and not kept by the bus; edges have heard them or repair over HTTP");
    prepare(&bus).await;
}

/// The stream that keeps the feed for consumers that were away; edges do not need it.
async fn prepare(bus: &jetstream::Context) {
    let stream = stream::Config {
        name: "RHONE_ROUTES".into(),
        subjects: vec!["rhone.route.v1.*".into()],
        max_age: Duration::from_hours(24),
        max_bytes: 256 * 1024 * 1024,
        ..stream::Config::default()
    };
    if let Err(error) = bus.get_or_create_stream(stream).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "no JetStream stream; edges repair over HTTP");
    }
}
