//! Proxies on the loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::loopback::listener;

/// An HTTP proxy: CONNECT makes a tunnel, everything else is sent on to the host of its URL. It keeps the heads it
/// saw, one for each connection.
pub(crate) struct HttpProxy {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl HttpProxy {
    /// For everybody.
    pub(crate) async fn open() -> Self {
        Self::start(None, None).await
    }

    /// For everybody, over TLS.
    pub(crate) async fn open_tls(mut tls: ServerConfig) -> Self {
        tls.alpn_protocols.clear();
        Self::start(None, Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    /// Only for requests with this `proxy-authorization`; the others get a 407.
    pub(crate) async fn closed(authorization: &'static str) -> Self {
        Self::start(Some(authorization), None).await
    }

    async fn start(wanted: Option<&'static str>, tls: Option<TlsAcceptor>) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let keeper = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (tls, keeper) = (tls.clone(), Arc::clone(&keeper));
                connections.spawn(async move {
                    match tls {
                        None => forward(client, wanted, keeper).await,
                        Some(tls) => forward(tls.accept(client).await.unwrap(), wanted, keeper).await,
                    }
                });
            }
        });
        Self { address, heads, task: task.abort_handle() }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward<I>(mut client: I, wanted: Option<&str>, heads: Arc<Mutex<Vec<String>>>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&read).into_owned();
    heads.lock().unwrap().push(head.clone());
    if wanted.is_some_and(|wanted| header(&head, "proxy-authorization") != Some(wanted)) {
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        drop(client.write_all(answer).await);
        return;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut server;
    if method == "CONNECT" {
        server = TcpStream::connect(target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        let uri: http::Uri = target.parse().unwrap();
        // In the form of an origin there is no host, and a proxy would not know where to.
        let Some(authority) = uri.authority() else { return };
        server = TcpStream::connect(authority.as_str()).await.unwrap();
        server.write_all(&read).await.unwrap();
    }
    drop(copy_bidirectional(&mut client, &mut server).await);
}

/// A header of a head in text.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A SOCKS 5 proxy (RFC 1928), with a user and a password (RFC 1929) if there must be some.
pub(crate) struct SocksProxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl SocksProxy {
    pub(crate) async fn start(wanted: Option<(&'static str, &'static str)>) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let keeper = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let keeper = Arc::clone(&keeper);
                connections.spawn(async move {
                    // Whoever breaks off sees that on its own side.
                    drop(relay(client, wanted, keeper).await);
                });
            }
        });
        Self { address, asked, task: task.abort_handle() }
    }

    /// The hosts and ports that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(
    mut client: TcpStream,
    wanted: Option<(&str, &str)>,
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    assert_eq!(client.read_u8().await?, 5);
    let methods = text(&mut client).await?;
    let method = if wanted.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = wanted {
        assert_eq!(client.read_u8().await?, 1);
        let known =
            text(&mut client).await? == user.as_bytes() && text(&mut client).await? == password.as_bytes();
        client.write_all(&[1, u8::from(!known)]).await?;
        if !known {
            return Ok(());
        }
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request {
        [5, 1, 0, 1] => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        [5, 1, 0, 3] => String::from_utf8(text(&mut client).await?).unwrap(),
        [5, 1, 0, 4] => format!("[{}]", std::net::Ipv6Addr::from(client.read_u128().await?)),
        other => panic!("no request to connect: {other:?}"),
    };
    let target = format!("{host}:{}", client.read_u16().await?);
    asked.lock().unwrap().push(target.clone());
    let mut server = TcpStream::connect(target).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Bytes with their count before them.
async fn text(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
