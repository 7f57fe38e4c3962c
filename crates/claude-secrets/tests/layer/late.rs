//! Requests whose time is over before there is a key.

use claude_secrets::{SecretsError, SecretsErrorKind};
use claude_wire::call::{Deadline, Refusal, RefusalKind};
use tokio::time::Instant;

use crate::probe::{Client, ok, refused};
use crate::safe::Safe;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_fetch_is_waited_for_until_the_deadline_and_no_longer() {
    let safe = Safe::of(ONE).takes(secs(5));
    let client = Client::doing([ok()]);
    let layer = cold(&safe);
    let mut request = post();
    let begun = Instant::now();
    request.extensions_mut().insert(Deadline::after(begun.into_std(), secs(1)).unwrap());
    let error = send(&layer, &client, request).await.unwrap_err();
    assert_eq!(SecretsError::find(&*error).unwrap().kind(), &SecretsErrorKind::TooLate);
    assert_eq!(Refusal::find(&*error).unwrap().kind(), RefusalKind::DeadlineExceeded);
    assert_eq!((Instant::now() - begun, client.calls()), (secs(1), 0));
    // The fetch goes on for the next.
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert_eq!(safe.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_handed_on_when_there_is_no_time_for_another_key() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.close();
    let client = Client::doing([refused(), ok()]);
    let mut request = post();
    let begun = Instant::now();
    request.extensions_mut().insert(Deadline::after(begun.into_std(), secs(1)).unwrap());
    assert_eq!(send(&layer, &client, request).await.unwrap().status(), 401);
    assert_eq!((Instant::now() - begun, client.calls()), (secs(1), 1));
}
