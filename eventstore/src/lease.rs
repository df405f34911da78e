//! Leases by the database's clock: who may act for a name, and under which fence. The trap avoided: trusting a lease while
//! acting; whoever was paused for too long still believes in it, so every write carries the fence and is refused in SQL.

use rhone_domain::numbers::Fence;
use sqlx::{PgPool, Row as _};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// For how long at most, and how often, an end looks whether all that was asked is answered.
const ANSWERED: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);

/// Gives out leases.
#[derive(Clone, Debug)]
pub struct Leases {
    pool: PgPool,
}

impl Leases {
    /// Through the pool of a role that may claim them.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Claims a lease that is free or has run out, under a new fence. Whoever holds it already gets it again under the
    /// same fence; so `owner` names one life of one holder, never a machine. None: somebody else holds it.
    pub async fn claim(&self, name: &str, owner: &str, span: Duration) -> Result<Option<Fence>, sqlx::Error> {
        let fence: Option<i64> = sqlx::query("SELECT log.claim_lease($1, $2, $3) AS fence")
            .bind(name)
            .bind(owner)
            .bind(span.as_secs_f64())
            .fetch_one(&self.pool)
            .await?
            .try_get("fence")?;
        fence
            .map(|fence| u64::try_from(fence).map(Fence).map_err(|error| sqlx::Error::Decode(error.into())))
            .transpose()
    }

    /// Holds it for `span` from now; false once it was lost or has run out, which is final for this fence.
    pub async fn renew(&self, name: &str, owner: &str, fence: Fence, span: Duration) -> Result<bool, sqlx::Error> {
        sqlx::query("SELECT log.renew_lease($1, $2, $3, $4) AS held")
            .bind(name)
            .bind(owner)
            .bind(signed(fence)?)
            .bind(span.as_secs_f64())
            .fetch_one(&self.pool)
            .await?
            .try_get("held")
    }

    /// Whether somebody holds it under this fence now.
    pub async fn is_held(&self, name: &str, fence: Fence) -> Result<bool, sqlx::Error> {
        let held = "SELECT EXISTS (SELECT FROM log.leases l WHERE l.name = $1 AND l.fence = $2 AND l.until > clock_timestamp())";
        sqlx::query_scalar(held).bind(name).bind(signed(fence)?).fetch_one(&self.pool).await
    }

    /// Gives it back early; false if it was no longer held.
    pub async fn release(&self, name: &str, owner: &str, fence: Fence) -> Result<bool, sqlx::Error> {
        sqlx::query("SELECT log.release_lease($1, $2, $3) AS released")
            .bind(name)
            .bind(owner)
            .bind(signed(fence)?)
            .fetch_one(&self.pool)
            .await?
            .try_get("released")
    }

    /// Gives back everything this owner holds, so that nobody has to wait for it to run out; how many there were.
    pub async fn release_all(&self, owner: &str) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("SELECT log.release_leases($1)").bind(owner).fetch_one(&self.pool).await
    }
}

/// Waits until whatever was asked through this pool is answered, by nobody who still asks: what was given up on its way, a claim
/// perhaps, the server carries out all the same, and only after that is its connection back.
pub async fn answered(pool: &PgPool) {
    let all_back = async {
        while pool.num_idle() < pool.size() as usize {
            sleep(LOOK).await;
        }
    };
    if timeout(ANSWERED, all_back).await.is_err() {
        tracing::warn!("the database has not answered all that was asked");
    }
}

fn signed(fence: Fence) -> Result<i64, sqlx::Error> {
    i64::try_from(fence.0).map_err(|error| sqlx::Error::Encode(error.into()))
}
