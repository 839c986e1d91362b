pub(crate) struct Guard;

pub(crate) fn begin() -> Guard {
    Guard
}
