pub(super) fn check_all(
    _: &crate::cli::CheckFlags,
    _: &mut super::finding::Findings,
) -> Result<(), crate::exit::Failure> {
    Ok(())
}
