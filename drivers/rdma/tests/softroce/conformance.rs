//! The conformance suite of fabrics, on verbs.

use crate::cluster::Cluster;

paxon_conformance::conformance!(Cluster);
paxon_conformance::conformance_threaded!(Cluster);
