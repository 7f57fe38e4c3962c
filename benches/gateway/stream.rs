//! An upstream that streams: every event in a write of its own, the way a model's tokens come.

use std::io::{BufRead, BufReader, Read, Result, Write, copy, sink};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::servers::Server;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const EVENT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
                     \"delta\":{\"type\":\"text_delta\",\"text\":\"some words of an answer \"}}\n\n";
const EVENTS: usize = 19;
const LAST: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Serves from threads of this program until it ends.
pub(crate) fn serve() -> core::result::Result<Server, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| format!("cannot listen: {why}"))?;
    let address = listener.local_addr().map_err(|why| format!("cannot listen: {why}"))?;
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            // It ends when the other side closes, with or without an error.
            thread::spawn(move || drop(answer(&connection)));
        }
    });
    Ok(Server { address, process: None })
}

fn answer(connection: &TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut writer = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        copy(&mut reader.by_ref().take(length), &mut sink())?;
        writer.write_all(HEAD.as_bytes())?;
        for _ in 0..EVENTS {
            write_chunk(writer, EVENT, "")?;
        }
        write_chunk(writer, LAST, "0\r\n\r\n")?;
    }
}

fn write_chunk(mut writer: &TcpStream, data: &str, end: &str) -> Result<()> {
    writer.write_all(format!("{:x}\r\n{data}\r\n{end}", data.len()).as_bytes())
}
