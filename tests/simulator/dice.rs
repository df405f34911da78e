//! Chance from a seed, and the trace it leaves: the same seed throws the same dice and gives the same hash.

use rhone_domain::digest::Digest;

/// `SplitMix64`: small, and good enough to choose what happens next.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.throw() % n as u64).expect("below a usize")
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What happened, as one digest.
pub(crate) struct Trace(Digest);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(Digest::ZERO)
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.0 = Digest::of(&[&self.0.0, text.as_bytes()]);
    }

    pub(crate) fn digest(&self) -> Digest {
        self.0
    }
}
