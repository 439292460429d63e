//! Tokens: what a form carries, so that no other site's form is taken for ours; and random texts.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

/// Of a random text.
pub(super) const BYTES: usize = 32;

/// A random text that nobody guesses, of letters, digits, `-` and `_`.
pub(super) fn random() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random_bytes())
}

/// The system's random bytes. Without them nothing here is safe, so their want is a panic; Linux
/// has them since before it starts any service.
fn random_bytes() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let mut done = 0;
    while done < BYTES {
        match getrandom(&mut bytes[done..], GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the system has no random numbers: {error}"),
        }
    }
    bytes
}

/// What tokens are made with; another one at each start.
#[derive(Clone)]
pub(in crate::page) struct Secret([u8; BYTES]);

/// Without it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn new() -> Secret {
        Secret(random_bytes())
    }

    /// What forms carry that are shown to the one who has this cookie and is called so.
    pub(super) fn token(&self, cookie: &str, name: &str) -> String {
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(Sha256::digest(cookie))
            .chain_update(Sha256::digest(name))
            .finalize();
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    }
}

/// Compares two texts. How long that takes tells nothing of them: their hashes are compared.
pub(super) fn are_equal(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_cookie_and_one_name() {
        let (secret, other) = (Secret::new(), Secret::new());
        let token = secret.token("cookie", "anna");
        assert_eq!(token, secret.token("cookie", "anna"));
        for not in [
            secret.token("cookie", "bert"),
            secret.token("other", "anna"),
            secret.token("cookiea", "nna"),
            other.token("cookie", "anna"),
        ] {
            assert!(!are_equal(&token, &not));
        }
        assert_ne!(random(), random());
        assert_eq!(random().len(), 43);
    }
}
