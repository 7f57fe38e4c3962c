//! gzip.

use std::io::Read;

use claude_sim::Simulator;
use flate2::read::GzDecoder;
use flate2::write::GzDecoder as Inflate;
use http::HeaderValue;
use http_body_util::BodyExt;
use serde_json::json;
use std::io::Write;
use tower::ServiceExt;

use crate::support::{Answer, ask, send};

async fn accepting(accept: &'static str, stream: bool) -> Answer {
    let mut request = ask(&json!({"stream": stream}));
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static(accept));
    send(&Simulator::new(), request).await
}

fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn gzip_is_for_those_who_accept_it() {
    for stream in [false, true] {
        let plain = send(&Simulator::new(), ask(&json!({"stream": stream}))).await;
        for accept in ["gzip", "br, gzip;q=0.5", "*"] {
            let coded = accepting(accept, stream).await;
            assert_eq!(coded.header("content-encoding"), "gzip");
            assert_eq!(coded.header("vary"), "Accept-Encoding");
            assert_eq!(gunzip(&coded.body), plain.body);
            assert_eq!(coded.headers.contains_key("content-length"), !stream);
        }
        for accept in ["", "identity", "br", "gzip;q=0", "gzip;q=0, *"] {
            let answer = accepting(accept, stream).await;
            assert!(answer.headers.get("content-encoding").is_none(), "{accept}");
            assert_eq!(answer.body, plain.body);
        }
    }
}

#[tokio::test]
async fn every_event_can_be_read_when_it_comes() {
    let mut request = ask(&json!({"stream": true}));
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let mut body = Simulator::new().oneshot(request).await.unwrap().into_body();
    let mut inflate = Inflate::new(Vec::new());
    let mut events = 0;
    while let Some(frame) = body.frame().await {
        inflate.write_all(&frame.unwrap().into_data().unwrap()).unwrap();
        inflate.flush().unwrap();
        events += 1;
        let seen = inflate.get_ref();
        assert!(seen.ends_with(b"\n\n"), "{:?}", String::from_utf8_lossy(seen));
        assert_eq!(seen.windows(2).filter(|two| two == b"\n\n").count(), events);
    }
    assert!(events > 5);
}
