//! What a field costs besides its selections, by its name: those that fold streams, and those that answer lists without pages.
//! The resolvers say the same to the library by `complexity`, which it skips behind interfaces; a test holds the two against
//! each other. The trap avoided: a budget that counts a page of gates, each judged on a dozen streams, as so many words.

/// What a field costs by itself, and how often what is selected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) base: usize,
    pub(super) times: usize,
}

const fn price(base: usize, times: usize) -> Price {
    Price { base, times }
}

/// What `atLeastPosition` costs besides, wherever it is said: each waits for the read models by itself.
pub(super) const AWAITS: usize = 100;

/// Of every field that has none of its own.
const PLAIN: Price = price(1, 1);

const DEAR: [(&str, Price); 37] = [
    ("__schema", price(500, 1)),
    ("affordances", price(20, 1)),
    ("allocations", price(100, 25)),
    ("authorizationTable", price(50, 1)),
    ("cancellable", price(20, 1)),
    ("causationTree", price(100, 4)),
    ("causes", price(50, 5)),
    ("changes", price(20, 4)),
    ("difference", price(20, 10)),
    ("drainReadiness", price(100, 1)),
    ("failover", price(50, 1)),
    ("lifecycle", price(100, 1)),
    ("liveEdges", price(100, 1)),
    ("migrations", price(20, 5)),
    ("promotion", price(50, 1)),
    ("providerBindings", price(50, 10)),
    ("refusedSince", price(20, 10)),
    ("regionReadiness", price(50, 1)),
    ("regionStandings", price(70, 5)),
    ("regions", price(20, 5)),
    ("replay", price(100, 1)),
    ("retirable", price(50, 1)),
    ("rollbackPlan", price(100, 10)),
    ("runtimeServiceBindings", price(50, 10)),
    ("scalePlan", price(50, 1)),
    ("scaleReadiness", price(50, 1)),
    ("sleepReadiness", price(100, 1)),
    ("sourceCredentials", price(20, 5)),
    ("stages", price(20, 10)),
    ("statesHash", price(500, 1)),
    ("support", price(100, 10)),
    ("supportBundle", price(200, 1)),
    ("variableDifference", price(100, 1)),
    ("variableSets", price(100, 25)),
    ("variables", price(100, 25)),
    ("viewerGrants", price(20, 1)),
    ("why", price(100, 1)),
];

/// Lists of the schema about itself, with about as many as there are on an average of each: they lead back to where one came
/// from, so a few of them within one another say everything many times over.
const INTROSPECTED: [(&str, Price); 8] = [
    ("types", price(1, 3)),
    ("directives", price(1, 5)),
    ("fields", price(1, 8)),
    ("args", price(1, 3)),
    ("inputFields", price(1, 4)),
    ("enumValues", price(1, 4)),
    ("interfaces", price(1, 4)),
    ("possibleTypes", price(1, 16)),
];

/// What this field costs; of one about the schema itself if `introspects`.
pub(super) fn of(name: &str, introspects: bool) -> Price {
    let table: &[(&str, Price)] = if introspects { &INTROSPECTED } else { &DEAR };
    table.iter().find(|(dear, _)| *dear == name).map_or(PLAIN, |(_, price)| *price)
}

/// Those that cost more than others, for the test that knows the schema.
#[doc(hidden)]
pub fn dear() -> impl Iterator<Item = &'static str> {
    DEAR.iter().map(|(name, _)| *name)
}
