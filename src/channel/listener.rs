//! Where processes find the launcher: a Unix socket in a directory of our own.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::drain::Draining;
use super::{feed, wire};
use crate::ui::Explain;

/// What a socket's address can hold, its final zero left out.
const LONGEST_PATH: usize = 107;
const PREFIX: &str = "otel-rs-";
const SOCKET: &str = "socket";

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// Neither of the usual places can be used.
    #[error("cannot make a directory for the channel in {}", tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(" or "))]
    NoDirectory { tried: Vec<PathBuf>, source: std::io::Error },
    /// The socket could not be made.
    #[error("cannot listen on `{}`", path.display())]
    Listen { path: PathBuf, source: std::io::Error },
    /// The draining thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

impl Explain for ChannelError {
    fn hint(&self) -> Option<String> {
        match self {
            ChannelError::NoDirectory { .. } => Some("set XDG_RUNTIME_DIR to a directory that can be written".into()),
            ChannelError::Listen { .. } | ChannelError::Thread(_) => None,
        }
    }
}

/// A channel that listens, and whose messages wait until they are drained.
#[derive(Debug)]
pub(crate) struct Channel {
    directory: tempfile::TempDir,
    listener: UnixListener,
}

impl Channel {
    /// Starts to listen in `runtime_directory` (a user's own, if there is one) or `/tmp`.
    pub(crate) fn open(runtime_directory: Option<&Path>) -> Result<Channel, ChannelError> {
        let places: Vec<PathBuf> = runtime_directory
            .filter(|place| place.is_absolute() && place.as_os_str().len() < LONGEST_PATH - 40)
            .map(Path::to_owned)
            .into_iter()
            .chain([PathBuf::from("/tmp")])
            .collect();
        let mut last = None;
        for place in &places {
            sweep(place);
            let made = tempfile::Builder::new()
                .prefix(&format!("{PREFIX}{}-", std::process::id()))
                .permissions(std::fs::Permissions::from_mode(0o700))
                .tempdir_in(place);
            match made {
                Ok(directory) => return Channel::listen(directory),
                Err(error) => last = Some(error),
            }
        }
        let source = last.unwrap_or_else(|| std::io::ErrorKind::NotFound.into());
        Err(ChannelError::NoDirectory { tried: places, source })
    }

    fn listen(directory: tempfile::TempDir) -> Result<Channel, ChannelError> {
        let path = directory.path().join(SOCKET);
        UnixListener::bind(&path)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map(|listener| Channel { directory, listener })
            .map_err(|source| ChannelError::Listen { path, source })
    }

    /// The value of [`wire::CHANNEL_VARIABLE`]: settings for the hooks, and where we listen.
    pub(crate) fn variable(&self, settings: &str) -> OsString {
        let mut text = OsString::from(wire::SETTINGS_PREFIX);
        text.push(format!("{settings};{}=", wire::settings::SOCKET));
        text.push(self.directory.path().join(SOCKET));
        text
    }

    /// Starts the draining thread. The program may have been started before: what it sent waits.
    pub(crate) fn drain(self, sender: feed::Sender) -> Result<Draining, ChannelError> {
        Draining::start(self.listener, self.directory, sender).map_err(ChannelError::Thread)
    }
}

/// Removes the directories of launchers that were killed. A pid alone does not tell: `/tmp` may be shared with other PID
/// namespaces. A socket that refuses to connect has no listener in any of them.
fn sweep(place: &Path) {
    let ours = nix::unistd::geteuid().as_raw();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.as_bytes().strip_prefix(PREFIX.as_bytes()).and_then(|rest| {
            let digits = rest.split(|byte| *byte == b'-').next()?;
            std::str::from_utf8(digits).ok()?.parse::<i32>().ok()
        });
        let Some(pid) = pid else { continue };
        let own = entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == ours);
        let dead = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) == Err(nix::Error::ESRCH);
        if own && dead && refuses(&entry.path().join(SOCKET)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn refuses(socket: &Path) -> bool {
    UnixStream::connect(socket).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_launchers_directory_is_swept_and_a_living_ones_is_not() {
        let place = tempfile::tempdir().unwrap();
        let living = Channel::open(Some(place.path())).unwrap();
        // No process has the highest number, and nobody listens on a socket whose listener was dropped.
        let dead = place.path().join("otel-rs-4194304-abcdef");
        std::fs::create_dir(&dead).unwrap();
        drop(UnixListener::bind(dead.join(SOCKET)).unwrap());
        sweep(place.path());
        assert!(!dead.exists());
        assert!(living.directory.path().exists());
    }

    #[test]
    fn the_variable_ends_with_the_path_of_the_socket() {
        let place = tempfile::Builder::new().prefix("a;b=c").tempdir().unwrap();
        let channel = Channel::open(Some(place.path())).unwrap();
        let text = channel.variable("sampler=always_on").into_string().unwrap();
        let (settings, socket) = text.split_once("socket=").unwrap();
        assert_eq!(settings, "v1;sampler=always_on;");
        assert!(Path::new(socket).starts_with(place.path()) && Path::new(socket).exists());
    }

    #[test]
    fn nobody_else_can_look_into_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let channel = Channel::open(Some(place.path())).unwrap();
        assert_eq!(channel.directory.path().metadata().unwrap().mode() & 0o777, 0o700);
    }
}
