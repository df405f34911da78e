//! Who may issue which command: one table, asked in one place (`Unit::decide` of the event store) before any rule of a noun is.
//! Owner: Rhone; nothing of it is stored. The trap: a check beside each command, and the one command that has none; here a
//! command without a row may be issued by nobody, and a test names it.

use crate::{
    actor::{Writer, words},
    aggregate::{Aggregate, Command as _, Rejection},
    environment,
    ids::{EnvironmentId, PLATFORM, ProjectId, WorkspaceId},
    state_taxonomy,
    workspace::Role,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

mod membership;
mod narrowing;
mod seen;
mod table;
use crate::actor::UnknownWord;
pub use membership::{Custom, Membership};
pub use narrowing::{NEVER_NARROWED, Narrowing};
pub use seen::{Audience, SEEN, audience};
pub use table::TABLE;

words! {
    /// What a caller may be allowed to do. To read is no grant, but of the values of variables: all else is seen by whoever
    /// belongs to a workspace.
    Grant {
        /// Change the workspace itself.
        WorkspaceManage = "workspace_manage",
        /// Let people in and out, and say what they may do.
        MembersManage = "members_manage",
        /// Let support act for oneself.
        SupportGrant = "support_grant",
        /// Create and change projects.
        ProjectManage = "project_manage",
        /// Create and change apps.
        AppManage = "app_manage",
        /// Create and change environments.
        EnvironmentManage = "environment_manage",
        /// Register artifacts and make candidate releases.
        Deploy = "deploy",
        /// Give the traffic of an environment other than production to a deployment.
        PromotePreview = "promote_preview",
        /// Give production's traffic to a deployment.
        PromoteProduction = "promote_production",
        /// Give it back to an earlier one.
        RollBack = "roll_back",
        /// Freeze a route, and let go of a freeze, a pin or a quarantine.
        RouteHold = "route_hold",
        /// Say which hostnames lead where.
        Domains = "domains",
        /// See the values of plain variables; names and digests are seen by whoever belongs there.
        VariablesRead = "variables_read",
        /// Set, rotate and remove variables and secrets.
        VariablesManage = "variables_manage",
        /// Bind providers and runtime services.
        BindingsManage = "bindings_manage",
        /// Say how many allocations there are, put an app to sleep and wake it.
        Scale = "scale",
        /// Move data and schemas: migrations, failovers.
        DataManage = "data_manage",
        /// Say yes to what somebody else asked for.
        Approve = "approve",
        /// End operations early.
        OperationsCancel = "operations_cancel",
        /// Run the platform: regions, cells, hosts. Of the platform's own workspace alone.
        PlatformManage = "platform_manage",
    }
}

words! {
    /// How far a grant must reach for a command.
    Level {
        /// All of the workspace.
        Workspace = "workspace",
        /// The project is enough.
        Project = "project",
        /// The environment is enough.
        Environment = "environment",
        /// The platform's own workspace.
        Platform = "platform",
    }
}

/// Which grant a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// None that a caller can have: the platform's own programs alone issue it.
    Nobody,
    /// No grant, and no narrowed token: whoever is authenticated.
    Nothing,
    /// No grant, and no token that only reads: whoever is authenticated, for what is their own.
    Own,
    /// Nothing at all: the command stands beside another one, or says that another one was refused.
    Beside,
    /// This one.
    One(Grant),
    /// The promotion's, which is another one where the environment is production. A role is for the whole workspace and
    /// previews come and go, so a single grant would let members promote everywhere or nowhere.
    Promote,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// `noun.verb`.
    pub command: &'static str,
    /// In which capacities it may be issued.
    pub writers: &'static [Writer],
    /// What a caller needs for it.
    pub need: Need,
    /// How far that must reach.
    pub level: Level,
}

/// What a role may do.
pub const fn grants_of(role: Role) -> &'static [Grant] {
    match role {
        Role::Owner => Grant::ALL,
        Role::Admin => table::ADMIN,
        Role::Member => table::MEMBER,
    }
}

/// What support never does for anybody: pass rights on, say yes in somebody's place, change the tenant itself.
pub const NEVER_SUPPORT: &[Grant] =
    &[Grant::WorkspaceManage, Grant::MembersManage, Grant::SupportGrant, Grant::Approve, Grant::PlatformManage];

/// What makes sense in a whole workspace only: it comes with a role and never as a custom grant.
pub const WHOLE: &[Grant] =
    &[Grant::WorkspaceManage, Grant::MembersManage, Grant::SupportGrant, Grant::ProjectManage, Grant::PlatformManage];

/// What is about to be changed, as far as grants are concerned. Who says less needs grants that reach further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In which project.
    pub project: Option<ProjectId>,
    /// In which environment, and of what kind it is.
    pub environment: Option<(EnvironmentId, environment::Kind)>,
}

/// By what right a unit of work is done.
#[derive(Clone, Debug)]
pub struct Authority {
    table: &'static [Row],
    who: Who,
    narrowing: Narrowing,
}

#[derive(Clone, Debug)]
enum Who {
    /// A program of the platform, in its own capacity.
    Itself,
    /// Somebody who calls the API, a member of this workspace or not.
    Caller(WorkspaceId, Option<Membership>),
    /// Support, for a member of this workspace who allowed it.
    Support(WorkspaceId, Option<Membership>),
}

/// Why a command may not be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// Not in this capacity.
    #[error("{command} is not for the writer {writer}")]
    WrongWriter {
        /// Which command.
        command: &'static str,
        /// In which capacity it was issued.
        writer: Writer,
        /// In which it may be.
        allowed: String,
    },
    /// Not by this caller.
    #[error("this needs the grant {grant}")]
    GrantMissing {
        /// Which one.
        grant: Grant,
        /// What the caller is.
        held: String,
    },
    /// Not with this token.
    #[error("{command} is not for {narrowing}")]
    TokenNarrowed {
        /// Which command.
        command: &'static str,
        /// What the token leaves.
        narrowing: Narrowing,
    },
}

impl Rejection for Unauthorized {
    fn code(&self) -> &'static str {
        match self {
            Self::WrongWriter { .. } => "WRONG_WRITER",
            Self::GrantMissing { .. } => "GRANT_MISSING",
            Self::TokenNarrowed { .. } => "TOKEN_NARROWED",
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        Some(match self {
            Self::WrongWriter { writer, allowed, .. } => (allowed.clone(), writer.to_string()),
            Self::GrantMissing { grant, held } => (grant.to_string(), held.clone()),
            Self::TokenNarrowed { narrowing, .. } => (Narrowing::Whole.to_string(), narrowing.to_string()),
        })
    }
}

/// Why a command came to nothing: nobody may issue it so, or the noun's own rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<R> {
    /// It may not be issued so.
    Unauthorized(Unauthorized),
    /// The noun says no.
    Rule(R),
}

impl<R: fmt::Display> fmt::Display for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(why) => why.fmt(f),
            Self::Rule(why) => why.fmt(f),
        }
    }
}

impl<R: fmt::Debug + fmt::Display> std::error::Error for Refused<R> {}

impl<R: Rejection> Rejection for Refused<R> {
    fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(why) => why.code(),
            Self::Rule(why) => why.code(),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorized(_) => None,
            Self::Rule(why) => why.field(),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::Unauthorized(why) => why.expected_and_actual(),
            Self::Rule(why) => why.expected_and_actual(),
        }
    }
}

impl Authority {
    /// A program of the platform in its own capacity: worker, scheduler, runner's door, administrator's tool.
    pub const fn itself() -> Self {
        Self { table: TABLE, who: Who::Itself, narrowing: Narrowing::Whole }
    }

    /// Somebody who calls the API; none is who does not belong to the workspace.
    pub const fn caller(of: WorkspaceId, membership: Option<Membership>) -> Self {
        Self { table: TABLE, who: Who::Caller(of, membership), narrowing: Narrowing::Whole }
    }

    /// Support, on behalf of a member; none once that has ended, or the member is gone.
    pub const fn support(of: WorkspaceId, membership: Option<Membership>) -> Self {
        Self { table: TABLE, who: Who::Support(of, membership), narrowing: Narrowing::Whole }
    }

    /// The same with no more than a token leaves of it.
    #[must_use]
    pub fn narrowed(self, narrowing: Narrowing) -> Self {
        Self { narrowing, ..self }
    }

    /// The same by another table: for nouns of tests, and for tables with a sin that tests must catch.
    #[must_use]
    pub fn by(self, table: &'static [Row]) -> Self {
        Self { table, ..self }
    }

    /// Whether a command may be issued in this capacity, about this.
    pub fn permit(&self, command: &'static str, writer: Writer, scope: Scope) -> Result<(), Unauthorized> {
        let row = self.table.iter().find(|row| row.command == command);
        let writers = row.map_or(&[][..], |row| row.writers);
        let foreign = !matches!(self.who, Who::Itself) && !table::OF_CALLERS.contains(&writer);
        let admitted = !foreign && state_taxonomy::admits(command, writer);
        let Some(row) = row.filter(|row| row.writers.contains(&writer) && admitted) else {
            let allowed = writers.iter().map(|writer| writer.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Unauthorized::WrongWriter { command, writer, allowed });
        };
        match (&self.who, row.need) {
            (Who::Itself, _) | (Who::Caller(..) | Who::Support(..), Need::Beside) => Ok(()),
            (Who::Caller(..) | Who::Support(..), Need::Nothing) => {
                self.narrowed_no_further(command, Narrowing::is_whole)
            }
            (Who::Caller(..) | Who::Support(..), Need::Own) => {
                self.narrowed_no_further(command, |narrowing| !narrowing.reads_only())
            }
            (Who::Caller(..) | Who::Support(..), Need::Nobody) => {
                Err(Unauthorized::WrongWriter { command, writer, allowed: "the platform itself".to_owned() })
            }
            (Who::Caller(..) | Who::Support(..), Need::One(grant)) => self.needs(grant, row.level, scope),
            (Who::Caller(..) | Who::Support(..), Need::Promote) => {
                let grant = match scope.environment {
                    Some((_, environment::Kind::Preview | environment::Kind::Staging)) => Grant::PromotePreview,
                    Some((_, environment::Kind::Production)) | None => Grant::PromoteProduction,
                };
                self.needs(grant, row.level, scope)
            }
        }
    }

    /// The same of a command to this noun as it stands, which may say that one capacity alone will do.
    pub fn permit_to<A: Aggregate>(
        &self,
        noun: &A,
        command: &A::Command,
        writer: Writer,
        scope: Scope,
    ) -> Result<(), Unauthorized> {
        self.permit(command.name(), writer, scope)?;
        match noun.writer(command) {
            Some(own) if own != writer => {
                Err(Unauthorized::WrongWriter { command: command.name(), writer, allowed: own.to_string() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What needs no grant needs a token that leaves this much.
    fn narrowed_no_further(
        &self,
        command: &'static str,
        enough: impl Fn(&Narrowing) -> bool,
    ) -> Result<(), Unauthorized> {
        if enough(&self.narrowing) {
            return Ok(());
        }
        Err(Unauthorized::TokenNarrowed { command, narrowing: self.narrowing.clone() })
    }

    fn needs(&self, grant: Grant, level: Level, scope: Scope) -> Result<(), Unauthorized> {
        if self.holds(grant, level, scope) {
            return Ok(());
        }
        let held = match &self.who {
            Who::Itself => "the platform itself".to_owned(),
            Who::Caller(_, member) => member.as_ref().map_or("no member".to_owned(), |one| one.role.to_string()),
            Who::Support(_, member) => member.as_ref().map_or("support that has ended", |_| "support").to_owned(),
        };
        let held = if self.narrowing.leaves(grant) { held } else { format!("{held}, with {}", self.narrowing) };
        Err(Unauthorized::GrantMissing { grant, held })
    }

    /// Whether a grant is held as far as it must reach.
    pub fn holds(&self, grant: Grant, level: Level, scope: Scope) -> bool {
        let (of, member) = match &self.who {
            Who::Itself => return true,
            Who::Support(..) if NEVER_SUPPORT.contains(&grant) => return false,
            Who::Caller(of, member) | Who::Support(of, member) => (*of, member),
        };
        // To own a workspace is not to own the platform.
        let in_reach = self.narrowing.leaves(grant)
            && ((level != Level::Platform && grant != Grant::PlatformManage) || of == PLATFORM);
        in_reach && member.as_ref().is_some_and(|member| member.holds(grant, level, scope))
    }
}

#[cfg(test)]
mod tests;
