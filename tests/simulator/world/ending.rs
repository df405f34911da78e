//! How a life ends: the faults stop, and then nothing may be left open, and no copy may say anything else than the log. The trap
//! avoided: a world that is only ever looked at while it is in trouble.

use super::{ENVIRONMENTS, World};
use crate::edge::Edge;
use rhone_domain::{operation, route_owner::RouteOwner};
use rhone_tests::rules::environment;

impl World {
    /// Faults end; everything must come to its definite end, and every copy to the truth.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.calm_down()?;
        while !self.paused.is_empty() {
            self.resume();
            self.judge()?;
        }
        let open = self.open_operations();
        if open > 0 {
            return Err(format!("{open} operations never end"));
        }
        let open = self.laws.open_bindings();
        if open > 0 {
            return Err(format!("{open} bindings are neither proven nor failed nor gone"));
        }
        for n in 0..ENVIRONMENTS {
            let wanted = self.laws.epoch(environment(n));
            let told = self.load::<RouteOwner>(environment(n).0).state.0.told().collect::<Vec<_>>();
            let held = |edge: &Edge| edge.route(environment(n)).map_or(0, |route| route.epoch.0);
            if self.edges.iter().filter(|edge| told.contains(&edge.region)).any(|edge| held(edge) != wanted) {
                return Err(format!("an edge does not hold epoch {wanted}"));
            }
        }
        self.reader.poll(&self.door, false);
        self.reader.agrees_with_a_rebuild(&self.door)
    }

    pub(super) fn calm_down(&mut self) -> Result<(), String> {
        self.calm = true;
        self.fleet.heal();
        self.edges.iter_mut().for_each(Edge::empty);
        for _ in 0..400 {
            for worker in 0..2 {
                self.work_as(worker);
                self.judge()?;
            }
            self.runner();
            self.scheduler();
            self.confirm_upgrades();
            self.repair();
            self.pass(1);
            self.judge()?;
            if self.open_operations() == 0 && self.reports.is_empty() {
                break;
            }
        }
        self.repair();
        self.judge()?;
        Ok(())
    }

    fn open_operations(&self) -> usize {
        let tables = self.door.log().tables();
        tables.operations.values().filter(|(one, _)| !one.stage.is_some_and(operation::Stage::is_final)).count()
    }
}
