//! The tools that the server runs: what their use and their result look like.

use serde_json::{Value, json};

use super::block::ServerTool;
use super::content::{
    Caller, Citable, Content, Document, Edited, ExplainedFailure, Failure, Fetched, Found, Page, Ran, Source,
    ToolReference, ToolsFound,
};
use super::usage::Counted;

impl ServerTool {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::WebSearch { .. } => "web_search",
            Self::WebFetch { .. } => "web_fetch",
            Self::CodeExecution { .. } => "code_execution",
            Self::Bash { .. } => "bash_code_execution",
            Self::TextEditor { .. } => "text_editor_code_execution",
            Self::ToolSearch { regex: true, .. } => "tool_search_tool_regex",
            Self::ToolSearch { regex: false, .. } => "tool_search_tool_bm25",
        }
    }

    pub(super) fn input(&self) -> Value {
        match self {
            Self::WebSearch { query, .. } | Self::ToolSearch { regex: false, query, .. } => {
                json!({"query": query})
            }
            Self::WebFetch { url, .. } => json!({"url": url}),
            Self::CodeExecution { code, .. } => json!({"code": code}),
            Self::Bash { command, .. } => json!({"command": command}),
            Self::TextEditor { path, text } => {
                json!({"command": "create", "file_text": text, "path": path})
            }
            Self::ToolSearch { regex: true, query, .. } => json!({"pattern": query}),
        }
    }

    /// Errors of searches are not billed.
    pub(super) const fn counted(&self, failed: bool) -> Counted {
        match self {
            Self::WebSearch { .. } if !failed => Counted::WebSearch,
            Self::WebFetch { .. } if !failed => Counted::WebFetch,
            _ => Counted::No,
        }
    }

    /// Whether it runs in a container, which the answer then names.
    pub(super) const fn is_contained(&self) -> bool {
        matches!(self, Self::CodeExecution { .. } | Self::Bash { .. } | Self::TextEditor { .. })
    }

    /// The result's block.
    pub(super) fn result(&self, tool_use_id: String, failure: Option<&str>) -> Content {
        let caller = Caller::Direct;
        match self {
            Self::WebSearch { query, pages } => {
                let content = match failed(failure, "web_search_tool_result_error") {
                    Some(failure) => Found::Failed(failure),
                    None => Found::Pages((0..*pages).map(|index| page(query, index)).collect()),
                };
                Content::WebSearchToolResult { caller, tool_use_id, content }
            }
            Self::WebFetch { url, text } => {
                let content = match failed(failure, "web_fetch_tool_result_error") {
                    Some(failure) => Fetched::Failed(failure),
                    None => fetched(url, text),
                };
                Content::WebFetchToolResult { caller, tool_use_id, content }
            }
            Self::CodeExecution { stdout, .. } => {
                let failure = failed(failure, "code_execution_tool_result_error");
                let content = ran("code_execution_result", stdout, failure);
                Content::CodeExecutionToolResult { tool_use_id, content }
            }
            Self::Bash { stdout, .. } => {
                let failure = failed(failure, "bash_code_execution_tool_result_error");
                let content = ran("bash_code_execution_result", stdout, failure);
                Content::BashCodeExecutionToolResult { tool_use_id, content }
            }
            Self::TextEditor { .. } => {
                let content = match explained(failure, "text_editor_code_execution_tool_result_error") {
                    Some(failure) => Edited::Failed(failure),
                    None => Edited::Created {
                        r#type: "text_editor_code_execution_create_result",
                        is_file_update: false,
                    },
                };
                Content::TextEditorCodeExecutionToolResult { tool_use_id, content }
            }
            Self::ToolSearch { found, .. } => {
                let content = match explained(failure, "tool_search_tool_result_error") {
                    Some(failure) => ToolsFound::Failed(failure),
                    None => ToolsFound::Tools {
                        r#type: "tool_search_tool_search_result",
                        tool_references: found.iter().map(|name| reference(name)).collect(),
                    },
                };
                Content::ToolSearchToolResult { tool_use_id, content }
            }
        }
    }
}

fn page(query: &str, index: usize) -> Page {
    Page {
        r#type: "web_search_result",
        title: format!("Page {index} on {query} – 漢字"),
        url: format!("https://example.com/{index}"),
        encrypted_content: "EqgfCioIARgBIiQ3YTAwMjY1Mi1mZjM5LTQ1".repeat(8),
        page_age: index.is_multiple_of(2).then(|| "November 20, 2026".into()),
    }
}

fn fetched(url: &str, text: &str) -> Fetched {
    Fetched::Page {
        r#type: "web_fetch_result",
        url: url.into(),
        retrieved_at: Some("2026-11-22T00:00:00Z".into()),
        content: Document {
            r#type: "document",
            source: Source { r#type: "text", media_type: "text/plain", data: text.into() },
            title: Some("A page".into()),
            citations: Some(Citable { enabled: false }),
        },
    }
}

fn ran(kind: &'static str, stdout: &str, failure: Option<Failure>) -> Ran {
    match failure {
        Some(failure) => Ran::Failed(failure),
        None => Ran::Done {
            r#type: kind,
            stdout: stdout.into(),
            stderr: String::new(),
            return_code: 0,
            content: Vec::new(),
        },
    }
}

fn reference(name: &str) -> ToolReference {
    ToolReference { r#type: "tool_reference", tool_name: name.into() }
}

fn failed(error_code: Option<&str>, kind: &'static str) -> Option<Failure> {
    error_code.map(|error_code| Failure { r#type: kind, error_code: error_code.into() })
}

fn explained(error_code: Option<&str>, kind: &'static str) -> Option<ExplainedFailure> {
    error_code.map(|error_code| ExplainedFailure {
        r#type: kind,
        error_code: error_code.into(),
        error_message: None,
    })
}
