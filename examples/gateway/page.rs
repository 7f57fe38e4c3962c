//! Pages in a browser that would call the gateway on its own keys, past whoever sits before it.

use std::net::IpAddr;

use axum::extract::Request;
use claude_tower::config::Config;
use claude_tower::wire::BoxError;
use claude_tower::wire::call::{Refusal, RefusalKind};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

/// What keeps them out where no client has to show who he is.
///
/// A browser tells by `Origin` that a page sends the request: that is refused. It is silent about it where the page seems to be
/// the gateway's own, which takes a name that leads here: so where only this machine reaches the gateway, the name in `Host` must be
/// `localhost` or a loopback address.
#[derive(Clone, Copy)]
pub(crate) struct NoPages {
    is_at_home: bool,
}

impl NoPages {
    /// `None` where there is a door, and where requests carry keys of their own, which no page has.
    pub(crate) fn new(Config { gateway, secrets, .. }: &Config) -> Option<Self> {
        let is_at_home = gateway.listen.ip().to_canonical().is_loopback();
        (gateway.clients.is_empty() && !secrets.keys.is_empty()).then_some(Self { is_at_home })
    }

    /// # Errors
    ///
    /// If a page may have sent this.
    pub(crate) fn check(self, request: &Request) -> Result<(), BoxError> {
        let headers = request.headers();
        if headers.contains_key(ORIGIN) {
            let message =
                "pages in a browser may not call this gateway: name clients, and give the page a token";
            return Err(refused("ORIGIN_OF_A_PAGE", message));
        }
        let names = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
        let mut names =
            names.chain(request.uri().authority().map(|authority| Some(authority.as_str()))).peekable();
        let is_ours = names.peek().is_some() && names.all(|name| name.is_some_and(is_this_machine));
        if self.is_at_home && !is_ours {
            let message = "this gateway is for this machine: call it as localhost or by a loopback address";
            return Err(refused("HOST_UNKNOWN", message));
        }
        Ok(())
    }
}

/// Whether the host of an authority is this machine to whoever wrote it; the port may be another's that leads here.
fn is_this_machine(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn refused(code: &'static str, message: &'static str) -> BoxError {
    Refusal::new(RefusalKind::NotPermitted, code, message).into()
}
