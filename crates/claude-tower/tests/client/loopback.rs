//! Servers on the loopback, and the certificates of those that speak TLS.

#![allow(dead_code, reason = "two test programs share this file, and neither uses all of it")]

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Turns a hang into a failure. It is no assertion on time: nothing here takes seconds. But it is less than the 90
/// seconds after which the clients by themselves would close what is idle.
pub(crate) async fn finishes<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this should not hang")
}

/// Lets everything run that can, in a runtime of one thread. A connection is back in its pool a moment after the body
/// has ended, and only then do we know which one the next call takes.
pub(crate) async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The connection it came by; the first is 0.
    pub(crate) connection: usize,
    pub(crate) head: request::Parts,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Answer = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

/// An HTTP server. It keeps what it saw, and stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    task: AbortHandle,
}

impl Server {
    /// Answers with the bytes of the request.
    pub(crate) async fn echo() -> Self {
        Self::http(|seen| async { Response::new(Full::new(seen.body)) }).await
    }

    pub(crate) async fn http<F, A>(answer: F) -> Self
    where
        F: Fn(Seen) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        Self::start(None, answer).await
    }

    /// [`echo`](Self::echo) over TLS.
    pub(crate) async fn tls(config: ServerConfig) -> Self {
        Self::start(Some(config), |seen| async { Response::new(Full::new(seen.body)) }).await
    }

    async fn start<F, A>(tls: Option<ServerConfig>, answer: F) -> Self
    where
        F: Fn(Seen) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = listener().await;
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let accepted: Arc<AtomicUsize> = Arc::default();
        let (opened, open) = watch::channel(0);
        let answer = move |seen| -> Answer { Box::pin(answer(seen)) };
        let counter = Arc::clone(&accepted);
        let keeper = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // The connections end with the server, like those of a process that dies.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let connection = counter.fetch_add(1, Ordering::SeqCst);
                let (opened, keeper, tls) = (opened.clone(), Arc::clone(&keeper), tls.clone());
                let answer = answer.clone();
                connections.spawn(async move {
                    opened.send_modify(|open| *open += 1);
                    match tls {
                        None => serve(tcp, connection, keeper, answer).await,
                        Some(tls) => {
                            if let Ok(tls) = tls.accept(tcp).await {
                                serve(tls, connection, keeper, answer).await;
                            }
                        }
                    }
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, scheme, seen, accepted, open, task: task.abort_handle() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The same server by its name, which a certificate must then hold.
    pub(crate) fn url_by_name(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until the clients have closed all of them.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.open.clone();
        finishes(open.wait_for(|open| *open == 0)).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<I>(
    io: I,
    connection: usize,
    keeper: Arc<Mutex<Vec<Seen>>>,
    answer: impl Fn(Seen) -> Answer + Clone + Send + 'static,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (keeper, answer) = (Arc::clone(&keeper), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            // Who drops a call in the middle of its body gets no answer.
            let Ok(body) = body.collect().await else { return Ok(Response::default()) };
            let seen = Seen { connection, head, body: body.to_bytes() };
            keeper.lock().unwrap().push(seen.clone());
            Ok::<_, Infallible>(answer(seen).await)
        }
    });
    // A client that goes away is what some tests are about.
    drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await);
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// An address that refuses connections as long as the socket lives, since nobody else can take the port.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Written once: other tests may be reading it.
const CA_FILE: &str = "ca.pem";

/// A certificate authority of our own, and the folder with the files that it has written.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // Programs run at the same time, and so do the tests of each.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("authority-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join(CA_FILE), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(CA_FILE)
    }

    /// A server on the loopback that it vouches for.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_config(None)
    }

    /// The same, for clients that show a certificate of this authority.
    pub(crate) fn server_for_known_clients(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        self.server_config(Some(roots))
    }

    /// A client's certificate and its key, as files.
    pub(crate) fn client(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.signed(ExtendedKeyUsagePurpose::ClientAuth);
        (self.written("client.pem", &certificate.pem()), self.written("client.key", &key.serialize_pem()))
    }

    /// The same, signed by somebody else.
    pub(crate) fn client_of_nobody(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = Self::new().signed(ExtendedKeyUsagePurpose::ClientAuth);
        (self.written("other.pem", &certificate.pem()), self.written("other.key", &key.serialize_pem()))
    }

    fn server_config(&self, clients: Option<RootCertStore>) -> ServerConfig {
        let (certificate, key) = self.signed(ExtendedKeyUsagePurpose::ServerAuth);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    fn signed(&self, usage: ExtendedKeyUsagePurpose) -> (Certificate, KeyPair) {
        let names = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn written(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left behind is left under target.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// An error and all that is under it. An I/O error names as its source what is under the error that it holds, and
/// passes that error over.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        Some(error) => error.get_ref().map(|error| error as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// All of its words.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
