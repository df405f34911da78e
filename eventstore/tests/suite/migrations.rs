//! Migrations can be run again, by two at once, and in two databases of one cluster at once.

use crate::database::{API, Database};
use rhone_migrations::{MIGRATOR, migrate, set_role_password};
use sqlx::{Connection as _, PgConnection};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_run_once_however_often_they_are_started() {
    let database = Database::new().await;
    let (one, other) = (database.sibling("one").await, database.sibling("other").await);
    let runs = [&one, &one, &other, &database, &one].map(|database| {
        let url = database.url();
        tokio::spawn(async move { migrate(&url).await })
    });
    for run in runs {
        run.await.expect("ends").expect("migrates");
    }
    let applied = "SELECT count(*) FROM _sqlx_migrations WHERE success";
    for database in [&one, &other, &database] {
        assert_eq!(database.number(applied).await, i64::try_from(MIGRATOR.iter().count()).expect("a few"));
    }
}

#[tokio::test]
async fn a_password_of_any_kind_is_taken_and_only_the_programs_roles_get_one() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    for role in ["rhone_owner", "postgres", "nobody", "rhone_api\"; DROP SCHEMA log; --"] {
        assert!(set_role_password(&mut admin, role, "x").await.is_err(), "{role}");
    }
    // Whatever stands in the password is only a password. In a transaction: the other tests log in with theirs.
    let mut transaction = admin.begin().await.expect("begins");
    let password = r#"it's \ "quoted" $$ -- ; é"#;
    set_role_password(&mut transaction, API, password).await.expect("is set");
    transaction.rollback().await.expect("rolls back");
    let mut api = PgConnection::connect(&database.role_url(API)).await.expect("logs in as before");
    let superuser: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&mut api)
        .await
        .expect("is known");
    assert!(!superuser);
}
