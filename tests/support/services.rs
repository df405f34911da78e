//! What an app of several allocations needs: a session store and a broadcast backend, the platform's own PostgreSQL and NATS as
//! anybody's resources, declared and proven through the API. The trap avoided: services at home that prove nothing elsewhere.

use crate::{
    database::administrator,
    graphql::unique,
    platform::Platform,
    story::{Tenant, text},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};

/// A database of its own, and where it is.
pub async fn database(platform: &Platform) -> String {
    let name = unique("db").replace('-', "_");
    let mut admin = administrator(platform).await;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database");
    let url = &platform.addresses().database.admin_url;
    let (server, _) = url.rsplit_once('/').expect("a URL names a database");
    format!("{server}/{name}")
}

/// What two allocations need, proven in one region.
pub async fn bind(platform: &Platform, tenant: &Tenant, region: &str) {
    let bus = platform.addresses().bus.url;
    for (service, backend, url) in
        [("SESSION_STORE", "POSTGRES", database(platform).await), ("BROADCAST", "NATS", bus.clone())]
    {
        let input = json!({ "environmentId": tenant.production.id, "regionId": region, "service": service,
            "backend": backend, "url": url });
        let made = tenant.client.done("runtimeServiceBindingCreate", "__typename", input).await;
        tenant.succeeds(&text(&made["operation"]["id"])).await;
    }
}
