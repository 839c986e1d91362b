pub(crate) fn first() {}

pub(crate) fn second() {}
