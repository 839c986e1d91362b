//! What a compilation warns of.

use std::io;
use std::path::PathBuf;

use semver::Version;

use crate::layers::LayerError;
use crate::ui::Explain;

/// A crate that is not woven in this build, or will not be in the next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileWarning {
    /// The crate of this call was compiled as it is.
    #[error("cannot weave `{name}` {version}, compiling it as it is")]
    NotWoven {
        /// Its package.
        name: String,
        /// The package's version.
        version: Version,
        /// The file with all of the compiler's messages, if the compiler failed.
        log: Option<PathBuf>,
        /// Why.
        source: NotWoven,
    },
    /// A dependent failed against woven crates, which will be plain in the next build.
    #[error("`{name}` {version} does not compile against woven crates: {}", crates.join(", "))]
    Suspected {
        /// The dependent's package.
        name: String,
        /// The package's version.
        version: Version,
        /// The woven crates.
        crates: Vec<String>,
    },
    /// A dependent compiles against plain crates only.
    #[error("`{name}` {version} compiles against plain crates only: {}", crates.join(", "))]
    Confirmed {
        /// The dependent's package.
        name: String,
        /// The package's version.
        version: Version,
        /// The crates that stay plain.
        crates: Vec<String>,
    },
    /// Functions of the user's own that do not compile woven.
    #[error("cannot make spans of {}: {reason}", quoted(functions))]
    FunctionsLeftOut {
        /// Their paths.
        functions: Vec<String>,
        /// The beginning of the compiler's first message.
        reason: String,
    },
    /// Calls of the user's own that start threads and do not compile woven.
    #[error("cannot carry contexts into the threads that are started at {}: {reason}", quoted(places))]
    ThreadsLeftOut {
        /// Their files and lines.
        places: Vec<String>,
        /// The beginning of the compiler's first message.
        reason: String,
    },
    /// A crate of the user's own does not compile woven.
    #[error("cannot weave functions of `{name}`, compiling it as it is: {reason}")]
    OwnCrateLeftOut {
        /// Its name.
        name: String,
        /// The beginning of the compiler's first message.
        reason: String,
    },
    /// A suspicion has ended, and these crates will be woven in the next build.
    #[error("these crates are plain in this build because of an earlier failure: {}", .0.join(", "))]
    Cleared(Vec<String>),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Explain for CompileWarning {
    fn hint(&self) -> Option<String> {
        Some(match self {
            CompileWarning::NotWoven { log: Some(log), .. } => {
                format!("all of the compiler's messages are in {}", log.display())
            }
            CompileWarning::NotWoven { name, .. } => format!("run `otel-rs diff {name}`"),
            CompileWarning::Suspected { .. } => {
                "build again: they are compiled plain then, which shows whether weaving is the cause".to_owned()
            }
            CompileWarning::Confirmed { .. } => "they stay plain from now on; please report it".to_owned(),
            CompileWarning::FunctionsLeftOut { .. } => {
                "they are compiled as they are, the others are spans; please report it".to_owned()
            }
            CompileWarning::ThreadsLeftOut { .. } => {
                "these calls are compiled as they are; please report it".to_owned()
            }
            CompileWarning::OwnCrateLeftOut { .. } => {
                "choose fewer functions with `otel-rs bootstrap --span`; please report it".to_owned()
            }
            CompileWarning::Cleared(_) => "build again: they are woven then".to_owned(),
        })
    }
}

/// Why a crate was not compiled woven.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWoven {
    /// A rule missed, or the layer could not be written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The hooks could not be compiled or written.
    #[error(transparent)]
    Hooks(#[from] io::Error),
    /// The compiler failed.
    #[error("{first}")]
    Compiler {
        /// The beginning of its first message.
        first: String,
        /// All of its messages.
        messages: String,
        /// The layer's digest.
        layer: String,
    },
}
