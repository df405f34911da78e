//! Words for who belongs to a workspace, and who is let in. The trap avoided: a secret on the command line, where other users of
//! the machine see it; it may be left out, and is then read from standard input.

use clap::{Args, Subcommand, ValueEnum};

/// What a member is to all of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MemberRole {
    /// Everything.
    Owner,
    /// Everything but the workspace itself.
    Admin,
    /// Deploys and previews.
    Member,
}

impl MemberRole {
    /// As the API calls it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Admin => "ADMIN",
            Self::Member => "MEMBER",
        }
    }
}

/// Of members.
#[derive(Debug, Subcommand)]
pub enum MemberVerb {
    /// Make a secret that lets one person in; it is shown once.
    Invite {
        /// Into which workspace.
        #[arg(long)]
        workspace: String,
        /// As what.
        #[arg(long)]
        role: MemberRole,
        /// How many days it is open, 30 at most; 7 when omitted.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List who belongs to it and who is invited; no secret is shown.
    List {
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
    /// Let somebody in who has an account here.
    Add(MemberIs),
    /// Say as what a member belongs to it.
    Role(MemberIs),
    /// Let somebody belong to it no longer.
    Remove {
        /// As `rhone member list` says it.
        member: String,
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
    /// Say what a member may do in one project or environment besides; none takes it back.
    Grants {
        /// As `rhone member list` says it.
        member: String,
        /// In which project.
        #[arg(long, required_unless_present = "environment", conflicts_with = "environment")]
        project: Option<String>,
        /// In which environment.
        #[arg(long)]
        environment: Option<String>,
        /// A grant, such as `promote_preview`; said again for another one.
        #[arg(long = "grant")]
        grants: Vec<String>,
    },
    /// Let nobody in with an invitation any more.
    Revoke {
        /// Its id.
        invitation: String,
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
}

/// A member of a workspace, and as what.
#[derive(Debug, Args)]
pub struct MemberIs {
    /// As `rhone member list` and `rhone whoami` say it.
    pub member: String,
    /// Of which workspace.
    #[arg(long)]
    pub workspace: String,
    /// As what.
    #[arg(long)]
    pub role: MemberRole,
}

/// Of invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationVerb {
    /// Become a member.
    Accept {
        /// What `rhone member invite` showed. Read from standard input when omitted, where other users of the machine do not
        /// see it.
        secret: Option<String>,
    },
}
