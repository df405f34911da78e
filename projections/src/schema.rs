//! Makes the schema of a projection: tables, owner, grants, row-level security. The same for the first install and for a
//! rebuild beside the live one, so that a swap can never bring in tables without their policies. The schema's comment says
//! which version its rows are of. The trap: events written by the rules of one version onto rows of another.

use crate::projection::Projection;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Whether the live rows mean what this program takes them to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// They are of this program's [`Projection::VERSION`].
    Same,
    /// They are of another; only `rhone rebuild` replaces them.
    Other {
        /// Which.
        live: i32,
    },
}

/// Of which form the live rows are.
pub async fn form<P: Projection>(connection: &mut PgConnection) -> Result<Form, sqlx::Error> {
    let comment: Option<String> =
        sqlx::query_scalar("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1")
            .bind(P::NAME)
            .fetch_one(connection)
            .await?;
    // What was made before versions were written down is of the first.
    let live = comment.as_deref().and_then(|comment| comment.strip_prefix("version ")).unwrap_or("1");
    let live = live.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(if live == P::VERSION { Form::Same } else { Form::Other { live } })
}

/// Makes the live schema of a projection unless it is there, in whatever form: one that serves is not replaced unasked.
pub async fn install<P: Projection>(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(P::NAME)
        .fetch_one(&mut *admin)
        .await?;
    if exists { Ok(()) } else { create::<P>(admin, P::NAME).await }
}

/// Makes the tables of a projection in a schema of this name.
pub async fn create<P: Projection>(admin: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let mut transaction = admin.begin().await?;
    let version = P::VERSION;
    let begin = format!(
        "CREATE SCHEMA {schema} AUTHORIZATION rhone_owner;
         COMMENT ON SCHEMA {schema} IS 'version {version}';
         SET LOCAL ROLE rhone_owner;
         SET LOCAL search_path TO {schema};"
    );
    transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(begin))).await?;
    transaction.execute(sqlx::raw_sql(P::TABLES)).await?;
    let guard = format!(
        "GRANT USAGE ON SCHEMA {schema} TO rhone_api, rhone_worker, rhone_projector;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO rhone_projector;
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO rhone_api, rhone_worker;
         DO $$ DECLARE t text; BEGIN
             FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' LOOP
                 EXECUTE format('ALTER TABLE {schema}.%I ENABLE ROW LEVEL SECURITY', t);
                 EXECUTE format('CREATE POLICY projector ON {schema}.%I TO rhone_projector USING (true) WITH CHECK (true)', t);
                 EXECUTE format('CREATE POLICY worker ON {schema}.%I FOR SELECT TO rhone_worker USING (true)', t);
                 EXECUTE format('CREATE POLICY tenant ON {schema}.%I FOR SELECT TO rhone_api USING
                     (workspace IS NULL OR workspace = ANY ((SELECT authority.workspaces())::uuid[]))', t);
             END LOOP;
         END $$;"
    );
    transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(guard))).await?;
    transaction.commit().await
}
