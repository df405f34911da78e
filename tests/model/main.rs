//! PLACEHOLDER

#![expect(clippy::wildcard_enum_match_arm, reason = "a law looks at the few events that it is about")]

mod book;
mod laws;
mod nouns;
mod platform;
mod properties;
mod sins;
mod state;
mod worker;

use platform::{Bounds, Platform};
use sins::Sin;
use stateright::{Checker as _, HasDiscoveries, Model as _};
use std::time::Instant;

const SMALL: Bounds = Bounds {
    requests: [2, 0],
    open: [2, 1],
    fences: 2,
    freezes: [0, 0],
    migrations: [0, 0],
    failures: [0, 0],
    come_up: [0, 0],
    deadlines: [0, 0],
    deployments: [3, 1],
};

fn explore(bounds: Bounds) {
    let begun = Instant::now();
    let checker = Platform::new(bounds, None).checker().threads(2).spawn_bfs().join();
    println!("{bounds:?}");
    println!("{} unique states, {} generated, depth {}, {:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), begun.elapsed());
    let n = &checker.model().nouns;
    println!("pages: routes {} operations {} allocations {} moves {} contents {}", n.routes.len(), n.operations.len(), n.allocations.len(), n.moves.len(), n.contents.len());
    println!("done {} found {:?}", checker.is_done(), checker.discoveries().keys().collect::<Vec<_>>());
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string().contains("counter") {
            println!("{name}: {:?}", path.into_actions());
        }
    }
}

#[test]
fn measure() {
    explore(SMALL);
    explore(Bounds { freezes: [1, 0], ..SMALL });
    explore(Bounds { migrations: [1, 0], ..SMALL });
    explore(Bounds { failures: [1, 0], ..SMALL });
    explore(Bounds { come_up: [0, 1], ..SMALL });
    explore(Bounds { deadlines: [1, 0], ..SMALL });
    explore(Bounds { requests: [2, 1], ..SMALL });
    explore(Bounds { requests: [3, 0], ..SMALL });
}
