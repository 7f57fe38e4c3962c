//! Keys in the configuration, where they do not belong.

use claude_tower::config::{Config, ConfigError};

use crate::canary;
use crate::ear::EAR;
use crate::errors;

/// One of ours, with a key for its value, from the begin of this process on.
pub(crate) const VARIABLE: &str = "CLAUDE_TOWER__SECRETS__API_KEY";

pub(super) async fn a_key_where_none_belongs() {
    let key = canary::key("config");
    for text in [
        format!("[secrets]\napi_key = \"{key}\""),
        format!("[client]\nproxy = \"http://user:{key}@proxy.example:3128\""),
        format!("[client]\nproxy = \"{key}\""),
        format!("[client]\nconnect_timeout = \"{key}\""),
        format!("[gateway]\nlisten = \"{key}\""),
        format!("[gateway]\nupstream = \"https://{key}@api.anthropic.com\""),
        format!("[gateway]\nupstream = \"{key}\""),
        format!("[gateway]\n{key} = 1"),
        format!("[{key}]\na = 1"),
        format!("[retry]\nenabled = \"{key}\""),
        format!("api_key = \"{key}"),
        format!("api_key = {key}"),
        key.clone(),
        format!("[gateway]\nlisten = \"{key}\"\nlisten = \"{key}\""),
        format!("# {key}\n[gateway]\nlisten = \"0.0.0.0:8080\""),
        format!("[[secrets.keys]]\nname = \"{key}\"\nenv = \"KEY\""),
        format!("[[secrets.keys]]\nname = \"a\"\nenv = \"{key}\""),
        format!("[[secrets.keys]]\nname = \"a\"\nfile = \"/run/{key}\"\nfield = \"{key}\""),
        format!("[[secrets.keys]]\nname = \"a\"\nenv = \"KEY\"\norigins = [\"https://{key}@api.example\"]"),
        format!("[[secrets.keys]]\nname = \"a\"\nenv = \"KEY\"\napi_key = \"{key}\""),
        format!("[[secrets.keys]]\nname = \"a\"\nenv = \"KEY\"\nweight = \"{key}\""),
        format!("[secrets.aws]\nprofile = \"{key}\"\nendpoint = \"http://u:{key}@localhost:4566\""),
        format!("[secrets.vault]\naddress = \"https://{key}@vault.example\"\ntoken = \"{key}\""),
        format!("[[gateway.clients]]\nname = \"{key}\"\ntoken_sha256 = \"{key}\""),
        format!("[[gateway.clients]]\nname = \"a\"\ntoken_sha256 = \"sha256:{key}\""),
        format!("[[gateway.clients]]\nname = \"a\"\ntoken_sha256 = \"{}\"", canary::token("config")),
    ] {
        hear(Config::from_toml(&text, "claude-tower.toml"));
    }
    // What is as it should be says where keys are, and may be printed.
    let proper = format!("[[secrets.keys]]\nname = \"a\"\nenv = \"{}\"", super::sources::VARIABLE);
    let config = Config::from_toml(&proper, "claude-tower.toml").unwrap();
    EAR.debug(&config);
    let ring = config.secrets.key_ring().unwrap();
    EAR.debug(&ring);
    for name in [
        "CLAUDE_TOWER__GATEWAY__UPSTREAM",
        "CLAUDE_TOWER__CLIENT__PROXY",
        "CLAUDE_TOWER__RETRY__MAX_RETRIES",
        VARIABLE,
    ] {
        hear(Config::load(None, [(name.to_owned(), key.clone())]));
    }
    hear(Config::load(None, [(format!("CLAUDE_TOWER__{key}"), key)]));
    hear(Config::load_with_process_environment(None));
}

fn hear(config: Result<Config, ConfigError>) {
    match config {
        Ok(config) => EAR.debug(&config),
        Err(error) => {
            EAR.hear("error", errors::shown(&error));
            EAR.debug(&error.problems());
        }
    }
}
