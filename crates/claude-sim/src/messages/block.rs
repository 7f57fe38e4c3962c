//! What a reply's content is scripted of.

use serde_json::Value;

use super::citation::Citation;
use super::stop::RefusalCategory;

/// A piece of a scripted answer. See [`Reply::of`](crate::Reply::of).
///
/// A tool of the server is one piece here and two blocks on the wire: its use, and its result, which arrives whole.
/// The model reads everything again after a result; `usage` grows by that, and by the result.
#[derive(Clone, Debug)]
pub struct Block(pub(super) Kind);

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text { text: String, citations: Vec<Citation> },
    Thinking { text: String, shown: bool },
    RedactedThinking { text: String },
    ToolUse { name: String, input: Value },
    ServerTool { tool: ServerTool, failure: Option<String> },
    McpCall { server: String, tool: String, input: Value, result: String },
    Advice { model: String, text: String },
    ContainerUpload,
    Compaction { summary: String },
    Fallback { model: String, category: Option<RefusalCategory> },
}

/// A tool that the server runs.
#[derive(Clone, Debug)]
pub(super) enum ServerTool {
    WebSearch { query: String, pages: usize },
    WebFetch { url: String, text: String },
    CodeExecution { code: String, stdout: String },
    Bash { command: String, stdout: String },
    TextEditor { path: String, text: String },
    ToolSearch { regex: bool, query: String, found: Vec<String> },
}

impl Block {
    /// Text. An empty one makes no block.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Kind::Text { text: text.into(), citations: Vec::new() })
    }

    /// Thinking that can be read.
    pub fn thinking(text: impl Into<String>) -> Self {
        Self(Kind::Thinking { text: text.into(), shown: true })
    }

    /// Thinking that is left out: a signature stands for it, and it costs what the text would.
    pub fn omitted_thinking(text: impl Into<String>) -> Self {
        Self(Kind::Thinking { text: text.into(), shown: false })
    }

    /// Thinking that was taken out for safety: opaque data, and it costs what the text would.
    pub fn redacted_thinking(text: impl Into<String>) -> Self {
        Self(Kind::RedactedThinking { text: text.into() })
    }

    /// A call of one of the client's tools. Its input should be an object.
    pub fn tool_use(name: impl Into<String>, input: Value) -> Self {
        Self(Kind::ToolUse { name: name.into(), input })
    }

    /// A web search that finds so many pages, 100 at the most.
    pub fn web_search(query: impl Into<String>, pages: usize) -> Self {
        Self::server(ServerTool::WebSearch { query: query.into(), pages: pages.min(100) })
    }

    /// A page that is fetched.
    pub fn web_fetch(url: impl Into<String>, text: impl Into<String>) -> Self {
        Self::server(ServerTool::WebFetch { url: url.into(), text: text.into() })
    }

    /// Code that is run in a container, by the first tool of that kind.
    pub fn code_execution(code: impl Into<String>, stdout: impl Into<String>) -> Self {
        Self::server(ServerTool::CodeExecution { code: code.into(), stdout: stdout.into() })
    }

    /// A command that is run in a container.
    pub fn bash_code_execution(command: impl Into<String>, stdout: impl Into<String>) -> Self {
        Self::server(ServerTool::Bash { command: command.into(), stdout: stdout.into() })
    }

    /// A file that is written in a container.
    pub fn text_editor_code_execution(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::server(ServerTool::TextEditor { path: path.into(), text: text.into() })
    }

    /// A search among the request's tools, which finds these names. `regex` says which of the two tools it is.
    pub fn tool_search(
        regex: bool,
        query: impl Into<String>,
        found: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let found = found.into_iter().map(Into::into).collect();
        Self::server(ServerTool::ToolSearch { regex, query: query.into(), found })
    }

    /// A call of a tool of an MCP server, and its result (beta).
    pub fn mcp_call(
        server: impl Into<String>,
        tool: impl Into<String>,
        input: Value,
        result: impl Into<String>,
    ) -> Self {
        Self(Kind::McpCall { server: server.into(), tool: tool.into(), input, result: result.into() })
    }

    /// Advice of another model (beta). Its tokens stand in `usage.iterations` alone, at that model's name.
    pub fn advice(model: impl Into<String>, text: impl Into<String>) -> Self {
        Self(Kind::Advice { model: model.into(), text: text.into() })
    }

    /// A file that code left in its container.
    #[must_use]
    pub const fn container_upload() -> Self {
        Self(Kind::ContainerUpload)
    }

    /// A summary in the place of the conversation (beta). It belongs before anything else. What was read so far
    /// goes to an iteration of its own, and the counts at the top of `usage` become smaller.
    pub fn compaction(summary: impl Into<String>) -> Self {
        Self(Kind::Compaction { summary: summary.into() })
    }

    /// The model that was asked declines, and this one goes on (beta).
    pub fn fallback(model: impl Into<String>, category: Option<RefusalCategory>) -> Self {
        Self(Kind::Fallback { model: model.into(), category })
    }

    /// Adds a citation to a text; of no effect elsewhere.
    #[must_use]
    pub fn cited(mut self, citation: Citation) -> Self {
        if let Kind::Text { citations, .. } = &mut self.0 {
            citations.push(citation);
        }
        self
    }

    /// The server's tool fails with this `error_code`, such as `max_uses_exceeded` or `unavailable`; of no effect
    /// elsewhere. The message goes on, and a search that fails is not counted.
    #[must_use]
    pub fn failing(mut self, error_code: impl Into<String>) -> Self {
        if let Kind::ServerTool { failure, .. } = &mut self.0 {
            *failure = Some(error_code.into());
        }
        self
    }

    const fn server(tool: ServerTool) -> Self {
        Self(Kind::ServerTool { tool, failure: None })
    }
}
