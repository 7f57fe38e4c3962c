//! What reaches the wire. Real sockets, real time.

use std::io::ErrorKind;
use std::time::Duration;

use claude_sim::{Fault, Server, Simulator};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{right, right_events};
use crate::support::{TestResult, body};

async fn ask(server: &Server, stream: bool) -> TcpStream {
    let asked = body(&json!({"stream": stream})).to_string();
    let mut socket = TcpStream::connect(server.local_addr()).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nanthropic-version: 2026-10-21\r\n\
         content-length: {}\r\n\r\n",
        claude_sim::DEFAULT_KEY,
        asked.len()
    );
    socket.write_all(format!("{head}{asked}").as_bytes()).await.unwrap();
    socket
}

/// All that comes until the connection ends, and how it ends.
async fn read(mut socket: TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut seen = Vec::new();
    let ended = socket.read_to_end(&mut seen).await;
    (seen, ended.err().map(|error| error.kind()))
}

/// Up to the empty line, and what comes after it.
fn split(response: &[u8]) -> (String, &[u8]) {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(response[..end].to_vec()).unwrap(), &response[end..])
}

/// The content of as many chunks as there are, and whether the last one is the end.
fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (content, bytes == b"0\r\n\r\n");
        }
        content.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 4 + size..];
    }
    (content, false)
}

async fn served(fault: Fault) -> (Simulator, Server) {
    let simulator = Simulator::new();
    simulator.fail_with([fault]);
    let server = simulator.serve("127.0.0.1:0").await.unwrap();
    (simulator, server)
}

const RESET: Option<ErrorKind> = Some(ErrorKind::ConnectionReset);

#[tokio::test]
async fn resets_before_the_head() -> TestResult {
    for fault in
        [Fault::refuse(), Fault::reset_before_headers(), Fault::reset_before_headers().after_execution()]
    {
        let (simulator, server) = served(fault).await;
        assert_eq!(read(ask(&server, true).await).await, (vec![], RESET));
        server.shutdown().await;
        assert_eq!(simulator.in_flight(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn resets_after_the_head() -> TestResult {
    for stream in [false, true] {
        let (_, server) = served(Fault::reset_after_headers()).await;
        let (seen, error) = read(ask(&server, stream).await).await;
        assert_eq!(error, RESET);
        let (head, rest) = split(&seen);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && rest.is_empty(), "{head}");
        assert_eq!(head.contains("content-length: "), !stream);
    }
    Ok(())
}

#[tokio::test]
async fn resets_inside_an_event() -> TestResult {
    let events = right_events().await;
    for n in [1, 3, 5] {
        let (_, server) = served(Fault::reset_mid_event(n)).await;
        let (seen, error) = read(ask(&server, true).await).await;
        assert_eq!(error, RESET);
        let n = n as usize;
        let half = &events[n - 1][..events[n - 1].len() / 2];
        let expected = [&events[..n - 1].concat(), half].concat();
        assert_eq!(dechunk(split(&seen).1), (expected, false));
    }
    let whole = right(&json!({})).await;
    let (_, server) = served(Fault::reset_mid_event(1)).await;
    let (seen, error) = read(ask(&server, false).await).await;
    assert_eq!((split(&seen).1, error), (&whole[..whole.len() / 2], RESET));
    Ok(())
}

#[tokio::test]
async fn lengths_that_are_too_large() -> TestResult {
    for stream in [false, true] {
        let whole = right(&json!({"stream": stream})).await;
        let (_, server) = served(Fault::wrong_length(7)).await;
        let (seen, error) = read(ask(&server, stream).await).await;
        let (head, rest) = split(&seen);
        assert!(head.contains(&format!("content-length: {}\r\n", whole.len() + 7)), "{head}");
        assert_eq!((rest, error), (&whole[..], None), "in good order, and too short");
    }
    Ok(())
}

#[tokio::test]
async fn lengths_that_are_too_small() -> TestResult {
    for stream in [false, true] {
        let whole = right(&json!({"stream": stream})).await;
        for off in [7, whole.len()] {
            let (simulator, server) = served(Fault::wrong_length(-(off as i64))).await;
            let (seen, error) = read(ask(&server, stream).await).await;
            let (head, rest) = split(&seen);
            assert!(head.contains(&format!("content-length: {}\r\n", whole.len() - off)), "{head}");
            assert!(!head.contains("connection: close"), "{head}");
            assert_eq!((rest, error), (&whole[..], None), "the rest comes after the end");
            server.shutdown().await;
            assert_eq!((simulator.in_flight(), simulator.bill().len()), (0, 1));
        }
    }
    Ok(())
}

#[tokio::test]
async fn damage_in_good_order() -> TestResult {
    let events = right_events().await;
    for fault in [Fault::no_message_stop(), Fault::cut_randomly(), Fault::error_event("api_error")] {
        let (_, server) = served(fault.clone()).await;
        let mut socket = ask(&server, true).await;
        socket.shutdown().await?;
        let (seen, error) = read(socket).await;
        let (content, ended) = dechunk(split(&seen).1);
        assert!(ended && error.is_none(), "{fault}");
        assert!(content.starts_with(&events[0]));
    }
    Ok(())
}

#[tokio::test]
async fn every_status() -> TestResult {
    let simulator = Simulator::new();
    let server = simulator.serve("127.0.0.1:0").await?;
    for status in
        [400, 401, 402, 403, 404, 408, 409, 412, 413, 422, 429, 431, 499, 500, 501, 502, 503, 504, 529]
    {
        for body in ["", " body=html", " body=empty"] {
            simulator.fail_with([format!("status={status}{body}").parse()?]);
            let mut socket = ask(&server, true).await;
            socket.shutdown().await?;
            let (seen, error) = read(socket).await;
            let (head, rest) = split(&seen);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", rest.len())), "{head}");
            assert_eq!(error, None);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_socket_that_is_closed_and_opened_again() -> TestResult {
    let simulator = Simulator::new();
    let server = simulator.serve("127.0.0.1:0").await?;
    let mut idle = ask(&server, false).await;
    idle.read_exact(&mut [0; 12]).await?;
    for _ in 0..3 {
        server.refuse(true).await?;
        server.refuse(true).await?;
        let refused = TcpStream::connect(server.local_addr()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        server.refuse(false).await?;
        server.refuse(false).await?;
        let mut socket = ask(&server, false).await;
        socket.shutdown().await?;
        assert!(read(socket).await.0.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    // The connection that was idle has ended in good order.
    assert_eq!(read(idle).await.1, None);
    assert_eq!(simulator.arrived(), 4);
    Ok(())
}

#[tokio::test]
async fn connections_are_bounded() -> TestResult {
    let simulator = Simulator::builder().with_max_connections(1.try_into()?).build();
    simulator.fail_with([Fault::stall_headers(Duration::MAX)]);
    let server = simulator.serve("127.0.0.1:0").await?;
    let first = ask(&server, false).await;
    while simulator.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let second = ask(&server, false).await;
    tokio::task::yield_now().await;
    assert_eq!(simulator.arrived(), 1);
    drop(first);
    let mut second = second;
    second.read_exact(&mut [0; 12]).await?;
    assert_eq!((simulator.arrived(), simulator.max_in_flight()), (2, 1));
    Ok(())
}

#[tokio::test]
async fn what_stands_still_does_not_hold_up_the_end() -> TestResult {
    for fault in [Fault::stall_headers(Duration::MAX), Fault::stall_between_events(1, Duration::MAX)] {
        let (simulator, server) = served(fault).await;
        let socket = ask(&server, true).await;
        while simulator.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        server.shutdown_within(Duration::from_millis(50)).await;
        assert_eq!(simulator.in_flight(), 0);
        read(socket).await;
        let (simulator, server) = served(Fault::stall_headers(Duration::MAX)).await;
        let socket = ask(&server, true).await;
        while simulator.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        drop(server);
        read(socket).await;
        assert_eq!(simulator.in_flight(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_while_it_stands_still() -> TestResult {
    let (simulator, server) = served(Fault::stall_headers(Duration::MAX)).await;
    let socket = ask(&server, true).await;
    while simulator.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    drop(socket);
    while simulator.in_flight() == 1 {
        tokio::task::yield_now().await;
    }
    server.shutdown().await;
    Ok(())
}
