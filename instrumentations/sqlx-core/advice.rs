//! Nothing but the hooks' own functions is needed here; the spans are made by the drivers.
