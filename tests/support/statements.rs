//! The statements that reach the database: PostgreSQL itself writes them down. The trap avoided: a count that a loader's own
//! test keeps; what reached the database is what a question cost.

use crate::{database::administrator, platform::Platform};
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

/// PostgreSQL's log, with every statement of a role in it.
#[derive(Debug)]
pub struct Statements(PathBuf);

impl Statements {
    /// Of this role, on every connection that is opened from now on.
    pub async fn of_role(platform: &Platform, role: &str) -> Self {
        sqlx::query(sqlx::AssertSqlSafe(format!("ALTER ROLE {role} SET log_statement = 'all'")))
            .execute(&mut administrator(platform).await)
            .await
            .expect("the administrator may");
        Self(platform.data().join("postgres/postgres.log"))
    }

    /// How long the log is now.
    pub fn now(&self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |log| log.len())
    }

    /// Without what does nothing but open or close a transaction, and without the question whether the database answers.
    pub fn since(&self, then: u64) -> Vec<String> {
        let text = self.read(then);
        let lines = text.lines().filter(|line| line.contains("LOG:  "));
        let said = lines.filter_map(|line| {
            line.split_once("execute ")
                .and_then(|(_, rest)| rest.split_once(": "))
                .or_else(|| line.split_once("statement: "))
        });
        let kept = said.map(|(_, sql)| sql.trim().to_owned());
        kept.filter(|sql| !["BEGIN", "COMMIT", "ROLLBACK", "SELECT 1"].contains(&sql.as_str())).collect()
    }

    fn read(&self, from: u64) -> String {
        let read = || {
            let mut log = File::open(&self.0)?;
            log.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}
