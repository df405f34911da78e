//! Whose things a list has: what hangs below an app is listed of every place above it as well, by the catalogue's rows of the
//! places between, so that each page finds its index.

/// Of what kind the owners of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Tenants.
    Workspaces,
    /// Groupings of apps.
    Projects,
    /// Apps.
    Apps,
    /// Lanes of apps.
    Environments,
}

/// The apps of the place `of.id`, as `a`, for what is indexed by app alone.
pub(crate) fn apps_of(whose: Whose) -> Option<&'static str> {
    match whose {
        Whose::Workspaces => Some(
            "catalogue.entries p JOIN catalogue.entries a ON a.kind = 'app' AND a.parent = p.id \
             AND p.kind = 'project' AND p.parent = of.id",
        ),
        Whose::Projects => Some("(SELECT id FROM catalogue.entries WHERE kind = 'app' AND parent = of.id) a"),
        Whose::Apps | Whose::Environments => None,
    }
}
