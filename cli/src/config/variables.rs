//! Every variable of the environment that is no setting of a section, for the reference. The trap avoided: one that is read and
//! that nobody names; a test compares this list with what the programs ask for.

use serde::Serialize;

/// A variable that is no setting of a section.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// In what it is said.
    pub(crate) unit: &'static str,
    /// What holds when it is not set.
    pub(crate) otherwise: &'static str,
    pub(crate) readers: &'static str,
    pub(crate) meaning: &'static str,
}

const CLIENT: &str = "client commands";

/// Every variable that is read besides.
pub(crate) const VARIABLES: [Variable; 12] = [
    Variable {
        name: "RHONE_DATA",
        unit: "a folder",
        otherwise: "`.rhone/data`",
        readers: "all",
        meaning: "The data folder, where `rhone.json` and the keys are; `--data` beats it.",
    },
    Variable {
        name: "RHONE_LOG",
        unit: "directives of tracing",
        otherwise: "`info,async_nats=warn,hyper=warn,sqlx=warn` of `serve`, `work`, `edge` and `runner`, \
            `warn,async_nats=error,sqlx=error` of other commands",
        readers: "all",
        meaning: "What is logged to standard error, such as `info,rhone_edge=debug`.",
    },
    Variable {
        name: "RHONE_LOG_FORMAT",
        unit: "`json` or `text`",
        otherwise: "`text`",
        readers: "all",
        meaning: "How it is logged; `json`: a line of JSON each.",
    },
    Variable {
        name: "RHONE_URL",
        unit: "a URL",
        otherwise: "that of a running `rhone up` of this data folder, else of the last `rhone login`",
        readers: CLIENT,
        meaning: "The API; `rhone login --url` beats it.",
    },
    Variable {
        name: "RHONE_TOKEN",
        unit: "a token",
        otherwise: "that of `rhone login` to this URL, else of the `rhone up` that has it",
        readers: CLIENT,
        meaning: "Who asks. Never an argument. **Secret.**",
    },
    Variable {
        name: "RHONE_LOGINS",
        unit: "a file",
        otherwise: "`$XDG_CONFIG_HOME/rhone/logins.json`",
        readers: CLIENT,
        meaning: "The file of `rhone login`.",
    },
    Variable {
        name: "RHONE_LINK",
        unit: "a file",
        otherwise: "`.rhone/link.json` of this folder or of one above",
        readers: CLIENT,
        meaning: "The file of `rhone link`.",
    },
    Variable {
        name: "XDG_CONFIG_HOME",
        unit: "a folder",
        otherwise: "`$HOME/.config`",
        readers: CLIENT,
        meaning: "The user's configuration.",
    },
    Variable {
        name: "HOME",
        unit: "a folder",
        otherwise: "none",
        readers: CLIENT,
        meaning: "The user's own folder; needed where neither `RHONE_LOGINS` nor `XDG_CONFIG_HOME` is set.",
    },
    Variable {
        name: "DATABASE_URL",
        unit: "`postgres://user:password@host:port/database`",
        otherwise: "a private PostgreSQL; of `migrate` required",
        readers: "`up`, `migrate`, `restore`",
        meaning: "The administrator's URL of a PostgreSQL of yours. **Secret.**",
    },
    Variable {
        name: "NATS_URL",
        unit: "`nats://user:password@host:port`",
        otherwise: "a private NATS",
        readers: "`up`",
        meaning: "A NATS of yours. **Secret.**",
    },
    Variable {
        name: "RHONE_NATS_SERVER",
        unit: "a program",
        otherwise: "`nats-server` of PATH",
        readers: "`up`",
        meaning: "The program of the private NATS, 2.10 or newer.",
    },
];
