pub(crate) fn before() {}
