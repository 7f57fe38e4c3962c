//! Region and credentials as every AWS program finds them: in processes of their own, because the environment is one for all
//! threads.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use claude_secrets::ExposeSecret;
use claude_secrets::source::{Aws, SecretSource, SourceErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::emulator::free;
use crate::http::{NOW, Says, Server};
use crate::link::Link;
use crate::{LONG, config, failure, log};

const CHILD: &str = "CLAUDE_TOWER_TEST_AWS_CHAIN";

/// A child with this environment alone, and the files of `~/.aws`. What it said.
async fn child(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let home = Home::new();
    for (name, text) in files {
        std::fs::write(home.0.join(".aws").join(name), text).unwrap();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "chain::in_a_process_of_its_own", "--nocapture"]).env_clear();
    let path = env::var_os("PATH").unwrap_or_default();
    command.env("PATH", path).env("HOME", &home.0).env(CHILD, "1");
    // Nobody answers there on most machines, and somebody on those in the cloud.
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find_map(|line| line.split_once("result: ")).expect("it says how it went");
    line.1.to_owned()
}

/// The child: fetches with what it finds, and says how it went.
#[tokio::test]
async fn in_a_process_of_its_own() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    log::begin();
    let mut aws = Aws::new().with_timeout(LONG);
    if let Ok(region) = env::var("WITH_REGION") {
        aws = aws.with_region(region);
    }
    if let Ok(profile) = env::var("WITH_PROFILE") {
        aws = aws.with_profile(profile);
    }
    if let Ok(endpoint) = env::var("WITH_ENDPOINT") {
        aws = aws.with_endpoint(&endpoint).unwrap();
    }
    let name = env::var("WITH_NAME").unwrap_or("prod/claude".to_owned());
    let fetched = aws.secret(name).fetch().await;
    log::hides_keys();
    match fetched {
        Ok(fetched) if fetched.secret.expose_secret() == "sk-ant-chain-canary" => println!("result: the key"),
        Ok(_) => println!("result: another key"),
        Err(error) => println!("result: {} {}", error.kind().as_str(), error.detail()),
    }
}

/// A server that has the key, and tells the region and the access key that a request was signed with.
async fn server() -> Server {
    let body = format!(r#"{{"SecretString":"sk-ant-chain-canary","CreatedDate":{}}}"#, NOW - 1_000_000);
    Server::says([Says::Answer(200, body)]).await
}

const CREDENTIALS: &str = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = x\n\
    [prod]\naws_access_key_id = AKIAPROD\naws_secret_access_key = x\n";

#[tokio::test]
async fn region_and_credentials_come_from_the_environment() {
    let server = server().await;
    let endpoint = format!("http://{}", server.address);
    let variables = [
        ("AWS_REGION", "eu-north-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT_URL", &*endpoint),
    ];
    assert_eq!(child(&[], &variables).await, "the key");
    assert_eq!(server.signed(), ["AKIAENVIRONMENT eu-north-1"]);
}

#[tokio::test]
async fn region_and_credentials_come_from_the_files_of_a_profile() {
    let server = server().await;
    let endpoint = format!("http://{}", server.address);
    let files = [
        ("config", "[default]\nregion = us-west-2\n[profile prod]\nregion = eu-west-3\n"),
        ("credentials", CREDENTIALS),
    ];
    for (variables, signed) in [
        (vec![], "AKIADEFAULT us-west-2"),
        (vec![("AWS_PROFILE", "prod")], "AKIAPROD eu-west-3"),
        (vec![("WITH_PROFILE", "prod")], "AKIAPROD eu-west-3"),
        (vec![("AWS_PROFILE", "default"), ("WITH_PROFILE", "prod")], "AKIAPROD eu-west-3"),
        (vec![("WITH_PROFILE", "prod"), ("WITH_REGION", "eu-central-1")], "AKIAPROD eu-central-1"),
        (vec![("AWS_REGION", "eu-west-1"), ("WITH_REGION", "eu-central-1")], "AKIADEFAULT eu-central-1"),
    ] {
        let variables = [variables, vec![("WITH_ENDPOINT", &*endpoint)]].concat();
        assert_eq!(child(&files, &variables).await, "the key", "{variables:?}");
        assert_eq!(server.signed().last().map(String::as_str), Some(signed), "{variables:?}");
    }
}

const ARN: &str = "arn:aws:secretsmanager:eu-south-2:111122223333:secret:prod/claude-AbCdEf";

#[tokio::test]
async fn an_arn_names_the_region_unless_the_program_does() {
    let server = server().await;
    let endpoint = format!("http://{}", server.address);
    let files = [("config", "[default]\nregion = us-west-2\n"), ("credentials", CREDENTIALS)];
    for (variables, region) in [
        (vec![], "eu-south-2"),
        (vec![("AWS_REGION", "eu-west-1")], "eu-south-2"),
        (vec![("AWS_REGION", "eu-west-1"), ("WITH_REGION", "eu-central-1")], "eu-central-1"),
        (vec![("WITH_NAME", "arn:aws:secretsmanager::111122223333:secret:x")], "us-west-2"),
        (vec![("WITH_NAME", "arn:aws:ssm:eu-south-2:111122223333:parameter/x")], "us-west-2"),
        (vec![("WITH_NAME", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:x")], "cn-north-1"),
    ] {
        let variables = [vec![("WITH_NAME", ARN), ("WITH_ENDPOINT", &*endpoint)], variables].concat();
        assert_eq!(child(&files, &variables).await, "the key", "{variables:?}");
        assert_eq!(server.signed().last(), Some(&format!("AKIADEFAULT {region}")), "{variables:?}");
    }
}

#[tokio::test]
async fn each_region_of_arns_has_one_client() {
    log::begin();
    let server = server().await;
    let link = Link::to(server.address).await;
    let settings = config(link.address).into_builder().region(None).build();
    let aws = Aws::from_config(settings).with_timeout(LONG);
    let arn = |region, name| format!("arn:aws:secretsmanager:{region}:111122223333:secret:{name}-AbCdEf");
    for (region, name) in [("eu-west-1", "a"), ("eu-west-2", "b"), ("eu-west-1", "c"), ("eu-west-2", "d")] {
        crate::key(&aws.clone().secret(arn(region, name))).await;
    }
    assert_eq!(link.connections(), 2);
    let signed: Vec<_> = ["1", "2", "1", "2"].map(|n| format!("AKIATEST eu-west-{n}")).into();
    assert_eq!(server.signed(), signed);

    // The application's own has one.
    crate::key(&Aws::from_config(config(server.address)).secret(arn("eu-west-1", "a"))).await;
    assert_eq!(server.signed().last().map(String::as_str), Some("AKIATEST us-east-1"));
}

#[tokio::test]
async fn a_program_that_gives_credentials_is_run() {
    let server = server().await;
    let program = r#"[profile prod]
region = eu-west-3
credential_process = printf '{"Version":1,"AccessKeyId":"AKIAPROCESS","SecretAccessKey":"x"}'
"#;
    let endpoint = format!("http://{}", server.address);
    let variables = [("AWS_PROFILE", "prod"), ("WITH_ENDPOINT", &*endpoint)];
    assert_eq!(child(&[("config", program)], &variables).await, "the key");
    assert_eq!(server.signed(), ["AKIAPROCESS eu-west-3"]);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let credentials = [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let said = child(&[], &credentials).await;
    assert!(said.starts_with("misconfigured no region: set `AWS_REGION`"), "{said}");

    let said = child(&[], &[("AWS_REGION", "eu-west-3")]).await;
    assert!(said.starts_with("denied no credentials: set `AWS_ACCESS_KEY_ID`"), "{said}");

    let said =
        child(&[("credentials", CREDENTIALS)], &[("AWS_REGION", "eu-west-3"), ("WITH_PROFILE", "other")])
            .await;
    assert!(said.starts_with("misconfigured ") || said.starts_with("denied "), "{said}");

    let said = child(&[("credentials", CREDENTIALS)], &[("WITH_REGION", "eu west/3")]).await;
    assert_eq!(said, "misconfigured the region is no name of one, such as `eu-central-1`");
}

#[tokio::test]
async fn a_profile_for_a_configuration_that_has_one_is_misconfigured() {
    log::begin();
    let server = server().await;
    let aws = Aws::from_config(config(server.address)).with_profile("prod");
    assert_eq!(failure(&aws.secret("prod/claude")).await.0, SourceErrorKind::Misconfigured);
    let config = config(server.address).into_builder().region(None).build();
    let aws = Aws::from_config(config);
    assert_eq!(failure(&aws.secret("prod/claude")).await.0, SourceErrorKind::Misconfigured);
    crate::key(&aws.with_region("eu-west-3").secret("prod/claude")).await;
    assert_eq!(server.signed(), ["AKIATEST eu-west-3"]);
}

const KEYS: [(&str, &str); 3] =
    [("AWS_REGION", "eu-west-3"), ("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "x")];

#[tokio::test]
async fn a_proxy_of_the_environment_is_asked_for_a_tunnel() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (address, asked) = proxy().await;
        let url = format!("http://name:password@{address}");
        let said = child(&[], &[&KEYS[..], &[(name, &*url)]].concat()).await;
        assert!(said.starts_with("unavailable "), "{said}");
        let asked = asked.lock().unwrap().clone();
        assert!(
            asked.starts_with("CONNECT secretsmanager.eu-west-3.amazonaws.com:443 HTTP/1.1\r\n"),
            "{asked}"
        );
        let password = "proxy-authorization: basic bmftztpwyxnzd29yza==";
        assert!(asked.to_ascii_lowercase().contains(password), "{asked}");
    }
}

#[tokio::test]
async fn what_the_environment_says_to_reach_straight_is_reached_straight() {
    let closed = format!("https://{}", free());
    for (straight, is_asked) in [("localhost", true), ("localhost,127.0.0.0/8", false)] {
        let (address, asked) = proxy().await;
        let proxy = format!("http://{address}");
        let variables = [("HTTPS_PROXY", &*proxy), ("NO_PROXY", straight), ("WITH_ENDPOINT", &*closed)];
        let said = child(&[], &[&KEYS[..], &variables].concat()).await;
        assert!(said.starts_with("unavailable "), "{said}");
        assert_eq!(!asked.lock().unwrap().is_empty(), is_asked, "{straight}");
    }
}

/// Whoever gives credentials to containers and instances gives them to whoever asks: a proxy would get its own.
#[tokio::test]
async fn plain_http_such_as_that_of_metadata_goes_past_every_proxy() {
    let server = server().await;
    let endpoint = format!("http://{}", server.address);
    let given = r#"{"AccessKeyId":"AKIACONTAINER","SecretAccessKey":"x","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let container = Server::says([Says::Answer(200, given.to_owned())]).await;
    let credentials = format!("http://{}/credentials", container.address);
    let (address, asked) = proxy().await;
    let proxy = format!("http://{address}");
    let variables = [
        ("AWS_REGION", "eu-west-3"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*credentials),
        ("WITH_ENDPOINT", &*endpoint),
        ("HTTP_PROXY", &*proxy),
        ("http_proxy", &*proxy),
        ("ALL_PROXY", &*proxy),
    ];
    assert_eq!(child(&[], &variables).await, "the key");
    assert_eq!(server.signed(), ["AKIACONTAINER eu-west-3"]);
    assert_eq!(*asked.lock().unwrap(), "");
}

/// A proxy that lets nobody through, and what it was asked first.
async fn proxy() -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<String>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            *noted.lock().unwrap() = String::from_utf8_lossy(&head).into_owned();
            drop(stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await);
        }
    });
    (address, asked)
}

/// A home directory with nothing in it, removed with the value.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("claude-secrets-aws-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let home = env::temp_dir().join(name);
        std::fs::create_dir_all(home.join(".aws")).unwrap();
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
