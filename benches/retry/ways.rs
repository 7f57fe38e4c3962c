//! What is measured, and the ways to do it.

use std::time::Duration;

use claude_retry::Hold;
use http::Response;
use tower::Layer as _;

use crate::drive::{Call, Driver};
use crate::inner::{Answer, Inner, Script};
use crate::request::Template;
#[cfg(feature = "tower-resilience")]
use crate::tower_resilience;
use crate::{ours, tower_retry};

/// One situation that a retry finds itself in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Case {
    Small,
    Large,
    Extension,
    Failure,
    Stream,
}

pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) call: Call,
}

impl Case {
    pub(crate) const ALL: [Self; 5] =
        [Self::Small, Self::Large, Self::Extension, Self::Failure, Self::Stream];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "success, 1 KiB",
            Self::Large => "success, 64 KiB",
            Self::Extension => "success, 1 KiB and an extension",
            Self::Failure => "a 529 and a retry, 1 KiB",
            Self::Stream => "stream of 64 KiB, a frame for each event",
        }
    }

    pub(crate) fn template(self) -> Template {
        match self {
            Self::Small | Self::Failure => Template::new(1024, false),
            Self::Large => Template::new(64 * 1024, false),
            Self::Extension => Template::new(1024, false).with_caller(),
            Self::Stream => Template::new(1024, true),
        }
    }

    /// The service below, new.
    pub(crate) fn inner(self) -> Inner {
        Inner::new(match self {
            Self::Small | Self::Large | Self::Extension => Script::Message,
            Self::Failure => Script::OverloadedFirst,
            Self::Stream => Script::Stream,
        })
    }

    /// All over the same service. The least that could be done comes first.
    pub(crate) fn ways(self, inner: &Inner) -> Vec<Way> {
        let way = |name, call| Way { name, call };
        let driver = if self == Self::Failure { Driver::in_runtime() } else { Driver::AtOnce };
        let wait = if self == Self::Failure { Wait::None } else { Wait::Usual };
        let least = match self {
            Self::Failure => way("two calls by hand", driver.by_hand(inner.clone(), is_worth_another_try)),
            _ => way("bare", driver.drive(inner.clone())),
        };
        if self == Self::Stream {
            let unheld = ours::layer(wait).with_hold(Hold::off());
            return vec![
                least,
                way("ours, hold off", driver.drive(unheld.layer(inner.clone()))),
                way("ours, hold on", driver.drive(ours::layer(wait).layer(inner.clone()))),
            ];
        }
        vec![
            least,
            way("tower::retry", driver.drive(tower_retry::over(inner.clone(), wait))),
            #[cfg(feature = "tower-resilience")]
            way("tower-resilience", driver.drive(tower_resilience::over(inner.clone(), wait))),
            way("ours", driver.drive(ours::layer(wait).layer(inner.clone()))),
        ]
    }

    /// One of them, over a service of its own.
    pub(crate) fn way(self, name: &str) -> Way {
        let way = self.ways(&self.inner()).into_iter().find(|way| way.name == name);
        way.expect("a way of this case")
    }
}

/// How long a retry waits.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// As one would set it.
    Usual,
    /// As short as all of them take it, under a clock that jumps over it.
    None,
}

impl Wait {
    /// The first wait and the longest.
    pub(crate) const fn backoff(self) -> (Duration, Duration) {
        match self {
            Self::Usual => (Duration::from_millis(500), Duration::from_secs(8)),
            Self::None => (Duration::from_nanos(1), Duration::from_nanos(1)),
        }
    }
}

/// By status alone, as a user of a general retry judges.
pub(crate) fn is_worth_another_try(response: &Response<Answer>) -> bool {
    matches!(response.status().as_u16(), 408 | 409 | 429 | 500..)
}
