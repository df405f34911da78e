//! What the steps share: who asks, who tells, and how an operation is followed. The trap avoided: an id copied from an earlier
//! run; every name of this run ends with its own tag.

use super::{DemoArgs, running::Running, source::Source, teller::Teller, visitor::Visitor};
use crate::{
    Report,
    client::{
        Connection, Payload, Progress, documents, follow,
        mutation::{DEPLOYMENT_PROMOTE, Mutation},
    },
    data::Data,
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// The longest that any operation is waited for.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// What the steps share.
pub(super) struct Story<'a> {
    pub(super) teller: Teller,
    pub(super) connection: Connection,
    pub(super) data: &'a Data,
    pub(super) examples: PathBuf,
    /// The repository that is deployed from.
    pub(super) source: Source,
    pub(super) tag: String,
    /// As it was at the beginning; pids change, the rest does not.
    pub(super) report: Report,
    running: &'a Running,
}

/// Where the app is shown.
pub(super) struct Lanes {
    pub(super) app: String,
    pub(super) preview: Lane,
    pub(super) production: Lane,
}

/// An environment and the hostname that leads to it.
pub(super) struct Lane {
    pub(super) environment: String,
    pub(super) host: String,
}

/// A deployment, and how it answers.
pub(super) struct Release {
    pub(super) deployment: String,
    /// What it was built of.
    pub(super) commit: String,
    pub(super) digest: String,
    pub(super) version: &'static str,
}

/// An operation that ended as it should.
pub(super) struct Done {
    pub(super) operation: Value,
    pub(super) steps: Vec<Progress>,
}

impl<'a> Story<'a> {
    pub(super) fn begin(data: &'a Data, how: &DemoArgs, running: &'a Running) -> Result<Self> {
        let report = running.report()?;
        let connection = Connection::new(&report.facts.urls.api, &report.facts.token)?;
        let id: Uuid = connection.clock().new_id();
        let tag = id.simple().to_string().split_off(24);
        let examples = how.examples.clone();
        let source = Source::begin()?;
        Ok(Self { teller: Teller::new(), connection, data, examples, source, tag, report, running })
    }

    /// Who runs, as of now.
    pub(super) fn report_now(&self) -> Result<Report> {
        self.running.report()
    }

    /// The first edge.
    pub(super) fn edge(&self) -> Result<&str> {
        self.report.facts.urls.edges.first().map(String::as_str).context("`rhone up` runs no edge")
    }

    /// A visitor of this lane.
    pub(super) fn visitor(&self, lane: &Lane) -> Result<Visitor> {
        Visitor::new(self.edge()?, &lane.host)
    }

    /// A mutation that is to be accepted.
    pub(super) async fn change(&self, mutation: &Mutation, input: Value) -> Result<Payload> {
        let payload = self.connection.mutate(mutation, input).await?;
        payload.accepted().with_context(|| format!("asking for {}", mutation.name))
    }

    /// The environment as it is now, with its route owner.
    pub(super) async fn environment(&self, lane: &Lane) -> Result<Value> {
        let asked = json!({ "id": lane.environment });
        let mut data = self.connection.query(&documents::environment(), asked).await?;
        Ok(data["environment"].take())
    }

    /// The route's epoch now.
    pub(super) async fn epoch(&self, lane: &Lane) -> Result<u64> {
        self.environment(lane).await?["routeOwner"]["epoch"].as_u64().context("a route has an epoch")
    }

    /// Asks for a promotion; whatever comes of it.
    pub(super) async fn promote(
        &self,
        release: &Release,
        lane: &Lane,
        expected: u64,
        key: Option<&str>,
    ) -> Result<Payload> {
        let input = json!({
            "deploymentId": release.deployment, "environmentId": lane.environment, "expectedRouteEpoch": expected,
            "reason": format!("{} is to serve", release.version), "idempotencyKey": key,
            // From green to blue is cold, for blue keeps one thing less; the story goes back and forth.
            "acknowledgements": [{ "gate": "vango_state", "reason": "the story goes back and forth" }],
        });
        Ok(self.connection.mutate(&DEPLOYMENT_PROMOTE, input).await?)
    }

    /// Follows the operation of an accepted payload and tells each of its stages.
    pub(super) async fn carried(&self, payload: &Payload, sent: Instant) -> Result<Done> {
        let operation = payload.operation().context("what was accepted has an operation")?;
        self.carried_on(operation, sent).await
    }

    /// The same, of an operation that is known.
    pub(super) async fn carried_on(&self, operation: &str, sent: Instant) -> Result<Done> {
        let mut steps = Vec::new();
        let operation = follow(&self.connection, operation, Some(PATIENCE), |step| {
            let stage = step.stage.as_deref().unwrap_or("-").to_lowercase();
            self.teller.fact(format_args!("[+{:>6} ms] {stage:<16} {}", sent.elapsed().as_millis(), step.summary));
            steps.push(step.clone());
        })
        .await?;
        Ok(Done { operation, steps })
    }
}
