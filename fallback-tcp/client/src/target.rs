//! Where replicas are.

use paxon_fastpath::ReplicaId;
use std::fmt;
use std::path::{Path, PathBuf};

/// A replica and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    replica: ReplicaId,
    route: Route,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Unix(PathBuf),
    Tcp,
}

impl Target {
    /// A replica of this host, at the unix socket where it serves its clients.
    pub fn unix(replica: ReplicaId, socket: impl Into<PathBuf>) -> Self {
        Self { replica, route: Route::Unix(socket.into()) }
    }

    /// A replica at the address that the roster of the client's identity gives it.
    pub const fn tcp(replica: ReplicaId) -> Self {
        Self { replica, route: Route::Tcp }
    }

    /// Which replica.
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// The unix socket; `None` over TCP.
    pub fn socket(&self) -> Option<&Path> {
        match &self.route {
            Route::Unix(path) => Some(path),
            Route::Tcp => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::Unix(path) => write!(f, "replica {} at {}", self.replica.0, path.display()),
            Route::Tcp => write!(f, "replica {} over TCP", self.replica.0),
        }
    }
}
