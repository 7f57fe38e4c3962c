//! Through the proxy of the environment, or straight.
//!
//! Only `https` goes through one. What the SDK asks by plain `http` is the metadata of instances and containers, which gives
//! credentials to whoever asks: a proxy would get its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::config::http::HttpRequest;
use aws_sdk_secretsmanager::config::{
    ConfigBag, HttpClient, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};

/// Named, so that two providers in one program do not make it panic.
const TLS: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);

/// A client with a route for each request.
pub(super) fn http_client() -> SharedHttpClient {
    let straight = Builder::new().tls_provider(TLS).build_https();
    SharedHttpClient::new(Routes { straight, proxied: Mutex::default() })
}

/// The times that a connector is made for.
type Times = (Option<Duration>, Option<Duration>);

#[derive(Debug)]
struct Routes {
    straight: SharedHttpClient,
    /// One connector, with its connections, for each of the few settings that there are in one client.
    proxied: Mutex<Vec<(Times, SharedHttpConnector)>>,
}

impl HttpClient for Routes {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Route {
            straight: self.straight.http_connector(settings, components),
            proxied: self.proxied(settings, components),
        })
    }

    /// Where the root certificates are read, once for both.
    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.straight.validate_base_client_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.straight.connector_metadata()
    }
}

impl Routes {
    fn proxied(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let times = (settings.connect_timeout(), settings.read_timeout());
        let mut made = self.proxied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = made.iter().find(|(for_times, _)| *for_times == times) {
            return connector.clone();
        }
        let mut builder = Connector::builder();
        builder.set_connector_settings(Some(settings.clone())).set_sleep_impl(components.sleep_impl());
        let connector = builder.tls_provider(TLS).proxy_config(ProxyConfig::from_env()).build();
        let connector = SharedHttpConnector::new(connector);
        made.push((times, connector.clone()));
        connector
    }
}

#[derive(Debug)]
struct Route {
    straight: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for Route {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_plain = request.uri().starts_with("http://");
        if is_plain { self.straight.call(request) } else { self.proxied.call(request) }
    }
}
