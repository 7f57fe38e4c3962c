//! An emulator of AWS Secrets Manager, spoken to without the SDK.

#![cfg(feature = "aws")]

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::within_limit;

/// It ends with this.
pub(crate) struct Ministack {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Ministack {
    pub(crate) async fn start() -> Self {
        let program = env::var_os("CLAUDE_TOWER_TEST_MINISTACK").expect("run by `cargo xtask test`");
        // It takes no port 0: one that was free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", address.port().to_string());
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut ministack = Self { address, process: command.spawn().unwrap() };
        let is_there = async {
            while TcpStream::connect(address).await.is_err() {
                assert!(ministack.process.try_wait().unwrap().is_none(), "it has ended");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within_limit(is_there).await;
        ministack
    }

    /// It wants the form of a signature, and does not look at it.
    pub(crate) async fn ask(&self, operation: &str, body: &Value) {
        let body = body.to_string();
        let request = format!(
            "POST / HTTP/1.0\r\nhost: {}\r\nx-amz-target: secretsmanager.{operation}\r\n\
             content-type: application/x-amz-json-1.1\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20261123/us-east-1/secretsmanager/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within_limit(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.split(' ').nth(1) == Some("200"), "{operation}: {answer}");
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
