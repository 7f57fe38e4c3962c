//! What the sections must be together for a gateway that has nothing but them. A program of its own may have keys from elsewhere,
//! and send its requests where it likes.

use std::collections::BTreeSet;

use claude_secrets::{API_ORIGIN, Existing};
use http::Uri;
use serde::Deserialize;

use super::{
    Config,
    check::{Check, Validate},
    secrets::Unmapped,
};

/// A configuration that a gateway is started with.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct ForGateway(pub(super) Config);

impl Validate for ForGateway {
    fn check(&self, check: &mut Check<'_>) {
        self.0.check(check);
        check_gateway(&self.0, check);
    }
}

pub(super) fn check_gateway(config: &Config, check: &mut Check<'_>) {
    let Config { gateway, secrets, .. } = config;
    let (no_keys, no_upstream) = (secrets.keys.is_empty(), gateway.upstream.is_none());
    let emptied = no_keys && no_upstream && check.is_set("secrets.keys");
    check.together(
        !emptied,
        &["secrets.keys", "gateway.upstream"],
        "must not be empty, unless gateway.upstream says what is called then: leave it out to have none",
    );
    check.together(
        emptied || !no_keys || !no_upstream || gateway.clients.is_empty(),
        &["gateway.clients", "secrets.keys"],
        "need a key, since their tokens end here: name one in [[secrets.keys]], with env = \"ANTHROPIC_API_KEY\" for that of the \
         environment, or set gateway.upstream to what needs none",
    );
    check.together(
        secrets.existing == Existing::default() || gateway.clients.is_empty(),
        &["secrets.existing", "gateway.clients"],
        "has no effect behind [[gateway.clients]]: what their requests carry ends at the door",
    );
    if no_keys {
        return;
    }
    if no_upstream {
        secrets.check_upstream(&Uri::from_static(API_ORIGIN), false, check);
    }
    check_callers(config, check);
}

/// Whether each client gets a key at all. Without clients all calls are of nobody.
fn check_callers(Config { gateway, secrets, .. }: &Config, check: &mut Check<'_>) {
    if !secrets.has_a_key() {
        return;
    }
    if gateway.clients.is_empty() {
        check.together(
            secrets.for_caller(None, None).is_ok(),
            &["secrets.keys"],
            "must have one for all: each is for a line or an environment, and without [[gateway.clients]] no call is of one",
        );
    }
    for (index, client) in gateway.clients.iter().enumerate() {
        let (environment, line) = (client.environment.as_deref(), client.line.as_deref());
        let Err(why) = secrets.for_caller(environment, line) else { continue };
        let (key, other, message) = match why {
            Unmapped::OtherEnvironment => {
                let own = secrets.environment.as_deref().unwrap_or_default();
                ("environment", "environment", format!("must be {own}, as secrets.environment is"))
            }
            Unmapped::Environment => {
                ("environment", "keys", "must be that of a key in [[secrets.keys]]".to_owned())
            }
            Unmapped::Line => ("line", "keys", "must be that of a key in [[secrets.keys]]".to_owned()),
        };
        let keys = [&*format!("gateway.clients[{index}].{key}"), &*format!("secrets.{other}")];
        check.at_first(false, &keys, format!("{message}: the calls of this client would be refused"));
    }
}

/// What is no mistake, and should be known.
pub(super) fn warnings(Config { gateway, secrets, .. }: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let (no_clients, no_keys) = (gateway.clients.is_empty(), secrets.keys.is_empty());
    let is_at_home = gateway.listen.ip().to_canonical().is_loopback();
    if no_clients && !is_at_home && gateway.allow_open {
        warnings.push(format!("whoever reaches {} may call (gateway.allow_open)", gateway.listen));
    }
    if no_clients && !no_keys {
        warnings.push(format!(
            "whoever reaches {} spends the keys of [[secrets.keys]]: name who may call in [[gateway.clients]]",
            gateway.listen
        ));
    }
    if !no_clients && no_keys {
        warnings.push(
            "the requests of clients go on without a key: there is none in [[secrets.keys]]".to_owned(),
        );
    }
    let lines = gateway.clients.iter().filter_map(|client| {
        let line = client.line.as_deref()?;
        (!no_keys && secrets.for_caller(client.environment.as_deref(), Some(line)) == Ok(false))
            .then_some(line)
    });
    for line in lines.collect::<BTreeSet<_>>() {
        warnings.push(format!("no key is for the line {line}: its clients use those that are for all"));
    }
    warnings
}
