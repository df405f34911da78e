//! Every step is judged: what is new in the log by the laws, the rows and the edges by what the events said. The trap avoided:
//! looking only at the end, when what went wrong may have been mended.

use super::{ENVIRONMENTS, World, actor};
use crate::laws::Beside;
use rhone_domain::numbers::Epoch;
use rhone_eventstore::Log as _;
use rhone_tests::rules::{at, environment};

impl World {
    /// Reads what is new in the log, append by append.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        let events = super::now(self.door.log().read_all(self.seen, 10_000)).map_err(|error| error.to_string())?;
        let leases = self.leases.clone();
        let (edges, provider) = (&self.edges, &self.provider);
        let beside = Beside {
            holder: &|id| leases.get(&id).map(|(worker, ..)| actor(*worker)),
            proven: &|region, environment, epoch, digest| {
                let mut there = edges.iter().filter(|edge| edge.region == region);
                there.all(|edge| edge.proven.contains(&(environment, Epoch(epoch), digest)))
            },
            gave_up: &|region, environment, epoch| {
                let mut there = edges.iter().filter(|edge| edge.region == region);
                there.all(|edge| edge.gave_up(environment, Epoch(epoch)))
            },
            open: &|allocation| edges.iter().map(|edge| edge.open(allocation)).sum(),
            probed: &|operation, binding, credential, identity| {
                provider.has_proven(operation, binding, credential, identity)
            },
        };
        for append in events.chunk_by(|a, b| a.position.tx == b.position.tx) {
            for event in append {
                self.trace.write(&format!("{} {}", event.envelope.event_type, event.hash));
                self.seen = event.position;
            }
            self.laws.read(append, &beside)?;
        }
        self.judge_rows()
    }

    /// The rows and the edges, against what the events said.
    fn judge_rows(&mut self) -> Result<(), String> {
        let tables = self.door.log().tables();
        for (id, (operation, _)) in &tables.operations {
            if operation.stage != self.laws.stage(*id) {
                return Err(format!("a row says {:?}, the events {:?}", operation.stage, self.laws.stage(*id)));
            }
            let overdue = operation
                .requested
                .as_ref()
                .is_some_and(|asked| at(self.seconds) > asked.deadline + chrono::TimeDelta::seconds(600));
            if overdue && operation.stage.is_some_and(|stage| !stage.is_final()) {
                return Err("an operation outlives its deadline".into());
            }
        }
        for (environment, owner) in &tables.owners {
            if *owner != self.laws.owner(*environment) {
                return Err(format!(
                    "a row says that {owner:?} owns, the events say {:?}",
                    self.laws.owner(*environment)
                ));
            }
        }
        drop(tables);
        self.judge_leases()?;
        for n in 0..ENVIRONMENTS {
            let environment = environment(n);
            for edge in &mut self.edges {
                let served = edge.served.get(&environment).copied().unwrap_or_default();
                let before = edge.highest.entry(environment).or_default();
                if served < *before {
                    return Err(format!("an edge went back from {before} to {served}"));
                }
                *before = served;
                let owner = edge.route(environment).and_then(|route| route.owner.as_ref());
                if let (Some(owner), Some(picked)) = (owner, edge.pick(environment))
                    && (picked.deployment != owner.deployment || picked.environment != environment)
                {
                    return Err("an edge routes to what does not own the traffic".into());
                }
                let picks = edge.pick(environment).is_some();
                if picks && edge.route(environment).is_some_and(|route| route.region != edge.region) {
                    return Err("an edge serves what it knows to be served elsewhere".into());
                }
            }
        }
        Ok(())
    }
}
