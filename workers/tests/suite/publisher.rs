//! The feed on the bus, when the bus forgets.

use crate::world::{World, until};
use async_nats::{Subscriber, jetstream};
use futures_util::StreamExt as _;
use rhone_domain::{
    feed::{Message, subject},
    ids::RegionId,
    numbers::FeedSeq,
};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// So many that it would take twice [`SOON`] to wait for each of their batches, which nobody confirms, until it is given up.
const REGIONS: u128 = 20;
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_deleted_is_made_anew_and_meanwhile_every_region_is_told() {
    let world = World::new().await;
    let regions: Vec<RegionId> = (1..=REGIONS).map(|number| RegionId(Uuid::from_u128(number))).collect();
    for region in &regions {
        world.run(format!("SELECT authority.open_feed('{region}')")).await;
    }
    let nats = world.config.nats.clone().expect("there is a bus");
    let bus = jetstream::new(nats.clone());
    let mut heard = Vec::new();
    for region in &regions {
        heard.push(nats.subscribe(subject(*region)).await.expect("listens"));
    }
    let worker = world.work();
    until("there is a stream", async || bus.get_stream("RHONE_ROUTES").await.is_ok()).await;

    bus.delete_stream("RHONE_ROUTES").await.expect("it is deleted");
    for region in &regions {
        world.run(format!("SELECT authority.feed_extend('{region}', ARRAY['k'], ARRAY['{{}}'], ARRAY[false])")).await;
    }
    let told = async {
        for heard in &mut heard {
            assert!(matches!(next_at(heard, FeedSeq(1)).await, Message::Entry(_)), "the entry comes first");
            assert!(matches!(next_at(heard, FeedSeq(1)).await, Message::Heartbeat(_)), "heartbeats go on");
        }
    };
    timeout(SOON, told).await.expect("nobody waits for a batch that is not confirmed");
    until("there is a stream again", async || bus.get_stream("RHONE_ROUTES").await.is_ok()).await;
    world.run(format!("SELECT authority.feed_extend('{}', ARRAY['k'], ARRAY['{{}}'], ARRAY[false])", regions[0])).await;
    until("the stream keeps what is published", async || {
        let mut stream = bus.get_stream("RHONE_ROUTES").await.expect("the stream");
        stream.info().await.expect("its state").state.messages > 0
    })
    .await;
    worker.abort();
    world.end().await;
}

/// The next message at a position.
async fn next_at(heard: &mut Subscriber, seq: FeedSeq) -> Message {
    loop {
        let message = heard.next().await.expect("the bus goes on");
        let message: Message = serde_json::from_slice(&message.payload).expect("a message of the feed");
        let (Message::Entry(rhone_domain::feed::Entry { seq: at, .. })
        | Message::Heartbeat(rhone_domain::feed::Heartbeat { seq: at, .. })) = &message;
        if *at == seq {
            return message;
        }
    }
}
