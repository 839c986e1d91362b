//! The launcher's sockets: a Unix socket in a directory of our own, and one at an abstract address.
//!
//! A path exists in every network namespace, an abstract address in every root directory. Any user may reach both, since a
//! program may change its user. A process that sends the token is accepted.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::drain::Draining;
use super::feed;
use crate::ui::Explain;
use crate::wire;

/// What a socket's address can hold, its final zero left out.
const MAX_PATH: usize = 107;
/// Connections that may wait to be accepted: as many as a program's workers that start at once. The kernel may allow
/// fewer.
const BACKLOG: i32 = 4096;
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
    #[error("cannot start the draining thread")]
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

/// A channel that listens; its connections wait until they are drained.
#[derive(Debug)]
pub(crate) struct Channel {
    directory: tempfile::TempDir,
    listening: Listening,
}

/// The sockets of a channel, and its token.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The second one, at the abstract address, may be missing.
    listeners: Vec<UnixListener>,
    token: Token,
}

/// The directory of a channel that another process drains; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct ChannelDirectory {
    _directory: tempfile::TempDir,
}

/// The secret that a process sends to be accepted.
pub(super) type Token = [u8; wire::TOKEN_SIZE];

impl Channel {
    /// Starts to listen in `runtime_directory` (a user's own, if there is one) or `/tmp`.
    pub(crate) fn open(runtime_directory: Option<&Path>) -> Result<Channel, ChannelError> {
        let places: Vec<PathBuf> = runtime_directory
            .filter(|place| place.is_absolute() && place.as_os_str().len() < MAX_PATH - 40)
            .map(Path::to_owned)
            .into_iter()
            .chain([PathBuf::from("/tmp")])
            .collect();
        let mut last = None;
        for place in &places {
            sweep(place);
            let made = tempfile::Builder::new()
                .prefix(&format!("{PREFIX}{}-", std::process::id()))
                .permissions(std::fs::Permissions::from_mode(0o711))
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
        Channel::try_listen(directory, &path).map_err(|source| ChannelError::Listen { path, source })
    }

    fn try_listen(directory: tempfile::TempDir, path: &Path) -> std::io::Result<Channel> {
        let mut token = Token::default();
        std::fs::File::open("/dev/urandom")?.read_exact(&mut token)?;
        let listener = ready(UnixListener::bind(path)?)?;
        // A mode that is set explicitly does not depend on the umask. Other users cannot list the directory.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let address = SocketAddr::from_abstract_name(path.as_os_str().as_bytes())?;
        let second = UnixListener::bind_addr(&address).and_then(ready).ok();
        let listeners = std::iter::once(listener).chain(second).collect();
        Ok(Channel { directory, listening: Listening { listeners, token } })
    }

    /// The value of [`wire::CHANNEL_VARIABLE`]: settings for the hooks, and the socket.
    pub(crate) fn variable(&self, settings: &str) -> OsString {
        let mut text = OsString::from(wire::SETTINGS_PREFIX);
        let token: String = self.listening.token.iter().map(|byte| format!("{byte:02x}")).collect();
        let (user, name) = (nix::unistd::geteuid(), wire::settings::LAUNCHER_USER);
        text.push(format!("{settings};{}={token};{name}={user};{}=", wire::settings::TOKEN, wire::settings::SOCKET));
        text.push(self.socket());
        text
    }

    /// The path of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }

    /// Separates the sockets, which are drained, from the directory.
    pub(crate) fn split(self) -> (Listening, ChannelDirectory) {
        (self.listening, ChannelDirectory { _directory: self.directory })
    }
}

impl Listening {
    /// Starts the draining thread. The program may have been started before: its connections wait.
    pub(crate) fn drain(self, sender: feed::Sender) -> Result<Draining, ChannelError> {
        Draining::start(self.listeners, self.token, sender).map_err(ChannelError::Thread)
    }
}

fn ready(listener: UnixListener) -> std::io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    #[expect(unsafe_code, reason = "std has a backlog of its own")]
    // SAFETY: takes numbers.
    unsafe {
        nix::libc::listen(listener.as_raw_fd(), BACKLOG)
    };
    Ok(listener)
}

/// Removes the directories of launchers that were killed. A missing pid is no proof, since `/tmp` may be shared with other
/// PID namespaces. A socket that refuses to connect has no listener in any of them.
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
        // No process has the highest pid, and a socket whose listener was dropped refuses connections.
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
        assert!(settings.starts_with("v1;sampler=always_on;token="), "{settings}");
        assert!(settings.ends_with(&format!(";launcher-user={};", nix::unistd::geteuid())), "{settings}");
        assert!(Path::new(socket).starts_with(place.path()) && Path::new(socket).exists());
    }

    #[test]
    fn others_may_connect_and_cannot_list_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let channel = Channel::open(Some(place.path())).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        let directory = channel.directory.path();
        assert_eq!((mode(directory), mode(&directory.join(SOCKET))), (0o711, 0o666));
        let address = SocketAddr::from_abstract_name(directory.join(SOCKET).as_os_str().as_bytes()).unwrap();
        UnixStream::connect_addr(&address).unwrap();
    }
}
