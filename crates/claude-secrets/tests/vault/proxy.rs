//! A link to the server that notes what is asked, and can be made to fail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use claude_secrets::source::Vault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    Whole,
    /// Takes what comes, and hands nothing on.
    Stalled,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    link: watch::Sender<Link>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (link, watched) = watch::channel(Link::Whole);
        let asked = Arc::default();
        let notes = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&notes), watched.clone()));
            }
        });
        Self { address, asked, link }
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::new(&format!("http://{}", self.address)).unwrap()
    }

    pub(crate) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// What was asked since the last look, such as `GET secret/data/claude/prod`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Comes back when something has been asked.
    pub(crate) async fn wait_for(&self, question: &str) {
        while !self.asked.lock().unwrap().iter().any(|asked| asked == question) {
            tokio::task::yield_now().await;
        }
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    notes: Arc<Mutex<Vec<String>>>,
    mut link: watch::Receiver<Link>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            // The client writes a request in one piece.
            let head = String::from_utf8_lossy(&buffer[..length]);
            if let Some((line, _)) = head.split_once(" HTTP/1.1\r\n") {
                notes.lock().unwrap().push(line.replacen("/v1/", "", 1));
            }
            if link.wait_for(|link| *link == Link::Whole).await.is_err()
                || to_server.write_all(&buffer[..length]).await.is_err()
            {
                break;
            }
        }
    };
    let answering = async move { drop(tokio::io::copy(&mut from_server, &mut to_client).await) };
    tokio::join!(asking, answering);
}
