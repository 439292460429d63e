//! Dense: sums by small numbers, of which few are met at a time.

use std::mem;

use crate::answers::capped_sum;

/// No sum gets so large.
const UNMET: u64 = u64::MAX;

/// Sums by numbers from 0 on.
#[derive(Debug)]
pub(super) struct Dense<const N: usize> {
    sums: Vec<[u64; N]>,
    met: Vec<u32>,
}

impl<const N: usize> Dense<N> {
    /// Of so many numbers.
    pub(super) fn new(numbers: usize) -> Dense<N> {
        Dense { sums: vec![[UNMET; N]; numbers], met: Vec::new() }
    }

    /// There may be so many numbers by now.
    pub(super) fn grow(&mut self, numbers: usize) {
        if self.sums.len() < numbers {
            self.sums.resize(numbers.next_power_of_two(), [UNMET; N]);
        }
    }

    /// Adds to the sums of a number; one that gets nothing but zeros is met, too.
    pub(super) fn add(&mut self, number: u32, more: [u64; N]) {
        let sums = &mut self.sums[number as usize];
        if sums[0] == UNMET {
            self.met.push(number);
            *sums = [0; N];
        }
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = capped_sum(*sum, more));
    }

    /// Those that were met, which are forgotten.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u32, [u64; N])> {
        let Dense { sums, met } = self;
        met.drain(..).map(|number| (number, mem::replace(&mut sums[number as usize], [UNMET; N])))
    }
}
