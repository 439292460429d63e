//! Numbers that look random and are the same on every machine: splitmix64.

/// The generator; everything follows from its seed.
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for every pair of numbers.
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = Rng(seed);
        rng.0 = rng.next() ^ stream.wrapping_mul(0xD134_2543_DE82_EF95);
        rng
    }

    /// 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(n)) >> 64)
            .expect("the product's upper half fits")
    }

    /// An index below `n`.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("below a usize")
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the list, all alike.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }

    /// One of the list, by the weights in front.
    pub fn weighted<'a, T>(&mut self, list: &'a [(u64, T)]) -> &'a T {
        let mut at = self.below(list.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in list {
            if at < *weight {
                return item;
            }
            at -= weight;
        }
        unreachable!("at is below the sum of the weights")
    }

    /// A number from 1 with a heavy tail: twice as large, half as often, up to 2^`levels`.
    pub fn heavy(&mut self, levels: u32) -> u64 {
        let level = self.next().trailing_zeros().min(levels - 1);
        (1 << level) + self.below(1 << level)
    }
}
