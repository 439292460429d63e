pub(super) fn check(
    _: &crate::sink::opensearch::config::OpenSearchConfig,
    _: &mut super::finding::Findings,
) {
}
