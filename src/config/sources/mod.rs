//! Where a configuration comes from.
//!
//! The flags and the environment each yield texts of variables (`texts`), which [`Settings`] reads by precedence and
//! `variables` makes a configuration of. A configuration file yields one by itself (`file`): it replaces both. Which of
//! them counts is decided by `resolve`.

pub(super) mod file;
mod proxies;
mod settings;
pub(super) mod texts;
pub(super) mod variables;

pub(super) use proxies::Proxies;
pub(super) use settings::Settings;
pub(super) use texts::VariableTexts;
