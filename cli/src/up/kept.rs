//! All that an `up` started, and the order in which it ends: edges, API, worker, the runner's agent, gates and apps, NATS,
//! PostgreSQL. The trap avoided: an agent that starts again the gates that are being ended; it ends before them.

use super::{
    keep_part,
    keep_server::{self, Server, Terms},
    plan::{Plan, ServerUrls},
    report::{Reporting, Stage},
};
use crate::{data::Data, processes::Process};
use anyhow::{Context as _, Result};
use rhone_providers::servers::{Nats, Postgres, ServerError};
use sqlx::{Connection as _, PgConnection};
use std::{env, path::PathBuf, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

/// The private server's database.
pub(super) const DATABASE: &str = "rhone";
/// What apps get to end in order; they were told that their sockets close.
const APPS: Duration = Duration::from_secs(4);

/// What runs because of us.
pub(super) struct Kept {
    pub(super) report: Reporting,
    data: Data,
    trouble: mpsc::Sender<String>,
    postgres: Option<Keeper>,
    nats: Option<Keeper>,
    parts: Vec<Keeper>,
}

/// One thing that is kept running by a task.
struct Keeper {
    name: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Keeper {
    async fn stop(self) {
        let begun = Instant::now();
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(part = self.name, %error, "its keeper ended badly");
        }
        tracing::info!(part = self.name, ms = begun.elapsed().as_millis(), "ended");
    }
}

impl Kept {
    pub(super) fn new(data: &Data, trouble: mpsc::Sender<String>) -> Result<Self> {
        let up = Process::now_at(std::process::id()).context("/proc does not say when we started")?;
        Ok(Self {
            report: Reporting::new(data.report(), up),
            data: data.clone(),
            trouble,
            postgres: None,
            nats: None,
            parts: Vec::new(),
        })
    }

    /// Starts PostgreSQL and NATS unless the caller has some; both at once, and both are kept even if one fails.
    pub(super) async fn start_servers(&mut self) -> Result<ServerUrls> {
        let (database_url, nats_url) = (given("DATABASE_URL"), given("NATS_URL"));
        let (postgres, nats) = tokio::join!(
            unless::<Postgres>(database_url.as_ref(), self.data.postgres()),
            unless::<Nats>(nats_url.as_ref(), self.data.nats())
        );
        let (mut private_database, mut private_nats) = (None, None);
        let postgres = postgres.map(|server| {
            private_database = server.as_ref().map(|server| (server.url("postgres"), server.url(DATABASE)));
            self.postgres = server.map(|server| self.keep_server(server, self.data.postgres()));
        });
        let nats = nats.map(|server| {
            private_nats = server.as_ref().map(Nats::url);
            self.nats = server.map(|server| self.keep_server(server, self.data.nats()));
        });
        postgres?;
        nats?;
        if let Some((maintenance, _)) = &private_database {
            create_database(maintenance).await?;
        }
        Ok(ServerUrls {
            database_url: database_url.or(private_database.map(|(_, url)| url)).context("there is no database")?,
            nats_url: nats_url.or(private_nats).context("there is no NATS")?,
        })
    }

    fn keep_server<S: Server>(&self, server: S, folder: PathBuf) -> Keeper {
        let (stop, stopped) = watch::channel(false);
        let terms = Terms { folder, report: self.report.clone(), stop: stopped, trouble: self.trouble.clone() };
        Keeper { name: S::NAME.to_owned(), stop, task: tokio::spawn(keep_server::keep(server, terms)) }
    }

    /// Starts every part.
    pub(super) fn start_parts(&mut self, plan: &Plan) -> Result<()> {
        for part in &plan.parts {
            let (stop, stopped) = watch::channel(false);
            let kept = keep_part::start(part.clone(), self.report.clone(), stopped)?;
            self.parts.push(Keeper { name: part.name.clone(), stop, task: tokio::spawn(kept) });
        }
        Ok(())
    }

    /// Ends everything in order.
    pub(super) async fn stop(self) {
        self.report.stage(Stage::Stopping);
        // Of all edges nobody waits for the others.
        let (edges, others): (Vec<Keeper>, Vec<Keeper>) =
            self.parts.into_iter().partition(|keeper| keeper.name.starts_with("edge"));
        futures_util::future::join_all(edges.into_iter().map(Keeper::stop)).await;
        for part in others {
            part.stop().await;
        }
        match rhone_runner::stop_all(&self.data.runner(), APPS).await {
            Ok(gates) => tracing::info!(gates, "apps ended"),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "gates and apps may go on"),
        }
        for server in [self.nats, self.postgres].into_iter().flatten() {
            server.stop().await;
        }
        self.report.stage(Stage::Stopped);
    }
}

fn given(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.is_empty())
}

async fn unless<S: Server>(given: Option<&String>, folder: PathBuf) -> Result<Option<S>, ServerError> {
    if given.is_some() { Ok(None) } else { S::start(&folder).await.map(Some) }
}

/// Makes the private server's database, if it is not there.
pub(super) async fn create_database(maintenance_url: &str) -> Result<()> {
    let mut admin = PgConnection::connect(maintenance_url).await.context("connecting to the private database")?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(DATABASE)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        let create = format!("CREATE DATABASE {DATABASE}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.context("creating the database")?;
    }
    Ok(admin.close().await?)
}
