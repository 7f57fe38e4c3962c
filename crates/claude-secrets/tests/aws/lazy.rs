//! A handle that does nothing until it must, and what its clones share.

use std::task::{Context, Waker};
use std::time::Duration;

use claude_secrets::source::{Aws, SecretSource, SourceErrorKind};

use crate::emulator::{Emulator, free};
use crate::link::Link;
use crate::{LONG, aws, config, failure, key, log};

#[test]
fn a_handle_needs_no_runtime_and_no_server() {
    let aws =
        Aws::new().with_region("eu-central-1").with_profile("prod").with_timeout(Duration::from_secs(1));
    let source = aws.secret("prod/claude").with_field("api_key").with_stage("AWSCURRENT");
    assert_eq!(source.id(), "aws:prod/claude@AWSCURRENT#api_key");
    let shown = format!("{source:?}");
    assert!(shown.contains("eu-central-1") && shown.contains("prod"), "{shown}");
    is_shared(&aws);
    is_shared(&source);
}

fn is_shared<T: Send + Sync + Clone>(_: &T) {}

#[test]
fn debug_of_a_configuration_shows_no_credentials() {
    let shown = format!("{:?}", Aws::from_config(config(free())));
    assert!(shown.contains("us-east-1"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_key_in_place_of_a_name_is_neither_sent_nor_shown() {
    let aws = aws(free());
    for source in [
        aws.secret("sk-ant-name-canary"),
        aws.secret("name").with_stage("sk-ant-stage-canary"),
        aws.secret("name").with_version_id("sk-ant-version-canary"),
    ] {
        let (kind, detail) = failure(&source).await;
        assert_eq!((kind, &*detail), (SourceErrorKind::Misconfigured, "a key was given in place of a name"));
        assert!(!source.id().contains("canary"));
    }
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_server_may_come_go_and_come_back() {
    let address = free();
    let source = aws(address).secret("prod/claude");
    let (kind, detail) = failure(&source).await;
    assert_eq!(kind, SourceErrorKind::Unavailable, "{detail}");

    let ministack = Emulator::ministack_at(address).await;
    ministack.create("prod/claude", "sk-ant-first-canary").await;
    assert_eq!(key(&source).await, "sk-ant-first-canary");

    drop(ministack);
    assert_eq!(failure(&source).await.0, SourceErrorKind::Unavailable);

    let ministack = Emulator::ministack_at(address).await;
    ministack.create("prod/claude", "sk-ant-second-canary").await;
    assert_eq!(key(&source).await, "sk-ant-second-canary");
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn what_stalls_is_given_up_in_time() {
    let ministack = Emulator::ministack().await;
    ministack.create("prod/claude", "sk-ant-slow-canary").await;
    let link = Link::to(ministack.address).await;
    let aws = aws(link.address);
    link.stall(true);
    let hasty = aws.clone().with_timeout(Duration::from_millis(200)).secret("prod/claude");
    let (kind, detail) = failure(&hasty).await;
    assert_eq!((kind, &*detail), (SourceErrorKind::TimedOut, "no answer within 200ms"));
    assert_eq!(failure(&hasty).await.0, SourceErrorKind::TimedOut);
    link.stall(false);
    assert_eq!(key(&aws.secret("prod/claude")).await, "sk-ant-slow-canary");
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_dropped_fetch_spoils_nothing() {
    let ministack = Emulator::ministack().await;
    ministack.create("prod/claude", "sk-ant-dropped-canary").await;
    let link = Link::to(ministack.address).await;
    link.stall(true);
    let source = aws(link.address).secret("prod/claude");
    // Dropped before it was begun, while the client is made, and at each step after.
    drop(source.fetch());
    for polls in 1..40 {
        let mut fetch = source.fetch();
        for _ in 0..polls {
            assert!(fetch.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            tokio::task::yield_now().await;
        }
    }
    link.stall(false);
    assert_eq!(key(&source).await, "sk-ant-dropped-canary");
}

#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn sources_of_one_handle_share_its_connection() {
    let ministack = Emulator::ministack().await;
    ministack.create("one", "sk-ant-one-canary").await;
    ministack.create("two", "sk-ant-two-canary").await;
    let link = Link::to(ministack.address).await;
    let aws = aws(link.address);
    let (one, two) = (aws.secret("one"), aws.clone().with_timeout(LONG).secret("two"));
    assert_eq!(key(&one).await, "sk-ant-one-canary");
    assert_eq!(key(&two).await, "sk-ant-two-canary");
    assert_eq!(key(&one.clone()).await, "sk-ant-one-canary");
    assert_eq!(link.connections(), 1);

    // One client is made, however many ask for it first.
    let link = Link::to(ministack.address).await;
    let aws = crate::aws(link.address);
    let (one, two) = (aws.secret("one"), aws.secret("two"));
    let (one, two) = tokio::join!(key(&one), key(&two));
    assert_eq!((&*one, &*two), ("sk-ant-one-canary", "sk-ant-two-canary"));

    // Another region is another client.
    let other = aws.with_region("eu-west-1");
    let before = link.connections();
    assert_eq!(failure(&other.secret("one")).await.0, SourceErrorKind::NotFound);
    assert_eq!(link.connections(), before + 1);
}

#[tokio::test]
async fn a_tls_endpoint_that_speaks_none_is_unavailable() {
    log::begin();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closing = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let aws = Aws::from_config(config(address)).with_timeout(LONG);
    let aws = aws.with_endpoint(&format!("https://{address}")).unwrap();
    let (kind, detail) = failure(&aws.secret("prod/claude")).await;
    assert_eq!(kind, SourceErrorKind::Unavailable, "{detail}");
    closing.abort();
}
