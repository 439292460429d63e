//! A mail that is cut off anywhere says so: nobody takes half of one for all of it while it is
//! being written.

use std::slice;

use crate::{
    left_out::{another, good, ids, read},
    support::mail::{attachment, base64, gzip, mail, multipart, part},
};

#[test]
fn half_a_mail_never_passes_for_a_whole_one() {
    let packed = gzip(another().as_bytes());
    let attached = attachment("application/gzip", "a.gz", &packed);
    let both = [part("text/xml", &good()), attached.clone()];
    let both = multipart("multipart/mixed", "=_b", &both);
    let within = multipart("multipart/mixed", "=_c", slice::from_ref(&both));
    let front = both.replacen("--=_b\n", &format!("{}\n--=_b\n", base64(&packed)), 1);
    for text in [part("text/xml", &good()), attached, both, within, front] {
        let whole = mail(&text);
        let all = read(&whole);
        assert_eq!((all.complaint(), all.breaks_off), (None, false));
        for end in (0..whole.len()).step_by(7) {
            let half = read(&whole[..end]);
            let is_told = half.complaint().is_some() || half.breaks_off;
            let left = String::from_utf8_lossy(&whole[..end]);
            assert!(is_told || ids(&half) == ids(&all), "{left}");
        }
    }
}
