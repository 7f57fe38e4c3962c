//! One call from the first question to the last byte.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use claude_wire::Body;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use crate::inner::{Answer, Inner};
use crate::request;

/// Makes a call, and shows each frame of the answer.
pub(crate) type Call = Box<dyn FnMut(Request<Body>, &mut dyn FnMut(&Bytes))>;

/// Who polls.
pub(crate) enum Driver {
    /// Nothing has to be waited for: by hand, so that no runtime is in the time.
    AtOnce,
    /// A runtime whose clock stands still and jumps over every wait.
    Runtime(Arc<Runtime>),
}

impl Driver {
    pub(crate) fn in_runtime() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        Self::Runtime(Arc::new(runtime.expect("a runtime without sockets")))
    }

    pub(crate) fn drive<S, R, B>(&self, mut service: S) -> Call
    where
        S: Service<R, Response = Response<B>> + 'static,
        R: From<Request<Body>>,
        B: HttpBody<Data = Bytes>,
    {
        let own = self.handle();
        Box::new(move |request, frame| {
            own.run(async {
                let response = called(&mut service, R::from(request)).await;
                drained(response, frame).await;
            });
        })
    }

    /// What a retry comes to if nobody else has to write it: a copy, a call, a wait, a call.
    pub(crate) fn by_hand(&self, mut service: Inner, has_failed: fn(&Response<Answer>) -> bool) -> Call {
        let own = self.handle();
        Box::new(move |request, frame| {
            own.run(async {
                let copy = request::copy(&request).expect("the body is in memory");
                let mut response = called(&mut service, request).await;
                if has_failed(&response) {
                    drop(response);
                    tokio::time::sleep(Duration::from_nanos(1)).await;
                    response = called(&mut service, copy).await;
                }
                drained(response, frame).await;
            });
        })
    }

    fn handle(&self) -> Self {
        match self {
            Self::AtOnce => Self::AtOnce,
            Self::Runtime(runtime) => Self::Runtime(Arc::clone(runtime)),
        }
    }

    fn run(&self, call: impl Future<Output = ()>) {
        match self {
            Self::Runtime(runtime) => runtime.block_on(call),
            Self::AtOnce => {
                let polled = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(polled, Poll::Ready(()), "nothing here has to be waited for");
            }
        }
    }
}

async fn called<S, R>(service: &mut S, request: R) -> S::Response
where
    S: Service<R>,
{
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    assert!(ready.is_ok(), "the service is ready");
    let Ok(response) = service.call(request).await else { panic!("the service answers") };
    response
}

async fn drained<B>(response: Response<B>, frame: &mut dyn FnMut(&Bytes))
where
    B: HttpBody<Data = Bytes>,
{
    assert!(response.status().is_success(), "the answer is a good one");
    let mut body = pin!(response.into_body());
    while let Some(next) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(next) = next else { panic!("the body is whole") };
        next.data_ref().into_iter().for_each(&mut *frame);
    }
}
