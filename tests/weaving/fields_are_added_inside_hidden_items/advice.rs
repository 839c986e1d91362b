pub(crate) struct State;
