//! The README's first command, run as a reader would, and talked to over its socket.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::run::{self, Result, Workspace, output};
use crate::{install, readme};

const REQUEST: &str =
    r#"{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hello, tower"}]}"#;

/// Builds and runs the gateway, asks it for a message in one piece and as a stream, and stops it.
pub(crate) fn readme(workspace: &Workspace) -> Result {
    let [command, _] = readme::commands(&workspace.read("README.md")?)?;
    install::debian(workspace, &[("curl", "curl")])?;

    // Apart from the run, so that the patience below is for starting and not for compiling.
    run::run(&mut workspace.cargo("build --release --example gateway"))?;

    let mut arguments = command.trim_start_matches("cargo ").to_owned();
    // A free port, because the usual one may be taken here.
    arguments.push_str(if arguments.contains(" -- ") {
        " --listen 127.0.0.1:0"
    } else {
        " -- --listen 127.0.0.1:0"
    });
    println!("$ cargo {arguments}");
    let mut command = workspace.cargo(&arguments);
    // Nothing in the caller's environment may point it at the real API.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANTHROPIC_"))
    {
        command.env_remove(name);
    }
    let gateway = Gateway::start(&mut command)?;
    let base = gateway.base_url(Duration::from_secs(60))?;

    whole(&post(workspace, &base, REQUEST)?)?;
    streamed(&post(workspace, &base, &REQUEST.replacen('{', "{\"stream\":true,", 1))?)?;
    gateway.stop(Duration::from_secs(15))
}

/// The body and, on a line of its own at the end, the status.
fn post(workspace: &Workspace, base: &str, body: &str) -> Result<String> {
    let mut curl = workspace.command("curl");
    curl.args(["--silent", "--show-error", "--no-buffer", "--max-time", "30", "--noproxy", "*"])
        .args(["--header", "content-type: application/json", "--header", "anthropic-version: 2026-10-21"])
        .args(["--header", "x-api-key: any"])
        .args(["--write-out", "\n%{http_code}", "--data", body, &format!("{base}/v1/messages")]);
    println!("$ curl {base}/v1/messages --data '{body}'");
    output(&mut curl)
}

fn body(answer: &str) -> Result<&str> {
    match answer.rsplit_once('\n') {
        Some((body, "200")) => Ok(body),
        _ => Err(format!("the gateway answered:\n{answer}")),
    }
}

fn whole(answer: &str) -> Result {
    let message: Value =
        serde_json::from_str(body(answer)?).map_err(|why| format!("not JSON ({why}): {answer}"))?;
    let text = message["content"][0]["text"].as_str().unwrap_or_default();
    let paid = message["usage"]["output_tokens"].as_u64().unwrap_or_default();
    if message["type"] == "message" && !text.is_empty() && paid > 0 {
        println!("answered: {text}");
        Ok(())
    } else {
        Err(format!("not a message with text and usage: {answer}"))
    }
}

fn streamed(answer: &str) -> Result {
    let names: Vec<&str> = body(answer)?.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let deltas = names.iter().filter(|name| **name == "content_block_delta").count();
    if names.first() == Some(&"message_start") && deltas > 0 && names.last() == Some(&"message_stop") {
        println!("streamed: {} events", names.len());
        Ok(())
    } else {
        Err(format!("not a whole stream: {answer}"))
    }
}
