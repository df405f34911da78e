//! A worker that begins to look after a platform of many lanes, all of which it goes through once: how long one of them waits for
//! what it asks for meanwhile. One more allocation is planned by the scheduler, and the scale ends when it is ready.

use crate::seeded::Seeded;
use rhone_tests::figure::Printer;
use std::time::Instant;

pub(crate) async fn look_after(seeded: &mut Seeded, print: &Printer) {
    seeded.look_after();
    let begun = Instant::now();
    // One of the two was killed while nobody looked.
    seeded.served.scale(3).await;
    let name = "a worker begins, and one lane has lost one of two and wants three: until they are ready";
    print.figure(name, begun.elapsed().as_secs_f64() * 1_000.0, "ms", 1, None);
    let mut took = Vec::new();
    for replicas in 4..=6 {
        let begun = Instant::now();
        seeded.served.scale(replicas).await;
        took.push(begun.elapsed());
    }
    print.distribution("one more allocation while the worker goes through all lanes: until it is ready", took, None);
}
