//! Chance: numbers that look random and are the same on every machine and in every version:
//! splitmix64.

/// A stream of numbers that follows from where it begins.
pub(super) struct Chance(u64);

impl Chance {
    /// The stream of a place, which the numbers name: the seed, a day, a receiver, ….
    pub(super) fn of(place: &[u64]) -> Chance {
        let mut chance = Chance(0);
        for &number in place {
            chance.0 = chance.next() ^ number.wrapping_mul(0xD134_2543_DE82_EF95);
        }
        chance
    }

    /// 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if that is none.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next().checked_rem(n).unwrap_or(0)
    }

    /// About a ten-thousandth of `n`, a fifth more or less; of what is below one, one at times.
    pub(super) fn about(&mut self, n: u64) -> u64 {
        let n = n * (80 + self.below(41)) / 100;
        n / 10_000 + u64::from(self.below(10_000) < n % 10_000)
    }
}
