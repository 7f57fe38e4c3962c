//! What neither emulator can be made to say.

use std::env;
use std::process::Command;

use aws_sdk_secretsmanager::Client;
use claude_secrets::source::SourceErrorKind::{
    self, Denied, Malformed, Misconfigured, NotFound, Unavailable,
};

use crate::http::{NOW, Says, Server};
use crate::{aws, config, failure, key, log};

fn error(status: u16, code: &str) -> Says {
    Says::Answer(status, format!(r#"{{"__type":"{code}","Message":"it is sk-ant-words-canary"}}"#))
}

fn answer(key: &str) -> Says {
    Says::Answer(
        200,
        format!(r#"{{"VersionId":"v-1","SecretString":"{key}","CreatedDate":{}}}"#, NOW - 1_000_000),
    )
}

async fn refused(says: impl Into<Vec<Says>>) -> (SourceErrorKind, String, usize) {
    let server = Server::says(says).await;
    let (kind, detail) = failure(&aws(server.address).secret("prod/claude")).await;
    (kind, detail, server.seen().len())
}

#[tokio::test]
async fn refusals_are_named_by_their_codes() {
    for (status, code, kind) in [
        (400, "AccessDeniedException", Denied),
        (400, "com.amazonaws.secretsmanager#AccessDeniedException", Denied),
        (400, "UnrecognizedClientException", Denied),
        (400, "InvalidSignatureException", Denied),
        (400, "DecryptionFailure", Denied),
        (400, "ResourceNotFoundException", NotFound),
        (400, "InvalidParameterException", Misconfigured),
        (404, "UnknownOperationException", Misconfigured),
    ] {
        let (found, detail, asked) = refused([error(status, code)]).await;
        assert_eq!(found, kind, "{code}: {detail}");
        let name = code.rsplit('#').next().unwrap();
        assert!(detail.ends_with(&format!("({name}, status {status}, request req-7)")), "{detail}");
        assert_eq!(asked, 1, "{code}: asking again is of no use");
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_twice_and_no_more() {
    for (status, code) in [
        (400, "ThrottlingException"),
        (429, "TooManyRequestsException"),
        (500, "InternalServiceError"),
        (503, "no name"),
    ] {
        let (kind, detail, asked) = refused([error(status, code)]).await;
        assert_eq!((kind, asked), (Unavailable, 2), "{code}: {detail}");
        let server = Server::says([error(status, code), answer("sk-ant-second-canary")]).await;
        assert_eq!(key(&aws(server.address).secret("prod/claude")).await, "sk-ant-second-canary");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_malformed_and_not_quoted() {
    for body in [
        "",
        "sk-ant-bare-canary",
        "<html>sk-ant-page-canary</html>",
        r#"["sk-ant-list-canary"]"#,
        r#"{"SecretString":{"sk-ant-object-canary":1}}"#,
        r#"{"SecretString":"sk-ant-cut-canary"#,
        r#"{"ARN":["sk-ant-arn-canary"],"CreatedDate":"sk-ant-date-canary","SecretString":7}"#,
    ] {
        let (kind, detail, asked) = refused([Says::Answer(200, body.to_owned())]).await;
        assert_eq!((kind, asked), (Malformed, 1), "{body}: {detail}");
    }
    for (status, kind) in [(400, Malformed), (403, Denied), (404, Misconfigured), (500, Unavailable)] {
        let (found, detail, _) =
            refused([Says::Answer(status, r#"["sk-ant-list-canary"]"#.to_owned())]).await;
        assert_eq!(found, kind, "{status}: {detail}");
        assert!(detail.contains("(no code, "), "{detail}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    for status in [200, 400] {
        let endless = Says::Endless(status, "sk-ant-endless-canary".repeat(1000));
        let (kind, detail, asked) = refused([endless]).await;
        assert_eq!((kind, asked), (Malformed, 1));
        assert_eq!(detail, "the answer is longer than 512 KiB");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let cut = Says::Cut(r#"{"SecretString":"sk-ant-cut-canary"#.to_owned());
    let (kind, detail, asked) = refused([cut.clone()]).await;
    assert_eq!((kind, asked), (Unavailable, 2), "{detail}");
    let server = Server::says([cut, answer("sk-ant-whole-canary")]).await;
    assert_eq!(key(&aws(server.address).secret("prod/claude")).await, "sk-ant-whole-canary");
}

const CHILD: &str = "CLAUDE_TOWER_TEST_SDK_LOGS";
const BODIES: &str = "LOG_SENSITIVE_BODIES";

/// With the variable that makes the SDK log bodies and without it, each in a process of its own.
#[tokio::test]
async fn a_key_is_kept_from_the_logs_of_the_sdk() {
    for bodies in ["true", "false"] {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "refusals::where_the_sdk_logs_a_key_we_do_not", "--nocapture"]);
        command.env(BODIES, bodies).env(CHILD, "1");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        // A name that matches no test is a success too.
        assert!(said.contains("result: hidden"), "{said}");
    }
}

/// The child.
#[tokio::test]
async fn where_the_sdk_logs_a_key_we_do_not() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let wrong = Says::Answer(200, r#"{"CreatedDate":"sk-ant-date-canary"}"#.to_owned());
    let mut said = vec![wrong, error(400, "AccessDeniedException")];
    if env::var(BODIES).is_ok_and(|bodies| bodies == "true") {
        said.push(answer("sk-ant-logged-canary"));
    }
    for says in said {
        let server = Server::says([says]).await;
        let source = aws(server.address).secret("prod/claude");
        // Fails this test if it is in the log.
        drop(crate::fetch(&source).await);

        // And this is what would be there, had the SDK the answer in hand.
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = config(server.address).into_builder().http_client(http).build();
        drop(Client::new(&config).get_secret_value().secret_id("prod/claude").send().await);
        assert!(log::shows("canary"), "the SDK has learnt to hide it");
        log::forget();
    }
    println!("result: hidden");
}
