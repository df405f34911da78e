//! What the scheduler is told of failures: those of one deployment with one set of variables, in one cell of one
//! environment, and not for ever.

use crate::{database::Database, world::World};
use rhone_domain::{
    digest::Digest,
    feed::Runs,
    ids::{CellId, DeploymentId, EnvironmentId},
    numbers::EnvSet,
};
use rhone_projections::authority::allocations::failures;
use uuid::Uuid;

const ROWS: &str = "
    INSERT INTO authority.allocations (allocation, workspace, app, environment, deployment, region, cell, host, state,
        ended, generation, version, body, updated_at)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), lpad(environment, 32, '0')::uuid,
        lpad(deployment, 32, '0')::uuid, gen_random_uuid(), lpad(cell, 32, '0')::uuid, gen_random_uuid(), state,
        state <> 'ready', 1, 1, jsonb_build_object('planned', jsonb_build_object('env_set', env_set)),
        clock_timestamp() - minutes * interval '1 minute'
    FROM (VALUES ('1', '1', '1', 3, 'failed', 5), ('1', '1', '1', 3, 'failed', 1), ('1', '1', '1', 3, 'failed', 61),
        ('1', '1', '1', 3, 'ready', 2), ('1', '1', '1', 3, 'stopped', 2), ('1', '2', '1', 3, 'failed', 2),
        ('2', '1', '1', 3, 'failed', 2), ('1', '1', '2', 3, 'failed', 2), ('1', '1', '1', 2, 'failed', 2))
        AS t (environment, deployment, cell, env_set, state, minutes)";

#[tokio::test]
async fn only_what_failed_here_within_the_hour_is_told_the_latest_first() {
    let database = Database::new().await;
    database.run(ROWS).await;
    let world = World::of(&database).await;
    let mut connection = world.worker.acquire().await.expect("connects");
    let here = (EnvironmentId(Uuid::from_u128(1)), CellId(Uuid::from_u128(1)));
    let blue = Runs { deployment: DeploymentId(Uuid::from_u128(1)), artifact: Digest::ZERO, env_set: EnvSet(3) };
    let failed = failures(&mut connection, here, blue, 3_600.0).await.expect("asks");
    let ago = failed.iter().map(|at| (world.clock.now() - *at).num_minutes()).collect::<Vec<_>>();
    assert_eq!(ago, [1, 5]);
}
