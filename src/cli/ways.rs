//! How a replica reaches the others, as `paxon status` shows it.

use paxon::{FabricStatus, RdmaLink, RdmaStatus, Route, TcpStatus};
use serde_json::{Map, Value, json};

/// Routes, and the links of those over TCP or RDMA.
#[derive(Clone, Debug)]
pub struct Ways {
    pub routes: Vec<Route>,
    pub tcp: Option<TcpStatus>,
    pub rdma: Option<RdmaStatus>,
}

impl Ways {
    /// What the status of a replica says about them: `links`, one for each peer, and `tcp` or `rdma` if there is any.
    pub fn describe(&self) -> Map<String, Value> {
        let tcp = self.tcp.as_ref().map(TcpStatus::read);
        let verbs = self.rdma.as_ref().map(RdmaStatus::links).unwrap_or_default();
        let links = self.routes.iter().map(|route| with_verbs(link(route, tcp.as_ref()), route, &verbs)).collect();
        let mut details = Map::from_iter([("links".to_owned(), Value::Array(links))]);
        if let Some(tcp) = &tcp {
            details.insert("tcp".to_owned(), network(tcp));
        }
        if let Some(rdma) = &self.rdma {
            details.insert("rdma".to_owned(), json!({ "device": rdma.device() }));
        }
        details
    }
}

fn link(route: &Route, tcp: Option<&FabricStatus>) -> Value {
    let mut link = json!({ "replica": route.peer.0, "fabric": route.way.to_string(), "reason": route.reason });
    let found = tcp.and_then(|tcp| tcp.links.iter().find(|link| link.peer == route.peer));
    if let Some(found) = found {
        link["up"] = json!(found.up);
        link["for_ms"] = json!(found.since.elapsed().as_millis() as u64);
        link["address"] = json!(found.address);
        link["cipher"] = json!(found.cipher);
        link["round_trip_us"] = json!(found.round_trip.map(|time| time.as_micros() as u64));
        link["reconnects"] = json!(found.reconnects);
        link["problem"] = json!(found.problem);
    }
    link
}

fn with_verbs(mut link: Value, route: &Route, verbs: &[RdmaLink]) -> Value {
    if let Some(found) = verbs.iter().find(|found| found.peer == route.peer) {
        link["up"] = json!(found.up);
        link["for_ms"] = json!(found.since.elapsed().as_millis() as u64);
        link["reconnects"] = json!(found.reconnects);
        link["problem"] = json!(found.problem);
    }
    link
}

fn network(tcp: &FabricStatus) -> Value {
    let violations: Map<_, _> =
        tcp.violations.iter().map(|(violation, count)| (violation.to_string(), json!(count))).collect();
    let mut network = json!({
        "io": tcp.back_end.name,
        "io_reason": tcp.back_end.reason,
        "violations": violations,
    });
    if let Some(handshakes) = &tcp.handshakes {
        let refused: Map<_, _> =
            handshakes.refused.iter().map(|(reason, count)| (reason.to_string(), json!(count))).collect();
        network["connections"] = json!({
            "accepted": handshakes.accepted,
            "admitted": handshakes.admitted,
            "strangers": handshakes.strangers,
            "refused": refused,
        });
    }
    network
}
