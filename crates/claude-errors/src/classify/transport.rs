//! Errors of services: a walk through the chain, for whatever is known there.
//!
//! An error's types say what happened; the mark of the attempt says whether anything was sent. Where they differ, the one
//! that knows that nothing was sent is right, and where neither knows, the request was perhaps executed.

use std::error::Error;
use std::io;
use std::sync::Arc;

use claude_wire::call::{Refusal, RefusalKind};

use super::{Classification, Retry};
use crate::kind::ErrorKind;

/// Chains end; one that is longer than this goes in a circle.
const MAX_CHAIN: usize = 64;

impl Classification {
    /// Judges an error of a service. `sent` is what the attempt's mark says
    /// ([`Attempt::is_sent`](claude_wire::call::Attempt::is_sent)), if there is one.
    ///
    /// An [`Error`](crate::Error) in the chain is judged already, and a [`Refusal`] comes before everything else.
    #[must_use]
    pub fn of_error(error: &(dyn Error + 'static), sent: Option<bool>) -> Self {
        if let Some(error) = crate::Error::find(error) {
            return error.classification().clone();
        }
        let (mut refusal, mut seen) = (None, Seen::default());
        walk(error, &mut |error| {
            refusal = refusal.or_else(|| error.downcast_ref::<Refusal>());
            seen.see(error);
        });
        match refusal {
            Some(refusal) => Self::of_refusal(refusal),
            None if seen.shed => Self::of_refusal(&shed()),
            None => seen.judge(sent),
        }
    }
}

/// Shows every error of a chain, outermost first: also what stands in an `io::Error`, which its `source` skips, and in an
/// `Arc` or a `Box` that is an error of its own.
pub(crate) fn walk<'a>(error: &'a (dyn Error + 'static), see: &mut dyn FnMut(&'a (dyn Error + 'static))) {
    let mut next = Some(error);
    for _ in 0..MAX_CHAIN {
        let Some(error) = next else { return };
        see(error);
        next = inner(error);
    }
}

/// What an error wraps or came from.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    // These give the source of their content as their own, and not their content.
    macro_rules! unwrap {
        ($($type:ty),+) => {$(
            if let Some(inner) = error.downcast_ref::<$type>() {
                return Some(&**inner);
            }
        )+};
    }
    unwrap!(Arc<dyn Error + Send + Sync>, Arc<io::Error>, Box<io::Error>, Arc<crate::Error>);
    unwrap!(Arc<Refusal>, Box<Refusal>);
    #[cfg(feature = "hyper")]
    unwrap!(Arc<hyper::Error>, Arc<hyper_util::client::legacy::Error>);
    #[cfg(feature = "reqwest")]
    unwrap!(Arc<reqwest::Error>);
    error.source()
}

/// tower's own refusal, in our words.
fn shed() -> Refusal {
    let kind = RefusalKind::Overloaded;
    let words = ErrorKind::Refused(kind).traits();
    Refusal::new(kind, words.code, words.message)
}

/// What a chain gives away, the strongest first.
#[derive(Default)]
struct Seen {
    /// `tower::load_shed` let nothing through.
    shed: bool,
    /// Made by this side: a URL without a host, a request body that failed.
    unsendable: Option<&'static str>,
    /// Before anything could be sent.
    not_sent: Option<&'static str>,
    /// While there was no connection yet, which says less than what is below it in the chain.
    connecting: bool,
    timed_out: Option<&'static str>,
    /// Sent, and no answer.
    lost: Option<&'static str>,
    /// The same, of a connection that failed in whatever way.
    broken: bool,
    /// An answer that is none.
    garbled: Option<&'static str>,
}

impl Seen {
    fn see(&mut self, error: &(dyn Error + 'static)) {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            self.see_io(error.kind());
        }
        if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
            self.timed_out.get_or_insert("timed out");
        }
        self.shed |= error.is::<tower::load_shed::error::Overloaded>();
        if error.is::<http::Error>() {
            self.unsendable.get_or_insert("no valid request");
        }
        #[cfg(feature = "hyper")]
        self.see_hyper(error);
        #[cfg(feature = "reqwest")]
        self.see_reqwest(error);
    }

    fn see_io(&mut self, kind: io::ErrorKind) {
        use io::ErrorKind::{
            AddrInUse, AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
            HostUnreachable, NetworkDown, NetworkUnreachable, NotConnected, TimedOut, UnexpectedEof,
        };
        match kind {
            ConnectionRefused => self.not_sent.get_or_insert("connection refused"),
            AddrInUse | AddrNotAvailable => self.not_sent.get_or_insert("no local address"),
            ConnectionReset => self.lost.get_or_insert("connection reset"),
            ConnectionAborted => self.lost.get_or_insert("connection aborted"),
            BrokenPipe => self.lost.get_or_insert("broken pipe"),
            NotConnected => self.lost.get_or_insert("not connected"),
            // Also of a connection that was there, when its route goes.
            HostUnreachable => self.lost.get_or_insert("host unreachable"),
            NetworkUnreachable => self.lost.get_or_insert("network unreachable"),
            NetworkDown => self.lost.get_or_insert("network down"),
            UnexpectedEof => self.lost.get_or_insert("unexpected end"),
            TimedOut => self.timed_out.get_or_insert("timed out"),
            _ => return,
        };
    }

    #[cfg(feature = "hyper")]
    fn see_hyper(&mut self, error: &(dyn Error + 'static)) {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            if error.is_connect() {
                self.connecting = true;
            } else if error.source().is_none() {
                // What the client refuses of itself: a URL without a host, a method or a version.
                self.unsendable.get_or_insert("no valid request");
            }
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_user() {
                self.unsendable.get_or_insert("request body or head failed");
            } else if error.is_canceled() || error.is_closed() {
                // hyper gives a request back in this way before it has written any of it.
                self.not_sent.get_or_insert("connection was closing");
            } else if error.is_timeout() {
                self.timed_out.get_or_insert("timed out");
            } else if error.is_incomplete_message() {
                self.lost.get_or_insert("closed before the answer");
            } else if error.is_body_write_aborted() {
                self.lost.get_or_insert("request body was cut");
            } else if error.is_parse() {
                self.garbled.get_or_insert("no HTTP");
            } else {
                // Such as an alert of TLS.
                self.broken |= error.source().is_some_and(<dyn Error>::is::<io::Error>);
            }
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            match error.reason() {
                // RFC 9113 §8.7: not processed.
                Some(h2::Reason::REFUSED_STREAM) => self.not_sent.get_or_insert("stream refused"),
                Some(h2::Reason::HTTP_1_1_REQUIRED) => self.not_sent.get_or_insert("HTTP/1.1 required"),
                Some(_) if error.is_go_away() => self.lost.get_or_insert("connection was closing"),
                Some(_) if error.is_reset() => self.lost.get_or_insert("stream reset"),
                _ => return,
            };
        }
    }

    #[cfg(feature = "reqwest")]
    fn see_reqwest(&mut self, error: &(dyn Error + 'static)) {
        let Some(error) = error.downcast_ref::<reqwest::Error>() else { return };
        if error.is_builder() {
            self.unsendable.get_or_insert("no valid request");
        }
        if error.is_connect() {
            self.connecting = true;
        }
        if error.is_timeout() {
            self.timed_out.get_or_insert("timed out");
        }
        if error.is_decode() || error.is_redirect() {
            self.garbled.get_or_insert("no HTTP");
        }
    }

    fn judge(self, sent: Option<bool>) -> Classification {
        let kind = |kind, cause, retry, maybe_executed| Classification {
            retry,
            maybe_executed,
            cause: Some(cause),
            ..Classification::new(kind)
        };
        // Types that tell that nothing was sent are exact. The mark may be early: over a service that hands
        // requests on later it is set at the call.
        let lost = self.lost.or(self.broken.then_some("connection failed"));
        let connecting = self.connecting.then(|| self.lost.unwrap_or("no connection"));
        let not_sent = self.not_sent.or(connecting);
        let unsent = not_sent.is_some() || sent == Some(false);
        if let Some(cause) = self.unsendable {
            // hyper says the same of a request body that failed, half of which no server executes, and of a
            // connection whose task is gone, which may have sent all.
            return kind(ErrorKind::UnsendableRequest, cause, Retry::No, !unsent);
        }
        if let Some(cause) = self.timed_out {
            return kind(ErrorKind::Timeout, cause, Retry::Yes, !unsent);
        }
        match (not_sent, lost, self.garbled) {
            (Some(cause), ..) => kind(ErrorKind::Connection, cause, Retry::Yes, false),
            (_, Some(cause), _) if unsent => kind(ErrorKind::Connection, cause, Retry::Yes, false),
            (_, Some(cause), _) => kind(ErrorKind::ConnectionLost, cause, Retry::Yes, true),
            (.., Some(cause)) => kind(ErrorKind::InvalidResponse, cause, Retry::No, true),
            _ => Classification { maybe_executed: !unsent, ..Classification::new(ErrorKind::Unknown) },
        }
    }
}
