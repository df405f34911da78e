//! Publishes every region's feed to JetStream, entry by entry, and its heartbeats. A hint for the edges and nothing more: an
//! entry that is lost on its way is fetched by the repair path. The trap: treating the bus as the place where routes are.

use crate::config::Config;
use async_nats::{HeaderMap, jetstream, jetstream::stream};
use metrics::{counter, histogram};
use rhone_domain::{
    feed::{Heartbeat, Message, subject},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
};
use rhone_eventstore::lease::Leases;
use rhone_projections::authority::feed::{self, Head};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const LEASE: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(100);
/// How many entries the repair path can serve; an edge further behind takes a snapshot.
const KEEP: i64 = 100_000;

/// Publishes for ever, while it holds the lease.
pub(crate) async fn run(config: Config) {
    let Some(nats) = config.nats.clone() else {
        return std::future::pending().await;
    };
    let bus = jetstream::new(nats.clone());
    let leases = Leases::new(config.pool.clone());
    let (mut published, mut beaten) = (BTreeMap::new(), None::<Instant>);
    let mut bell = config.bell.listen();
    let mut held_until = None::<Instant>;
    loop {
        bell.borrow_and_update();
        if held_until.is_none_or(|until| Instant::now() + LEASE / 2 > until) {
            held_until = match leases.claim("publisher", &config.owner(), LEASE).await {
                Ok(Some(_)) => Some(Instant::now() + LEASE),
                Ok(None) | Err(_) => None,
            };
            if held_until.is_some() && published.is_empty() {
                prepare(&bus).await;
            }
        }
        if held_until.is_some() {
            let beat = beaten.is_none_or(|at| at.elapsed() >= HEARTBEAT);
            match turn(&config, &nats, &bus, &mut published, if beat { Beat::Due } else { Beat::NotDue }).await {
                Ok(()) if beat => beaten = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => tracing::warn!(error = &*error, "the feed was not published; edges repair over HTTP"),
            }
        } else {
            published.clear();
        }
        let _ = tokio::time::timeout(POLL, bell.changed()).await;
    }
}

/// Whether a heartbeat is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beat {
    Due,
    NotDue,
}

type Cursor = (Incarnation, FeedSeq);
type AnyError = Box<dyn std::error::Error + Send + Sync>;

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

async fn turn(
    config: &Config,
    nats: &async_nats::Client,
    bus: &jetstream::Context,
    published: &mut BTreeMap<RegionId, Cursor>,
    beat: Beat,
) -> Result<(), AnyError> {
    for (region, head) in feed::heads(&config.pool).await? {
        let known = published.get(&region).copied();
        let from = match known {
            Some((incarnation, seq)) if incarnation == head.incarnation => seq,
            // A new publisher repeats a little; edges drop what they have.
            _ => FeedSeq(head.seq.0.saturating_sub(100)),
        };
        if from < head.seq {
            entries(config, bus, region, head, from).await?;
        }
        published.insert(region, (head.incarnation, head.seq));
        if beat == Beat::Due {
            let position = (head.seq, head.digest);
            let now = config.clock.now();
            let heartbeat = Heartbeat::signed(&config.feed_key, (head.incarnation, region), position, now);
            let message = serde_json::to_vec(&Message::Heartbeat(heartbeat))?;
            nats.publish(subject(region), message.into()).await?;
            feed::trim(&config.pool, region, KEEP).await?;
        }
    }
    Ok(())
}

async fn entries(
    config: &Config,
    bus: &jetstream::Context,
    region: RegionId,
    head: Head,
    after: FeedSeq,
) -> Result<(), AnyError> {
    let begun = Instant::now();
    let mut connection = config.pool.acquire().await?;
    let entries = feed::entries(&mut connection, &config.feed_key, region, head.incarnation, after, 10_000).await?;
    drop(connection);
    let mut acks = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{}:{}", entry.incarnation, entry.seq));
        let message = serde_json::to_vec(&Message::Entry(entry))?;
        acks.push(bus.publish_with_headers(subject(region), headers, message.into()).await?);
    }
    counter!("rhone_feed_published_total").increment(acks.len() as u64);
    for ack in acks {
        tokio::time::timeout(Duration::from_secs(2), ack).await??;
    }
    histogram!("rhone_feed_publish_seconds").record(begun.elapsed().as_secs_f64());
    Ok(())
}
