//! The upstream, nginx in front of it, and the gateway in front of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::children::Children;

const PATIENCE: Duration = Duration::from_secs(10);

/// Something that listens.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Whose processor time to read; none for what runs inside this program.
    pub(crate) process: Option<u32>,
}

/// A directory for all files, removed at the end.
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Result<Self, String> {
        let path = env::temp_dir().join(format!("claude-tower-bench-{}", id()));
        fs::create_dir_all(&path).map_err(|why| format!("cannot make {}: {why}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

/// A small answer of the Messages API, about 500 bytes.
const MESSAGE: &str = concat!(
    r#"{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-sonnet-5-5","#,
    r#""content":[{"type":"text","text":"A gateway takes a request on one side and sends it on at the other; "#,
    r#"what comes back goes the same way, and nobody should notice that it was there."}],"#,
    r#""stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2095,"#,
    r#""cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":38,"service_tier":"standard"}}"#
);

/// nginx that gives the same answer to everything.
pub(crate) fn nginx_upstream(children: &Children, home: &Home) -> Result<Server, String> {
    let port = free_port()?;
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; default_type application/json;
           location / {{ return 200 '{MESSAGE}'; }} }}"
    );
    nginx(children, home, "upstream", port, &server)
}

/// nginx as a proxy, set up as its documentation says for speed: connections to the upstream are kept.
pub(crate) fn nginx_proxy(
    children: &Children,
    home: &Home,
    name: &str,
    upstream: &Server,
) -> Result<Server, String> {
    let port = free_port()?;
    let upstream = upstream.address;
    let server = format!(
        "upstream api {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
         server {{ listen 127.0.0.1:{port};
           location / {{
             proxy_pass http://api;
             proxy_http_version 1.1;
             proxy_set_header Connection '';
             proxy_buffering off;
             proxy_request_buffering off;
             client_max_body_size 0;
           }} }}"
    );
    nginx(children, home, name, port, &server)
}

fn nginx(children: &Children, home: &Home, name: &str, port: u16, server: &str) -> Result<Server, String> {
    let directory = home.path.join(name);
    fs::create_dir_all(&directory).map_err(|why| format!("cannot make {}: {why}", directory.display()))?;
    let temp = directory.display();
    // One process without a master over it: what is started is what works and what is killed.
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {temp}/pid; error_log {temp}/error.log;
         events {{ worker_connections 1024; }}
         http {{
           access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
           client_body_buffer_size 128k;
           client_body_temp_path {temp}/body; proxy_temp_path {temp}/proxy; fastcgi_temp_path {temp}/fastcgi;
           uwsgi_temp_path {temp}/uwsgi; scgi_temp_path {temp}/scgi;
           {server}
         }}\n"
    );
    let path = home.write(&format!("{name}.conf"), &configuration)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&directory).arg("-c").arg(&path).arg("-e").arg(directory.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = children.start(&mut command, |_| {})?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..200 {
        if TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
            return Ok(Server { address, process: Some(process) });
        }
        pause(Duration::from_millis(25));
    }
    let log = fs::read_to_string(directory.join("error.log")).unwrap_or_default();
    Err(format!("nginx does not listen: {log}"))
}

/// The gateway without its access log; `threads` work on requests, 0 for one on each core.
pub(crate) fn gateway(
    children: &Children,
    program: &Path,
    upstream: &Server,
    threads: u32,
) -> Result<Server, String> {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--upstream"]).arg(format!("http://{}", upstream.address));
    command.env("CLAUDE_TOWER__GATEWAY__ACCESS_LOG", "false");
    command.env("CLAUDE_TOWER__GATEWAY__WORKER_THREADS", threads.to_string());
    command.env_remove("ANTHROPIC_API_KEY");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let (sender, lines) = channel();
    let process = children.start(&mut command, |child| {
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                // Read to its end, so that the gateway can always write.
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    drop(sender.send(line));
                }
            });
        }
    })?;
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        let address = line.split_once("ANTHROPIC_BASE_URL=http://");
        if let Some(address) = address.and_then(|(_, address)| address.trim().parse().ok()) {
            return Ok(Server { address, process: Some(process) });
        }
    }
    Err(format!("{} did not say where it listens", program.display()))
}

/// Builds the example, so that what is measured is what is written, and says where it is.
pub(crate) fn build_gateway() -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--example", "gateway"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Cargo describes this package to us. Build scripts that watch these names would run again each time.
    for (name, _) in env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("CARGO_PKG_") || known.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    if !command.status().is_ok_and(|status| status.success()) {
        return Err("the gateway could not be built".to_owned());
    }
    // This program stands in `deps`, beside `examples`.
    let own = env::current_exe().map_err(|why| format!("cannot find myself: {why}"))?;
    let release = own.parent().and_then(Path::parent).ok_or("not where Cargo puts a benchmark")?;
    Ok(release.join("examples/gateway"))
}

pub(crate) fn is_on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join(program).is_file())
}

/// Free a moment ago; nginx cannot choose one itself.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|why| format!("no free port: {why}"))
}

#[expect(clippy::disallowed_methods, reason = "a thread of a benchmark, no runtime's worker")]
fn pause(time: Duration) {
    thread::sleep(time);
}
