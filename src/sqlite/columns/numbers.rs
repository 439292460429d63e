//! Numbers: integers in as few bytes as they need (LEB128).

/// Appends a number, seven bits a byte.
pub(super) fn write(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends a difference, small ones of either sign in few bytes.
pub(super) fn write_signed(number: i64, out: &mut Vec<u8>) {
    write((number << 1 ^ number >> 63).cast_unsigned(), out);
}

/// Reads numbers one behind the other.
pub(super) struct Numbers<'b>(pub(super) &'b [u8]);

/// The bytes are not what the writer wrote.
#[derive(Debug, thiserror::Error)]
#[error("the columns of the store are broken")]
pub(crate) struct Broken;

impl Numbers<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next(&mut self) -> Result<u64, Broken> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Broken)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Broken)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Broken> {
        let number = self.next()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn size(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.next()?).map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let unsigned = [0, 1, 127, 128, 300, u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX, -86_400];
        let mut bytes = Vec::new();
        unsigned.iter().for_each(|number| write(*number, &mut bytes));
        signed.iter().for_each(|number| write_signed(*number, &mut bytes));
        let mut numbers = Numbers(&bytes);
        unsigned.iter().for_each(|number| assert_eq!(numbers.next().expect("there"), *number));
        signed.iter().for_each(|number| assert_eq!(numbers.signed().expect("there"), *number));
        assert!(numbers.is_empty());
        assert!(Numbers(&[0x80]).next().is_err());
        assert!(Numbers(&[0xff; 11]).next().is_err());
    }
}
