//! The blocks of a message as they are on the wire.

use serde::Serialize;
use serde_json::Value;

use super::citation::Citation;
use super::stop::RefusalCategory;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content {
    Text {
        /// Absent where nothing could be cited.
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Vec<Citation>>,
        text: String,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
        caller: Caller,
    },
    ServerToolUse {
        id: String,
        name: &'static str,
        input: Value,
        caller: Caller,
    },
    McpToolUse {
        id: String,
        name: String,
        server_name: String,
        input: Value,
    },
    WebSearchToolResult {
        caller: Caller,
        tool_use_id: String,
        content: Found,
    },
    WebFetchToolResult {
        caller: Caller,
        tool_use_id: String,
        content: Fetched,
    },
    CodeExecutionToolResult {
        tool_use_id: String,
        content: Ran,
    },
    BashCodeExecutionToolResult {
        tool_use_id: String,
        content: Ran,
    },
    TextEditorCodeExecutionToolResult {
        tool_use_id: String,
        content: Edited,
    },
    ToolSearchToolResult {
        tool_use_id: String,
        content: ToolsFound,
    },
    McpToolResult {
        tool_use_id: String,
        is_error: bool,
        content: Vec<PlainText>,
    },
    AdvisorToolResult {
        tool_use_id: String,
        content: Advice,
    },
    ContainerUpload {
        file_id: String,
    },
    Compaction {
        content: Option<String>,
        encrypted_content: Option<String>,
    },
    Fallback {
        from: ModelName,
        to: ModelName,
        trigger: Trigger,
    },
}

/// Who calls a tool.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Caller {
    Direct,
}

/// A list, or an error in its place.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Pages(Vec<Page>),
    Failed(Failure),
}

#[derive(Serialize)]
pub(super) struct Page {
    pub(super) r#type: &'static str,
    pub(super) title: String,
    pub(super) url: String,
    pub(super) encrypted_content: String,
    pub(super) page_age: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Fetched {
    Page { r#type: &'static str, url: String, retrieved_at: Option<String>, content: Document },
    Failed(Failure),
}

#[derive(Serialize)]
pub(super) struct Document {
    pub(super) r#type: &'static str,
    pub(super) source: Source,
    pub(super) title: Option<String>,
    pub(super) citations: Option<Citable>,
}

#[derive(Serialize)]
pub(super) struct Source {
    pub(super) r#type: &'static str,
    pub(super) media_type: &'static str,
    pub(super) data: String,
}

#[derive(Serialize)]
pub(super) struct Citable {
    pub(super) enabled: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Ran {
    Done { r#type: &'static str, stdout: String, stderr: String, return_code: i32, content: Vec<File> },
    Failed(Failure),
}

#[derive(Serialize)]
pub(super) struct File {
    pub(super) r#type: &'static str,
    pub(super) file_id: String,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Edited {
    Created { r#type: &'static str, is_file_update: bool },
    Failed(ExplainedFailure),
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ToolsFound {
    Tools { r#type: &'static str, tool_references: Vec<ToolReference> },
    Failed(ExplainedFailure),
}

#[derive(Serialize)]
pub(super) struct ToolReference {
    pub(super) r#type: &'static str,
    pub(super) tool_name: String,
}

#[derive(Serialize)]
pub(super) struct Advice {
    pub(super) r#type: &'static str,
    pub(super) text: String,
    pub(super) stop_reason: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct PlainText {
    pub(super) r#type: &'static str,
    pub(super) text: String,
}

/// A tool of the server failed; the message goes on.
#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) r#type: &'static str,
    pub(super) error_code: String,
}

#[derive(Serialize)]
pub(super) struct ExplainedFailure {
    pub(super) r#type: &'static str,
    pub(super) error_code: String,
    pub(super) error_message: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ModelName {
    pub(super) model: String,
}

#[derive(Serialize)]
pub(super) struct Trigger {
    pub(super) r#type: &'static str,
    pub(super) category: Option<RefusalCategory>,
}

impl Content {
    /// As `content_block_start` shows it: without what its deltas bring. Blocks without deltas are whole.
    pub(super) fn as_start(&self) -> String {
        let empty = || Value::Object(serde_json::Map::new());
        match self {
            Self::Text { citations, .. } => json_of(&Self::Text {
                citations: citations.as_ref().map(|_| Vec::new()),
                text: String::new(),
            }),
            Self::Thinking { .. } => {
                json_of(&Self::Thinking { thinking: String::new(), signature: String::new() })
            }
            Self::ToolUse { id, name, caller, .. } => {
                let (id, name) = (id.clone(), name.clone());
                json_of(&Self::ToolUse { id, name, input: empty(), caller: *caller })
            }
            Self::ServerToolUse { id, name, caller, .. } => {
                json_of(&Self::ServerToolUse { id: id.clone(), name, input: empty(), caller: *caller })
            }
            Self::McpToolUse { id, name, server_name, .. } => json_of(&Self::McpToolUse {
                id: id.clone(),
                name: name.clone(),
                server_name: server_name.clone(),
                input: empty(),
            }),
            Self::Compaction { .. } => json_of(&Self::Compaction { content: None, encrypted_content: None }),
            whole => json_of(whole),
        }
    }

    /// The name and the input of a tool that is called. The input comes in pieces of JSON.
    pub(super) fn call(&self) -> Option<(&str, &Value)> {
        match self {
            Self::ToolUse { name, input, .. } | Self::McpToolUse { name, input, .. } => Some((name, input)),
            Self::ServerToolUse { name, input, .. } => Some((name, input)),
            _ => None,
        }
    }
}

/// Nothing that is written here can fail: there are no maps with other keys than texts.
pub(super) fn json_of<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
