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
use uuid::Uuid;

const LYON: RegionId = RegionId(Uuid::from_u128(1));
const TURIN: RegionId = RegionId(Uuid::from_u128(2));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_deleted_is_made_anew_and_meanwhile_every_region_is_told() {
    let world = World::new().await;
    for region in [LYON, TURIN] {
        world.run(format!("SELECT authority.open_feed('{region}')")).await;
    }
    let nats = world.config.nats.clone().expect("there is a bus");
    let bus = jetstream::new(nats.clone());
    let mut lyon = nats.subscribe(subject(LYON)).await.expect("listens");
    let mut turin = nats.subscribe(subject(TURIN)).await.expect("listens");
    let worker = world.work();
    until("there is a stream", async || bus.get_stream("RHONE_ROUTES").await.is_ok()).await;

    bus.delete_stream("RHONE_ROUTES").await.expect("it is deleted");
    for region in [LYON, TURIN] {
        world.run(format!("SELECT authority.feed_append('{region}', 'k', '{{}}', false)")).await;
    }
    for heard in [&mut lyon, &mut turin] {
        assert!(matches!(next_at(heard, FeedSeq(1)).await, Message::Entry(_)), "the entry comes first");
        assert!(matches!(next_at(heard, FeedSeq(1)).await, Message::Heartbeat(_)), "heartbeats go on");
    }
    until("there is a stream again", async || bus.get_stream("RHONE_ROUTES").await.is_ok()).await;
    world.run(format!("SELECT authority.feed_append('{LYON}', 'k', '{{}}', false)")).await;
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
    let next = async {
        loop {
            let message = heard.next().await.expect("the bus goes on");
            let message: Message = serde_json::from_slice(&message.payload).expect("a message of the feed");
            let (Message::Entry(rhone_domain::feed::Entry { seq: at, .. })
            | Message::Heartbeat(rhone_domain::feed::Heartbeat { seq: at, .. })) = &message;
            if *at == seq {
                return message;
            }
        }
    };
    // Less than the time after which an unconfirmed batch is given up, twice: nobody waits for it.
    tokio::time::timeout(Duration::from_secs(4), next).await.expect("it comes in time")
}
