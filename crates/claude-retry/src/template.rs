//! What is asked of a template: what it would cost to send it twice.

use claude_wire::Body;
use claude_wire::call::Template;
use claude_wire::facts::{Endpoint, RequestFacts, facts};
use http::{Method, Request, Uri};

/// Those that a layer above has read, or read now.
fn facts_of(template: &Template) -> RequestFacts {
    let mut request = Request::new(Body::from(template.body().clone()));
    *request.uri_mut() = template.uri().clone();
    if let Some(facts) = template.extensions().get::<RequestFacts>() {
        request.extensions_mut().insert(facts.clone());
    }
    facts(&mut request)
}

/// Whether being executed twice costs no more than a second answer.
pub(crate) fn costs_only_an_answer(template: &Template) -> bool {
    if template.method().is_idempotent() {
        return true;
    }
    match Endpoint::from_path(template.uri().path()) {
        Endpoint::Messages => {
            let facts = facts_of(template);
            // What goes on from a state finds that it has been gone on from already, and who knows what MCP servers do.
            !facts.is_stateful() && !facts.has_mcp_servers()
        }
        Endpoint::CountTokens | Endpoint::Complete => true,
        // Cancelling twice is cancelling; a batch that is created twice is paid twice.
        Endpoint::Batches => template.uri().path().trim_end_matches('/').ends_with("/cancel"),
        _ => false,
    }
}

/// `POST /v1/messages`
pub(crate) fn is_message(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && Endpoint::from_path(uri.path()) == Endpoint::Messages
}
