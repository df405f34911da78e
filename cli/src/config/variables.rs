//! Every variable of the environment that is no setting of a section, for the reference. The trap avoided: one that is read and
//! that nobody names; a test compares this list with what the programs ask for.

use serde::Serialize;

/// A variable that is no setting of a section.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) readers: &'static str,
    pub(crate) meaning: &'static str,
}

const CLIENT: &str = "client commands";

/// Every variable that is read besides.
pub(crate) const VARIABLES: [Variable; 12] = [
    Variable {
        name: "RHONE_DATA",
        readers: "all",
        meaning: "The data folder, where `rhone.json` and the keys are; `--data` beats it; `.rhone/data` otherwise.",
    },
    Variable {
        name: "RHONE_LOG",
        readers: "all",
        meaning: "What is logged to standard error, as directives of tracing such as `info,rhone_edge=debug`.",
    },
    Variable { name: "RHONE_LOG_FORMAT", readers: "all", meaning: "`json`: a line of JSON each." },
    Variable {
        name: "RHONE_URL",
        readers: CLIENT,
        meaning: "The API; beats `rhone link`, `rhone up` and `rhone login`.",
    },
    Variable { name: "RHONE_TOKEN", readers: CLIENT, meaning: "The token; beats `rhone login`. Never an argument." },
    Variable {
        name: "RHONE_LOGINS",
        readers: CLIENT,
        meaning: "The file of `rhone login`; `$XDG_CONFIG_HOME/rhone/logins.json` otherwise.",
    },
    Variable {
        name: "RHONE_LINK",
        readers: CLIENT,
        meaning: "The file of `rhone link`; otherwise `.rhone/link.json` of this folder or of one above.",
    },
    Variable { name: "XDG_CONFIG_HOME", readers: CLIENT, meaning: "The user's configuration; `~/.config` otherwise." },
    Variable { name: "HOME", readers: CLIENT, meaning: "Where that is." },
    Variable {
        name: "DATABASE_URL",
        readers: "`up`, `migrate`, `restore`",
        meaning: "The administrator's URL of a PostgreSQL of yours; `up` and `restore` start a private one otherwise.",
    },
    Variable { name: "NATS_URL", readers: "`up`", meaning: "A NATS of yours; `up` starts a private one otherwise." },
    Variable {
        name: "RHONE_NATS_SERVER",
        readers: "`up`",
        meaning: "The program of the private NATS; looked for on PATH otherwise.",
    },
];
