//! `rhone migrate`: the database's shape, the projections' tables and the roles' passwords, as the administrator. The trap
//! avoided: a new password at every run, which would lock out what runs; passwords are made once and kept.

use crate::{config::Database, data::Data, output::told, private_file};
use anyhow::{Context as _, Result};
use reqwest::Url;
use rhone_eventstore::{boot, clock::secret, postgres::connect};
use rhone_projections::{catalogue::Catalogue, deployments::Deployments, schema, timeline::Timeline};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;

const ROLES: [&str; 3] = ["rhone_api", "rhone_worker", "rhone_projector"];

/// `rhone migrate`.
pub(crate) async fn run(data: &Data, admin_url: &str, as_json: bool) -> Result<()> {
    let data = data.created()?;
    migrate(&data, admin_url).await?;
    let roles = data.roles();
    let words = format!("the database is up to date; the roles' passwords are in {}", roles.display());
    told(as_json, &json!({ "upToDate": true, "roles": roles }), words);
    Ok(())
}

/// Brings the database up to date and gives the URLs of its roles.
pub(crate) async fn migrate(data: &Data, admin_url: &str) -> Result<Database> {
    rhone_migrations::migrate(admin_url).await.context("migrating the database")?;
    let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    let installing = "making the tables of the projections";
    schema::install::<Catalogue>(&mut admin).await.context(installing)?;
    schema::install::<Deployments>(&mut admin).await.context(installing)?;
    schema::install::<Timeline>(&mut admin).await.context(installing)?;
    let make = || ROLES.map(|role| (role.to_owned(), secret())).into_iter().collect();
    let passwords: BTreeMap<String, String> = private_file::kept(&data.roles(), make)?;
    for (role, password) in &passwords {
        let setting = rhone_migrations::set_role_password(&mut admin, role, password).await;
        setting.with_context(|| format!("letting role {role} log in"))?;
    }
    admin.close().await.context("leaving the database")?;
    let url = |role: &str| passwords.get(role).map(|password| url_of(admin_url, role, password)).transpose();
    let database = Database {
        api_url: url("rhone_api")?,
        worker_url: url("rhone_worker")?,
        projector_url: url("rhone_projector")?,
        admin_url: Some(admin_url.to_owned()),
    };
    if let Some(worker_url) = &database.worker_url {
        let pool = connect(worker_url, "rhone migrate", 1).await.context("connecting as rhone_worker")?;
        boot::check(&pool).await?;
        pool.close().await;
    }
    Ok(database)
}

/// The administrator's URL with another user.
fn url_of(admin_url: &str, role: &str, password: &str) -> Result<String> {
    // The parser's error might quote the URL.
    let unusable = || anyhow::anyhow!("the database URL is `postgres://user:password@host:port/database`");
    let mut url = Url::parse(admin_url).map_err(|_| unusable())?;
    url.set_username(role).map_err(|()| unusable())?;
    url.set_password(Some(password)).map_err(|()| unusable())?;
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    //! The roles' URLs.
    use super::*;

    #[test]
    fn a_role_gets_the_administrators_url_with_its_own_name() {
        let url = url_of("postgres://admin:a@127.0.0.1:5433/rhone?sslmode=disable", "rhone_api", "b-_");
        assert_eq!(url.expect("a URL"), "postgres://rhone_api:b-_@127.0.0.1:5433/rhone?sslmode=disable");
    }

    #[test]
    fn an_unusable_url_is_not_quoted() {
        let error = url_of("s3cret", "rhone_api", "b").expect_err("it is none");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
