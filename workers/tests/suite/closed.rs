//! What edges closed at a drain deadline becomes evidence: once, of the region that they serve, and again only when it is more.

use crate::{
    scheduler::{CELL, HOST, LYON, planned, write},
    world::{World, until},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation},
    digest::Digest,
    edge_status::{Closed, EdgeMode, EdgeStatus},
    host::{self, Host},
    ids::{AllocationId, EdgeId, RegionId},
    numbers::FeedSeq,
    text::Slug,
};
use uuid::Uuid;

const ELSEWHERE: RegionId = RegionId(Uuid::from_u128(9));
/// Long over.
const DEADLINE: DateTime<Utc> = DateTime::UNIX_EPOCH;
const EVENTS: &str = "SELECT count(*) FROM log.events WHERE event_type = 'allocation.sessions_closed'";
const RECORDED: &str = "SELECT (body->'closed'->0->>'sessions')::bigint FROM authority.allocations
    WHERE json_array_length(body->'closed') = 1";

/// What an edge in a region says: so many sockets, closed at one deadline. It goes on saying it.
async fn says(world: &World, region: RegionId, allocation: AllocationId, sockets: u64) {
    let now = world.config.clock.now();
    let status = EdgeStatus {
        edge: EdgeId(region.0),
        boot: Uuid::from_u128(0xb007),
        region,
        incarnation: None,
        applied: FeedSeq(1),
        digest: Digest::ZERO,
        mode: EdgeMode::Synced,
        public_url: "http://127.0.0.1:8080".into(),
        sessions: vec![],
        lost_sessions: 0,
        quarantined: vec![],
        observations: vec![],
        at: now,
        activity: vec![],
        activity_since: None,
        closed: vec![Closed { allocation, deadline: DEADLINE, sockets, at: now, boot: None }],
    };
    let body = serde_json::to_string(&status).expect("a report");
    let said = "INSERT INTO status.edges (edge, region, body, reported_at)
        VALUES ($edge, $edge, $body, clock_timestamp() + interval '1 hour')
        ON CONFLICT (edge) DO UPDATE SET body = excluded.body";
    world.run(said.replace("$edge", &format!("'{}'", region.0)).replace("$body", &format!("'{body}'"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_edges_closed_is_on_record_once_and_only_of_their_own_region() {
    let mut world = World::new().await;
    world.config.nats = None;
    let slug = Slug::parse("slug", "host-1").expect("a slug");
    let created = host::Created { id: HOST, region: LYON, cell: CELL, slug };
    write::<Host>(&world, HOST, Writer::Platform, host::Command::Create(created)).await;
    let id: AllocationId = world.config.clock.new_id();
    write::<Allocation>(&world, id, Writer::Scheduler, allocation::Command::Plan(planned(id))).await;
    says(&world, ELSEWHERE, id, 7).await;
    says(&world, LYON, id, 1).await;
    let worker = world.work();
    // Each further record is a turn in which all that was said before was said again.
    for sockets in 1..=3_u64 {
        says(&world, LYON, id, sockets).await;
        let sockets = i64::try_from(sockets).expect("a few");
        until("what the edge of the region says is on record", async || world.numbers(RECORDED).await == [sockets])
            .await;
        assert_eq!(world.number(EVENTS).await, sockets, "once for each time that it was more");
    }
    worker.abort();
    world.end().await;
}
