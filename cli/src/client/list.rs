//! Lists: a line per thing with its id first, so that whatever was made can be found again. The trap avoided: an id that only
//! the answer of its own creation showed; and a list that ends with its first page.

use super::{
    connection::Connection,
    failure::Failure,
    named::Level,
    run::{next, not_found},
    show,
};
use serde_json::{Value, json};

/// What has the list.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// The API itself.
    Root,
    /// Whoever asks.
    Viewer,
    /// A thing that is asked for by this field.
    Field(&'static str),
    /// A thing of this type, which is asked for as any node.
    Node(&'static str),
}

/// What is listed, of what, and which fields people are shown.
#[derive(Debug)]
pub(super) struct Listing {
    of: Of,
    field: &'static str,
    /// As they are asked for.
    node: &'static str,
    /// Of a node, as JSON pointers; the id comes first.
    columns: &'static [&'static str],
}

pub(super) static REGIONS: Listing =
    Listing { of: Of::Root, field: "regions", node: "id slug name createdAt", columns: &["/id", "/slug", "/name"] };
pub(super) static CELLS: Listing =
    Listing { of: Of::Node("Region"), field: "cells", node: "id slug", columns: &["/id", "/slug"] };
pub(super) static HOSTS: Listing =
    Listing { of: Of::Node("Cell"), field: "hosts", node: "id slug state", columns: &["/id", "/slug", "/state"] };
pub(super) static WORKSPACES: Listing =
    Listing { of: Of::Root, field: "workspaces", node: "id slug name createdAt", columns: &["/id", "/slug", "/name"] };
pub(super) static PROJECTS: Listing = Listing {
    of: Of::Field("workspace"),
    field: "projects",
    node: "id slug name createdAt",
    columns: &["/id", "/slug", "/name"],
};
pub(super) static APPS: Listing = Listing {
    of: Of::Field("project"),
    field: "apps",
    node: "id slug name createdAt",
    columns: &["/id", "/slug", "/name"],
};
pub(super) static ENVIRONMENTS: Listing = Listing {
    of: Of::Field("app"),
    field: "environments",
    node: "id slug kind createdAt routeOwner { epoch deploymentId artifactDigest since hosts frozen pin { reason } }",
    columns: &["/id", "/slug", "/kind", "/routeOwner/deploymentId"],
};
pub(super) static DEPLOYMENTS: Listing = Listing {
    of: Of::Field("app"),
    field: "deployments",
    node: "id status artifactDigest createdAt failureReason source { repository commit }",
    columns: &["/id", "/status", "/createdAt", "/artifactDigest", "/source/commit"],
};
pub(super) static TOKENS: Listing = Listing {
    of: Of::Viewer,
    field: "tokens",
    node: "tokenId name hint workspaceId grants createdAt expiresAt lastUsedAt rotatedAt revokedAt current",
    columns: &["/tokenId", "/hint", "/name", "/workspaceId", "/grants", "/expiresAt", "/lastUsedAt", "/revokedAt"],
};

impl Listing {
    fn document(&self) -> String {
        let Self { of, field, node, .. } = self;
        let page =
            format!("{field}(first: 100, after: $after) {{ nodes {{ {node} }} pageInfo {{ hasNextPage endCursor }} }}");
        match of {
            Of::Root => format!("query($after: String) {{ {page} }}"),
            Of::Viewer => format!("query($after: String) {{ viewer {{ {page} }} }}"),
            Of::Field(of) => format!("query($id: ID!, $after: String) {{ {of}(id: $id) {{ {page} }} }}"),
            Of::Node(of) => {
                format!("query($id: ID!, $after: String) {{ node(id: $id) {{ ... on {of} {{ {page} }} }} }}")
            }
        }
    }

    /// What it is a list of the things of, where that can be named.
    pub(super) fn level(&self) -> Option<Level> {
        match self.of {
            Of::Field(noun) => Level::of(noun),
            Of::Root | Of::Viewer | Of::Node(_) => None,
        }
    }

    /// Where the answer has it, as a JSON pointer.
    fn place(&self) -> String {
        let field = self.field;
        match self.of {
            Of::Root => format!("/{field}"),
            Of::Viewer => format!("/viewer/{field}"),
            Of::Field(of) => format!("/{of}/{field}"),
            Of::Node(_) => format!("/node/{field}"),
        }
    }

    /// For whoever names one that is not there.
    fn owner(&self) -> String {
        match self.of {
            Of::Root | Of::Viewer => self.field.to_owned(),
            Of::Field(of) | Of::Node(of) => of.to_lowercase(),
        }
    }
}

/// Prints all of it.
pub(super) async fn run(
    connection: &Connection,
    listing: &Listing,
    id: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    show::list(&all(connection, listing, id).await?, as_json, |node| told(node, listing.columns));
    Ok(())
}

/// All of it, page by page.
pub(super) async fn all(connection: &Connection, listing: &Listing, id: Option<&str>) -> Result<Vec<Value>, Failure> {
    pages(connection, (&listing.document(), id), &listing.place(), &listing.owner()).await
}

/// All that a document finds at a place of its answers, of an owner that there may not be; it takes `$after`.
pub(super) async fn pages(
    connection: &Connection,
    (document, id): (&str, Option<&str>),
    place: &str,
    owner: &str,
) -> Result<Vec<Value>, Failure> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let data = connection.query(document, json!({ "id": id, "after": after })).await?;
        let page = data.pointer(place).ok_or_else(|| not_found(owner))?;
        let nodes = page["nodes"].as_array().ok_or_else(|| not_found(owner))?;
        found.extend(nodes.iter().cloned());
        after = next(page);
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// What is not there is a dash, so that every column stays in its place.
fn told(node: &Value, columns: &[&str]) -> String {
    let word = |column: &&str| match node.pointer(column) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Array(items)) => items.iter().map(show::word).collect::<Vec<_>>().join(","),
        Some(value) => show::word(value),
    };
    columns.iter().map(word).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    //! Every list asks for what it shows, and a line has as many words as columns.
    use super::*;

    #[test]
    fn a_list_asks_for_what_it_shows() {
        for listing in [&REGIONS, &CELLS, &HOSTS, &WORKSPACES, &PROJECTS, &APPS, &ENVIRONMENTS, &DEPLOYMENTS, &TOKENS] {
            for name in listing.columns.iter().flat_map(|column| column.split('/').skip(1)) {
                assert!(listing.node.split_whitespace().any(|asked| asked == name), "{name} of {}", listing.field);
            }
        }
    }

    #[test]
    fn a_line_has_a_word_for_each_column() {
        let token = json!({ "tokenId": "t1", "hint": "rhone_ab", "name": null, "grants": ["read", "promote"] });
        assert_eq!(told(&token, &["/tokenId", "/hint", "/name", "/grants"]), "t1  rhone_ab  -  read,promote");
        let environment = json!({ "id": "env_1", "routeOwner": { "deploymentId": "dep_1" } });
        assert_eq!(told(&environment, &["/id", "/slug", "/routeOwner/deploymentId"]), "env_1  -  dep_1");
    }
}
