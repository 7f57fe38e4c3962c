//! On loopback. Real sockets, real time, no sleeps.

use bytes::Bytes;
use claude_sim::{MAX_REQUEST_BYTES, Reply, Server, Simulator};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::checker::{assemble, events};
use crate::support::{TestResult, ask, body, send};

async fn connect(server: &Server) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn hosted(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    request
}

async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn the_bytes_are_those_of_the_service_in_process() -> TestResult {
    let served = Simulator::new();
    let server = served.serve("127.0.0.1:0").await?;
    assert_eq!(server.base_url(), format!("http://{}", server.local_addr()));
    let in_process = Simulator::new();
    let mut connection = connect(&server).await;
    for fields in [json!({}), json!({"stream": true}), json!({"model": "nobody"})] {
        let response = connection.send_request(hosted(ask(&fields))).await?;
        let expected = send(&in_process, ask(&fields)).await;
        assert_eq!(response.status(), expected.status);
        for (name, value) in &expected.headers {
            assert_eq!(response.headers().get(name), Some(value));
        }
        assert_eq!(read(response).await, expected.body);
    }
    drop(connection);
    server.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_request_may_dribble_in() -> TestResult {
    let simulator = Simulator::new();
    let server = simulator.serve("127.0.0.1:0").await?;
    let sent = body(&json!({"stream": true})).to_string();
    let mut socket = TcpStream::connect(server.local_addr()).await?;
    socket.set_nodelay(true)?;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         anthropic-version: 2026-10-21\r\ntransfer-encoding: chunked\r\n\r\n",
        claude_sim::DEFAULT_KEY
    );
    for byte in head.as_bytes() {
        socket.write_all(&[*byte]).await?;
    }
    for byte in sent.as_bytes() {
        socket.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).await?;
    }
    socket.write_all(b"0\r\n\r\n").await?;
    let mut response = String::new();
    socket.read_to_string(&mut response).await?;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("transfer-encoding: chunked\r\n"));
    assert!(response.contains("event: message_stop"));
    assert_eq!(simulator.requests()[0].body, sent);
    Ok(())
}

#[tokio::test]
async fn too_large_a_body_gets_its_413_also_if_all_of_it_is_written_first() -> TestResult {
    let simulator = Simulator::new();
    let server = simulator.serve("127.0.0.1:0").await?;
    let length = MAX_REQUEST_BYTES + (8 << 20);
    let mut socket = TcpStream::connect(server.local_addr()).await?;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&vec![b' '; length]).await?;
    let mut response = String::new();
    socket.read_to_string(&mut response).await?;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains(r#"{"type":"error","error":{"type":"request_too_large","#), "{response}");
    Ok(())
}

#[tokio::test]
async fn many_at_once() -> TestResult {
    let simulator = Simulator::builder().with_reply(Reply::of_length(20_000).ignoring_max_tokens()).build();
    let server = simulator.serve("127.0.0.1:0").await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut connection = connect(&server).await;
        tasks.spawn(async move {
            for _ in 0..5 {
                let response = connection.send_request(hosted(ask(&json!({"stream": true})))).await.unwrap();
                let events = events(&read(response).await).unwrap();
                assemble(&events).unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    assert_eq!((simulator.arrived(), simulator.in_flight()), (100, 0));
    Ok(())
}

#[tokio::test]
async fn shutdown_lets_a_response_end() -> TestResult {
    // More than sockets hold, so that the response cannot have been sent when the server is told to stop.
    let simulator = Simulator::builder().with_reply(Reply::of_length(24 << 20).ignoring_max_tokens()).build();
    let server = simulator.serve("127.0.0.1:0").await?;
    let addr = server.local_addr();
    let mut connection = connect(&server).await;
    let response = connection.send_request(hosted(ask(&json!({})))).await?;
    let shutdown = tokio::spawn(server.shutdown());
    let mut body = response.into_body();
    let first = body.frame().await.unwrap()?.into_data().unwrap();
    assert!(!shutdown.is_finished());
    let rest = body.collect().await?.to_bytes();
    assert!(first.len() + rest.len() > 24 << 20);
    shutdown.await?;
    assert!(TcpStream::connect(addr).await.is_err());
    assert_eq!(simulator.in_flight(), 0);
    Ok(())
}

#[tokio::test]
async fn dropping_the_server_cuts_everything() -> TestResult {
    let simulator = Simulator::builder().with_reply(Reply::of_length(24 << 20).ignoring_max_tokens()).build();
    let server = simulator.serve("127.0.0.1:0").await?;
    let addr = server.local_addr();
    let mut idle = TcpStream::connect(addr).await?;
    let mut connection = connect(&server).await;
    let response = connection.send_request(hosted(ask(&json!({})))).await?;
    drop(server);
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
    response.into_body().collect().await.unwrap_err();
    assert!(TcpStream::connect(addr).await.is_err());
    assert_eq!(simulator.in_flight(), 0);
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle() -> TestResult {
    let simulator = Simulator::builder().with_reply(Reply::of_length(24 << 20).ignoring_max_tokens()).build();
    let server = simulator.serve("127.0.0.1:0").await?;
    let mut connection = connect(&server).await;
    let response = connection.send_request(hosted(ask(&json!({"stream": true})))).await?;
    let mut body = response.into_body();
    body.frame().await.unwrap()?;
    assert_eq!(simulator.in_flight(), 1);
    drop((body, connection));
    // Its connection has ended when the server has nothing more to wait for.
    server.shutdown().await;
    assert_eq!(simulator.in_flight(), 0);
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_taken() -> TestResult {
    let simulator = Simulator::new();
    let server = simulator.serve("127.0.0.1:0").await?;
    simulator.serve(server.local_addr()).await.unwrap_err();
    Ok(())
}
