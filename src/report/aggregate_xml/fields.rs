//! Values of elements, and where they go: the first of those that should stand there once stays.

use crate::report::{Text, Unreadable, xml::Walker};

/// DKIM results, SPF results and override reasons kept of one record. Each DKIM result past the
/// first has index fields of its own, and RFC 9990 lets a reporter leave out what is beyond a
/// hundred.
const RESULTS_KEPT: usize = 100;

/// Reads the element just opened into `slot`. The first value of an element that should stand there
/// once stays.
pub(super) fn set(xml: &mut Walker, slot: &mut Option<Text>) -> Result<(), Unreadable> {
    let value = xml.optional()?;
    keep_first(xml, slot, value);
    Ok(())
}

/// [`set`] for a value from a fixed list.
pub(super) fn set_keyword(xml: &mut Walker, slot: &mut Option<Text>) -> Result<(), Unreadable> {
    let value = keyword(xml)?;
    keep_first(xml, slot, value);
    Ok(())
}

pub(super) fn keep_first<T: PartialEq>(xml: &mut Walker, slot: &mut Option<T>, value: Option<T>) {
    match (&slot, &value) {
        (None, _) => *slot = value,
        (Some(first), Some(another)) if first != another => xml.repairs.note("repeated-element"),
        (Some(_), _) => {}
    }
}

/// A value from a fixed list, in lower case as the RFCs have it.
fn keyword(xml: &mut Walker) -> Result<Option<Text>, Unreadable> {
    let mut value = xml.value()?;
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        xml.repairs.note("keyword-case");
        value = value.to_ascii_lowercase();
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Adds a result or reason that is not empty to those of a record, of which there is mostly one: a
/// `Vec` makes room for four at its first, which a report of 100,000 records would pay for with 60
/// MB.
pub(super) fn push<T: Default + PartialEq>(xml: &mut Walker, list: &mut Vec<T>, item: T) {
    if item == T::default() {
        return;
    }
    if list.len() >= RESULTS_KEPT {
        return xml.repairs.note("results-cut");
    }
    xml.pieces.keep();
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(item);
}
