//! What may have been executed although it failed: which calls are repeated all the same.

use claude_errors::Error;
use claude_retry::MaybeExecuted::{self, Leave, RepeatAll, RepeatAnswers};
use claude_retry::{GaveUp, Reason};
use claude_wire::Body;
use http::{Method, Request};

use crate::support::{Client, Deed, PROMPT, gave_up, io, ok, plain, send, status};

fn request(method: &Method, path: &str, body: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap()
}

/// Whether a call of this kind is repeated after this failure.
async fn is_repeated(option: MaybeExecuted, deed: &Deed, request: Request<Body>) -> bool {
    let client = Client::new([deed.clone(), ok()]);
    let layer = plain().with_maybe_executed(option);
    let said = match send(&layer, &client, request).await {
        Ok(response) => gave_up(&response),
        Err(error) => GaveUp::find(&*error),
    };
    let is_repeated = client.calls() == 2;
    let said = said.map(|said| (said.reason, said.attempts));
    assert_eq!(said, (!is_repeated).then_some((Reason::MaybeExecuted, 1)));
    is_repeated
}

fn perhaps() -> Vec<Deed> {
    let mut all: Vec<_> = [408, 500, 502, 503, 504, 520].map(status).into();
    all.extend([std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::TimedOut].map(io));
    all
}

fn surely_not() -> Vec<Deed> {
    let mut all: Vec<_> = [409, 429, 501, 529].map(status).into();
    all.push(status(400).saying(crate::support::coded("invalid_request_error", "request_body_timeout")));
    all.push(io(std::io::ErrorKind::ConnectionRefused));
    all.push(io(std::io::ErrorKind::ConnectionReset).marked(false));
    all.push(io(std::io::ErrorKind::TimedOut).marked(false));
    all
}

const MCP: &str = r#""mcp_servers":[{"type":"url","name":"calendar","url":"https://mcp.example"}]"#;
const SEARCH: &str = r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#;

/// One row for each thing that can be asked of the API: whether the worst of doing it twice is a second answer.
fn rows() -> Vec<(Method, &'static str, String, bool)> {
    let message = |more: &str| PROMPT.replacen('{', &format!("{{{more},"), 1);
    let (post, nothing) = (Method::POST, String::new);
    vec![
        (post.clone(), "/v1/messages", PROMPT.to_owned(), true),
        (post.clone(), "/base/v1/messages/", PROMPT.to_owned(), true),
        (post.clone(), "/v1/messages?beta=true", message(r#""stream":true"#), true),
        // Not to be understood here: the API will say so.
        (post.clone(), "/v1/messages", "no json".to_owned(), true),
        // What goes on from a state of the API's has moved it on.
        (post.clone(), "/v1/messages", message(r#""thread":{"id":"thread_1"}"#), false),
        (post.clone(), "/v1/messages", message(r#""container":"container_1""#), false),
        // A server that the request names may have done anything; a search has found something, and finds it again.
        (post.clone(), "/v1/messages", message(MCP), false),
        (post.clone(), "/base/v1/messages/?beta=true", message(&format!("{SEARCH},{MCP}")), false),
        (post.clone(), "/v1/messages", message(SEARCH), true),
        (post.clone(), "/v1/messages", message(r#""mcp_servers":[]"#), true),
        (post.clone(), "/v1/messages/count_tokens", message(MCP), true),
        (post.clone(), "/v1/messages/count_tokens", PROMPT.to_owned(), true),
        (post.clone(), "/v1/complete", PROMPT.to_owned(), true),
        // What is created twice is there twice, and a batch is paid twice.
        (post.clone(), "/v1/messages/batches", nothing(), false),
        (post.clone(), "/v1/messages/batches/msgbatch_1/cancel", nothing(), true),
        (post.clone(), "/v1/messages/batches/msgbatch_1/cancel/", nothing(), true),
        (post.clone(), "/v1/messages/batches/cancel_1", nothing(), false),
        (post.clone(), "/v1/files", nothing(), false),
        (post.clone(), "/v1/skills", nothing(), false),
        (post.clone(), "/v1/anything", nothing(), false),
        (post, "/", nothing(), false),
        (Method::PATCH, "/v1/files/file_1", nothing(), false),
        // Methods that are idempotent, wherever they go.
        (Method::GET, "/v1/models", nothing(), true),
        (Method::GET, "/v1/messages/batches/msgbatch_1/results", nothing(), true),
        (Method::HEAD, "/v1/models", nothing(), true),
        (Method::OPTIONS, "/v1/messages", nothing(), true),
        (Method::DELETE, "/v1/files/file_1", nothing(), true),
        (Method::PUT, "/v1/anything", nothing(), true),
    ]
}

#[tokio::test(start_paused = true)]
async fn by_what_was_asked() {
    for (method, path, body, only_an_answer) in rows() {
        for deed in perhaps() {
            let request = || request(&method, path, &body);
            let name = format!("{method} {path} {body}");
            assert_eq!(is_repeated(RepeatAnswers, &deed, request()).await, only_an_answer, "{name}");
            assert!(!is_repeated(Leave, &deed, request()).await, "{name}");
            assert!(is_repeated(RepeatAll, &deed, request()).await, "{name}");
        }
        for deed in surely_not() {
            for option in [Leave, RepeatAnswers, RepeatAll] {
                assert!(is_repeated(option, &deed, request(&method, path, &body)).await, "{method} {path}");
            }
        }
    }
    assert_eq!(MaybeExecuted::default(), RepeatAnswers);
}

/// The server's word that another attempt makes sense is no word that the first was not executed.
#[tokio::test(start_paused = true)]
async fn whatever_the_server_says() {
    let asked = status(500).header("x-should-retry", "true");
    let batch = || request(&Method::POST, "/v1/messages/batches", "");
    assert!(!is_repeated(RepeatAnswers, &asked, batch()).await);
    assert!(is_repeated(RepeatAll, &asked, batch()).await);
}

/// The last failure is judged, and what came before it is not forgotten by whoever judges the call.
#[tokio::test(start_paused = true)]
async fn it_is_told_of_each_attempt() {
    let (request, call) = crate::support::post_of_call();
    let client = Client::new([status(529), status(500), io(std::io::ErrorKind::ConnectionRefused)]);
    let error = send(&plain().with_max_retries(2), &client, request).await.unwrap_err();
    assert!(!Error::from_service(error, Some(true)).maybe_executed());
    let told: Vec<_> =
        call.attempts().iter().map(|attempt| attempt.outcome().unwrap().maybe_executed).collect();
    assert_eq!(told, [false, true, false]);
}
