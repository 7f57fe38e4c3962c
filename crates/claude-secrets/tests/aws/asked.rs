//! What is asked, and how often.

use std::time::Duration;

use crate::http::{NOW, Says, Server};
use crate::{aws, fetch, keys};

fn version(id: &str, created: u64) -> String {
    format!(r#"{{"VersionId":"{id}","SecretString":"sk-ant-{id}-canary","CreatedDate":{created}.0}}"#)
}

fn asks(seen: &[String], field: &str, value: &str) -> bool {
    let field = format!(r#""{field}":"{value}""#);
    seen.last().is_some_and(|body| body.contains(&field))
}

#[tokio::test]
async fn the_key_before_is_asked_for_while_the_version_is_young() {
    let hour = 60 * 60;
    let day = 24 * hour;
    for (age, overlap, asked) in [
        (day - 1, None, true),
        (day, None, false),
        (hour, Some(hour), false),
        (hour - 1, Some(hour), true),
        (0, Some(0), false),
        (365 * day, Some(u64::MAX), true),
    ] {
        let answers = [Says::Answer(200, version("new", NOW - age)), Says::Answer(200, version("old", 0))];
        let server = Server::says(answers).await;
        let mut source = aws(server.address).secret("prod/claude");
        if let Some(overlap) = overlap {
            source = source.with_overlap(Duration::from_secs(overlap));
        }
        let previous = asked.then(|| "sk-ant-old-canary".to_owned());
        assert_eq!(keys(&source).await, ("sk-ant-new-canary".to_owned(), previous), "{age} s");
        let seen = server.seen();
        assert!(
            seen[0].contains(r#""SecretId":"prod/claude""#) && !seen[0].contains("VersionStage"),
            "{seen:?}"
        );
        assert_eq!(seen.len(), 1 + usize::from(asked), "{age} s: {seen:?}");
        assert_eq!(asks(&seen, "VersionStage", "AWSPREVIOUS"), asked);
    }
}

#[tokio::test]
async fn where_the_server_names_no_time_the_key_before_is_asked_for() {
    let server =
        Server::says([Says::Dateless(version("new", 0)), Says::Answer(200, version("old", 0))]).await;
    let (_, previous) = keys(&aws(server.address).secret("prod/claude")).await;
    assert_eq!(previous.as_deref(), Some("sk-ant-old-canary"));
}

#[tokio::test]
async fn a_version_is_not_the_one_before_itself() {
    let server = Server::says([Says::Answer(200, version("same", NOW))]).await;
    let fetched = fetch(&aws(server.address).secret("prod/claude")).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    assert!(fetched.previous.is_none());
}

#[tokio::test]
async fn stage_and_version_are_asked_for_and_alone() {
    let server = Server::says([Says::Answer(200, version("new", NOW))]).await;
    let secret = aws(server.address).secret("prod/claude");
    keys(&secret.clone().with_stage("AWSPENDING")).await;
    assert!(asks(&server.seen(), "VersionStage", "AWSPENDING"));
    keys(&secret.clone().with_stage("AWSCURRENT")).await;
    keys(&secret.with_version_id("v-1")).await;
    assert!(asks(&server.seen(), "VersionId", "v-1"));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_key_before_that_does_not_come_is_not_waited_for_past_the_time_out() {
    let server = Server::says([Says::Answer(200, version("new", NOW)), Says::Nothing]).await;
    let aws = aws(server.address).with_timeout(Duration::from_secs(1));
    assert_eq!(keys(&aws.secret("prod/claude")).await, ("sk-ant-new-canary".to_owned(), None));
    assert_eq!(server.seen().len(), 2);
}

/// It ends after two seconds, though the handle would wait for a day.
#[tokio::test]
async fn a_key_before_is_not_waited_for_as_the_key_is() {
    let server = Server::says([Says::Answer(200, version("new", NOW)), Says::Nothing]).await;
    let aws = aws(server.address).with_timeout(Duration::from_secs(24 * 60 * 60));
    let source = aws.secret("prod/claude");
    let keys = tokio::time::timeout(Duration::from_secs(60), keys(&source)).await.unwrap();
    assert_eq!(keys, ("sk-ant-new-canary".to_owned(), None));
    assert_eq!(server.seen().len(), 2);
}
