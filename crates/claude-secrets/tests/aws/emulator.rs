//! The emulators, as processes that end when they are dropped.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_sdk_secretsmanager::primitives::Blob;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::{LONG, config};

pub(crate) struct Emulator {
    pub(crate) address: SocketAddr,
    process: Child,
    /// For what our source cannot do: create, change, delete.
    pub(crate) admin: Client,
}

impl Emulator {
    /// ministack, which moves the stages of a rotation as AWS does.
    pub(crate) async fn ministack() -> Self {
        Self::ministack_at(free()).await
    }

    pub(crate) async fn ministack_at(address: SocketAddr) -> Self {
        let mut command = program("CLAUDE_TOWER_TEST_MINISTACK");
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", address.port().to_string());
        Self::start(command, address).await
    }

    /// moto, which has more of the errors.
    pub(crate) async fn moto() -> Self {
        let address = free();
        let mut command = program("CLAUDE_TOWER_TEST_MOTO");
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: SocketAddr) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let deadline = Instant::now() + LONG;
        while TcpStream::connect(address).await.is_err() {
            assert!(process.try_wait().unwrap().is_none(), "it has ended");
            assert!(Instant::now() < deadline, "it does not start");
            sleep(std::time::Duration::from_millis(20)).await;
        }
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = config(address).into_builder().http_client(http).build();
        Self { address, process, admin: Client::new(&config) }
    }

    /// A new secret of text; its ARN and the id of its version.
    pub(crate) async fn create(&self, name: &str, text: &str) -> (String, String) {
        let created = self.admin.create_secret().name(name).secret_string(text).send().await;
        let created = created.map_err(DisplayErrorContext).unwrap();
        (created.arn.unwrap(), created.version_id.unwrap())
    }

    pub(crate) async fn create_binary(&self, name: &str, bytes: &[u8]) {
        let created = self.admin.create_secret().name(name).secret_binary(Blob::new(bytes)).send().await;
        created.map_err(DisplayErrorContext).unwrap();
    }

    /// A new version, current at once or with these labels only.
    pub(crate) async fn put(&self, name: &str, text: &str, stage: Option<&str>) -> String {
        let stages = stage.map(|stage| vec![stage.to_owned()]);
        let put = self.admin.put_secret_value().secret_id(name).secret_string(text);
        let put = put.set_version_stages(stages).send().await.map_err(DisplayErrorContext).unwrap();
        put.version_id.unwrap()
    }

    /// Makes another version the current one.
    pub(crate) async fn promote(&self, name: &str, from: &str, to: &str) {
        let moved = self.admin.update_secret_version_stage().secret_id(name).version_stage("AWSCURRENT");
        let moved = moved.remove_from_version_id(from).move_to_version_id(to).send().await;
        moved.map_err(DisplayErrorContext).unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.admin.delete_secret().secret_id(name).send().await.map_err(DisplayErrorContext).unwrap();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that was free a moment ago: neither of them takes port 0.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn program(variable: &str) -> Command {
    Command::new(env::var_os(variable).expect("run by `cargo xtask test`"))
}
