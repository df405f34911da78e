//! A tailing projection over the simulated log: one sentence per event, rows and checkpoint moved together. Its reader may die
//! in the middle of a batch.

use crate::{
    sins::{Sin, committed},
    world::{Door, now},
};
use rhone_eventstore::{Bell, Position, Recorded, Tail};
use rhone_projections::sentence;

/// What one reader has written.
#[derive(Default)]
pub(crate) struct Reader {
    rows: Vec<(Position, String)>,
    checkpoint: Position,
}

fn row(event: &Recorded) -> (Position, String) {
    (event.position, sentence::of(&event.envelope.event_type, &event.payload.to_value()))
}

impl Reader {
    /// Takes in what is new; one that dies leaves neither rows nor checkpoint behind.
    pub(crate) fn poll(&mut self, door: &Door, dies: bool) {
        let tail = Tail::new(door.log().clone(), self.checkpoint, 50, &Bell::default());
        let batch = now(tail.poll()).expect("a log in memory can be read");
        let Some(last) = batch.last().map(|event| event.position) else { return };
        if committed(Sin::CheckpointFirst) {
            self.checkpoint = last;
        }
        if dies {
            return;
        }
        self.rows.extend(batch.iter().map(row));
        self.checkpoint = last;
        self.poll(door, false);
    }

    /// Whether a reader that begins from zero writes the same.
    pub(crate) fn agrees_with_a_rebuild(&self, door: &Door) -> Result<(), String> {
        let mut fresh = Self::default();
        fresh.poll(door, false);
        if fresh.rows == self.rows { Ok(()) } else { Err("a rebuilt read model has other rows".into()) }
    }
}
