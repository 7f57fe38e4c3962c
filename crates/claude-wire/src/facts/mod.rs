//! What layers need to know of a request, read once.
//!
//! [`facts`] gives the [`RequestFacts`] of a request and leaves them in its extensions. A layer that finds
//! them there reads nothing; one that stands alone reads for itself. They hold on to the bytes they were read
//! from, so that a body that was replaced since is noticed and read again.
//!
//! Reading is one pass over the raw bytes: no tree is built and nothing is copied. It never fails. A body that
//! is not what the API takes yields facts that say so ([`RequestFacts::shape`]), and the API gives the answer.
//!
//! ```
//! use claude_wire::Body;
//! use claude_wire::facts::{Endpoint, facts};
//! use http::Request;
//!
//! let body = r#"{"model": "claude-sonnet-5-5", "max_tokens": 64, "stream": true, "messages": []}"#;
//! let mut request = Request::post("/v1/messages").body(Body::from(body))?;
//! let facts = facts(&mut request);
//! assert_eq!(facts.endpoint(), Endpoint::Messages);
//! assert_eq!(facts.model(), Some("claude-sonnet-5-5"));
//! assert_eq!(facts.max_tokens(), Some(64));
//! assert!(facts.is_stream());
//! # Ok::<_, http::Error>(())
//! ```

mod endpoint;
mod fingerprint;
mod limit_class;
mod prefix;
mod scan;

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;

pub use endpoint::Endpoint;
pub use fingerprint::Fingerprint;
pub use limit_class::limit_class;

use crate::body::Body;
use scan::Scan;

/// What kind of text a request's body is, as far as facts could be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// A JSON object, and every field that was read has the type that the API takes.
    Object,
    /// A JSON object, but a field that was read has another type. That field counts as absent.
    Unexpected,
    /// JSON, but no object.
    NotAnObject,
    /// Not JSON. Nothing else is known.
    Malformed,
    /// Nested deeper than a thousand levels. Nothing else is known.
    TooDeep,
    /// Not looked at: the body is a stream, or its endpoint takes no message.
    Unread,
}

/// The facts of one request. A clone is another handle to the same facts.
#[derive(Clone)]
pub struct RequestFacts {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    /// What was read; `None` for a stream.
    bytes: Option<Bytes>,
    scan: Scan,
    fingerprint: OnceLock<Fingerprint>,
    prefix: OnceLock<Option<u64>>,
}

/// The facts of `request`: those in its extensions if its body is still the bytes they were read from, and
/// otherwise read now and left there.
pub fn facts(request: &mut Request<Body>) -> RequestFacts {
    let endpoint = Endpoint::from_path(request.uri().path());
    if let Some(facts) = request.extensions().get::<RequestFacts>()
        && facts.are_of(endpoint, request.body())
    {
        return facts.clone();
    }
    let facts = RequestFacts::read(endpoint, request.body().as_bytes());
    request.extensions_mut().insert(facts.clone());
    facts
}

impl RequestFacts {
    /// Reads the facts of a body; `None` stands for a stream.
    #[must_use]
    pub fn read(endpoint: Endpoint, body: Option<&Bytes>) -> Self {
        let scan = match body {
            Some(bytes) if endpoint.has_message_body() => Scan::of(bytes),
            _ => Scan::unread(),
        };
        let shared = Shared {
            endpoint,
            bytes: body.cloned(),
            scan,
            fingerprint: OnceLock::new(),
            prefix: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether these are the facts of this body: of the very same bytes in memory, not of equal ones.
    fn are_of(&self, endpoint: Endpoint, body: &Body) -> bool {
        let same = match (&self.shared.bytes, body.as_bytes()) {
            // The bytes are held here, so that nothing else can stand at their address.
            (Some(read), Some(now)) => read.as_ptr() == now.as_ptr() && read.len() == now.len(),
            (None, None) => true,
            _ => false,
        };
        same && self.shared.endpoint == endpoint
    }

    /// What of the API the request goes to.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.shared.endpoint
    }

    /// What kind of text the body is.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shared.scan.shape
    }

    /// Whether the body can be understood in more than one way, so that it must never be answered from a
    /// cache: a key stands twice in a place that was read (here the last one counts), is written with escapes,
    /// there are more than 64 keys at the top, or blocks are nested deeper than they are looked into.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.shared.scan.ambiguous
    }

    /// `model`
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.text(self.shared.scan.model.as_ref())
    }

    /// `stream`; `false` when absent.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.shared.scan.stream
    }

    /// `max_tokens`, or the legacy `max_tokens_to_sample` where there is none.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.shared.scan.max_tokens
    }

    /// `metadata.user_id`
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.text(self.shared.scan.user_id.as_ref())
    }

    /// How many `cache_control` marks there are: at the top, and in tools, the system prompt and messages with
    /// the blocks inside their blocks, 16 levels deep. The API takes four (2026-10).
    #[must_use]
    pub fn cache_control_marks(&self) -> u32 {
        self.shared.scan.marks
    }

    /// Whether the answer depends on state that the API keeps, so that the same body may mean something else
    /// next time: a thread, a container, a fallback credit, or diagnostics against an earlier message.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.shared.scan.stateful
    }

    /// Whether the API itself may act on the outside world: a tool of a type that is not known to run at the
    /// client, or an MCP server.
    #[must_use]
    pub fn has_server_tools(&self) -> bool {
        self.shared.scan.server_tools
    }

    /// Whether the API calls servers that the request names (MCP), and may do with them whatever they do.
    #[must_use]
    pub fn has_mcp_servers(&self) -> bool {
        self.shared.scan.mcp_servers
    }

    /// The length of the prompt's JSON in bytes: `system`, `messages`, `tools` (and the legacy `prompt`).
    /// An estimate of tokens starts from it.
    #[must_use]
    pub fn prompt_bytes(&self) -> u64 {
        self.shared.scan.prompt_bytes
    }

    /// A fingerprint of what the body means: of all its top-level members but `metadata` and `stream`, in
    /// their order and as they are written. White space between them makes no difference, any inside them
    /// does. `None` for a stream.
    ///
    /// It covers the body alone. An identity of the request also needs the path, the API version, the betas
    /// and whose key it is. Computed at the first call and kept.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let bytes = self.shared.bytes.as_ref()?;
        let members = self.shared.scan.members.as_slice();
        Some(*self.shared.fingerprint.get_or_init(|| Fingerprint::of(bytes, members)))
    }

    /// What tells conversations apart, and stays the same from turn to turn: a hash of the model, the tools, the system
    /// prompt and the first message, of the first 4 KiB and the length of each. `None` without a message. Whoever sends
    /// one conversation to one place goes by it: the API's own prompt cache is there. It is no proof of equality. Computed at
    /// the first call and kept.
    #[must_use]
    pub fn prefix(&self) -> Option<u64> {
        let bytes = self.shared.bytes.as_ref()?;
        *self.shared.prefix.get_or_init(|| prefix::prefix(bytes, &self.shared.scan))
    }

    fn text<'a>(&'a self, text: Option<&'a scan::Found>) -> Option<&'a str> {
        text?.as_str(self.shared.bytes.as_ref()?)
    }
}

/// Leaves out the user and the bytes.
impl fmt::Debug for RequestFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFacts")
            .field("endpoint", &self.endpoint())
            .field("shape", &self.shape())
            .field("ambiguous", &self.is_ambiguous())
            .field("model", &self.model())
            .field("stream", &self.is_stream())
            .field("max_tokens", &self.max_tokens())
            .field("cache_control_marks", &self.cache_control_marks())
            .field("stateful", &self.is_stateful())
            .field("server_tools", &self.has_server_tools())
            .field("mcp_servers", &self.has_mcp_servers())
            .field("prompt_bytes", &self.prompt_bytes())
            .finish_non_exhaustive()
    }
}
