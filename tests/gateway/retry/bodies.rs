//! Only a request that is in memory can be sent again, and only so much is.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::support::gateway::{self, Gateway};
use crate::support::upstream::Upstream;
use crate::support::wire::{Framing, Peer, chunked, random};

const OVERLOADED: &str = "HTTP/1.1 529 Overloaded\r\ncontent-length: 0\r\n\r\n";
const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const CAP: usize = 100_000;

/// An upstream that fails once, and the gateway before it.
struct Path {
    upstream: Upstream,
    _gateway: Gateway,
    caller: Peer,
    rng: Rng,
}

impl Path {
    async fn start(cap: Option<usize>) -> Self {
        let upstream = Upstream::start().await;
        let mut command = gateway::repeating(&upstream.url());
        if let Some(cap) = cap {
            command.env("CLAUDE_TOWER__GATEWAY__MAX_BUFFERED_REQUEST", cap.to_string());
        }
        let gateway = Gateway::start(&mut command).await;
        let caller = Peer::connect(gateway.address).await;
        Self { upstream, _gateway: gateway, caller, rng: Rng::with_seed(21) }
    }

    /// Sends a request whose first attempt fails, and says how many attempts there were.
    async fn attempts(&mut self, target: &str, length: usize, is_chunked: bool) -> usize {
        let what = format!("{target}, {length} bytes, chunked: {is_chunked}");
        let body = random(length, &mut self.rng);
        let mut wire = format!("POST {target} HTTP/1.1\r\nhost: x\r\n");
        let sent = if is_chunked {
            wire.push_str("transfer-encoding: chunked\r\n\r\n");
            chunked(&body, &[], &mut self.rng)
        } else {
            write!(wire, "content-length: {length}\r\n\r\n").unwrap();
            body.clone()
        };
        let wire = [wire.as_bytes(), &sent].concat();
        let sending = self.caller.send_in_pieces(&wire, &mut self.rng);
        let ((), (mut first, arrived)) = tokio::join!(sending, self.upstream.whole_request());
        assert!(arrived.whole() == body, "{what}: the first attempt");
        first.peer.send(OVERLOADED).await;
        self.upstream.keep(first.peer);
        tokio::select! {
            head = self.caller.answer("POST") => {
                assert_eq!((head.status(), head.get("x-should-retry")), (529, Some("false")), "{what}");
                1
            }
            (mut second, arrived) = self.upstream.whole_request() => {
                assert!(arrived.whole() == body, "{what}: the second attempt");
                assert_eq!(Framing::of_request(&second.head), Framing::of_request(&first.head), "{what}");
                second.peer.send(FINE).await;
                self.upstream.keep(second.peer);
                assert_eq!(self.caller.answer("POST").await.status(), 200, "{what}");
                assert_eq!(self.caller.rest().await.whole(), b"{}");
                2
            }
        }
    }
}

#[tokio::test]
async fn up_to_the_cap_it_is_repeated_byte_for_byte() {
    let mut path = Path::start(Some(CAP)).await;
    for is_chunked in [false, true] {
        for length in [0, 1, 1_000, 8_192, 65_536, CAP - 1, CAP] {
            assert_eq!(path.attempts("/v1/messages", length, is_chunked).await, 2, "{length}");
        }
        for length in [CAP + 1, 2 * CAP, 50 * CAP] {
            assert_eq!(path.attempts("/v1/messages", length, is_chunked).await, 1, "{length}");
        }
    }
}

/// The largest that the API takes.
#[tokio::test]
async fn unless_something_else_is_said_the_cap_is_32_mib() {
    let mut path = Path::start(None).await;
    assert_eq!(path.attempts("/v1/messages", 32 << 20, true).await, 2);
    assert_eq!(path.attempts("/v1/messages", (32 << 20) + 1, false).await, 1);
}

#[tokio::test]
async fn files_are_never_kept_and_nothing_is_if_nothing_is_to_be() {
    let mut path = Path::start(None).await;
    for target in ["/v1/files", "/v1/files/", "/v1/skills", "/v1/skills/skill_1/versions", "/base/v1/files"] {
        for is_chunked in [false, true] {
            assert_eq!(path.attempts(target, 1_000, is_chunked).await, 1, "{target}");
        }
        assert_eq!(path.attempts(target, 0, false).await, 2, "{target}: there is nothing to keep");
    }
    for target in ["/v1/messages/count_tokens", "/v1/messages/batches", "/v1/complete", "/v2/unheard-of"] {
        assert_eq!(path.attempts(target, 1_000, true).await, 2, "{target}");
    }
    let mut path = Path::start(Some(0)).await;
    for is_chunked in [false, true] {
        assert_eq!(path.attempts("/v1/messages", 1_000, is_chunked).await, 1);
    }
    assert_eq!(path.attempts("/v1/messages", 0, false).await, 2);
}
