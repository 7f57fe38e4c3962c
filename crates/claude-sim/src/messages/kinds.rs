//! One reply of every kind, by name.

use serde_json::{Value, json};

use super::block::Block;
use super::citation::Citation;
use super::reply::Reply;
use super::stop::{RefusalCategory, StopReason};

/// A reply of [`Reply::every_kind`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NamedReply {
    /// What the header `x-sim-reply` calls it.
    pub name: &'static str,
    /// The reply.
    pub reply: Reply,
    /// The fields that a request needs for such an answer, besides `model`, `max_tokens` and `messages`: an object.
    /// The simulator gives it without them too; the API would not.
    pub fields: Value,
    /// The values of `anthropic-beta` that it needs.
    pub betas: &'static [&'static str],
}

impl Reply {
    /// One reply of every kind that the simulator has, each with another name: every block, every delta, every stop
    /// reason. For tests that go through all that a client may meet.
    #[must_use]
    pub fn every_kind() -> Vec<NamedReply> {
        let mut kinds = plain();
        kinds.extend(tools());
        kinds.extend(betas());
        kinds.extend(ends());
        kinds
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::every_kind().into_iter().find(|kind| kind.name == name).map(|kind| kind.reply)
    }
}

const TEXT: &str = "One, “zwei”, три, 四, 🦀, and so on to the end.";

fn kind(name: &'static str, reply: Reply) -> NamedReply {
    NamedReply { name, reply, fields: json!({}), betas: &[] }
}

fn with(name: &'static str, fields: Value, blocks: impl IntoIterator<Item = Block>) -> NamedReply {
    NamedReply { fields, ..kind(name, Reply::of(blocks)) }
}

fn ending(name: &'static str, reason: StopReason) -> NamedReply {
    kind(name, Reply::text(TEXT).stopping_with(reason))
}

fn plain() -> Vec<NamedReply> {
    let thinking = json!({"thinking": {"type": "adaptive", "display": "summarized"}});
    let omitted = json!({"thinking": {"type": "adaptive", "display": "omitted"}});
    let text = || Block::text(TEXT);
    let thought = "The caller wants every kind … 漢字.";
    vec![
        kind("text", Reply::of([text()])),
        kind("texts", Reply::of([text(), Block::text("A second block."), text()])),
        kind("empty", Reply::of([])),
        kind(
            "citations",
            Reply::of([
                text().cited(Citation::characters(0, "四", 17..18)).cited(Citation::pages(1, "Seite", 3..5)),
                text().cited(Citation::blocks(2, "block", 0..1)),
                text().cited(Citation::search_result(0, "https://example.com/", "found", 0..2)),
            ]),
        ),
        with("thinking", thinking.clone(), [Block::thinking(thought), text()]),
        with("omitted_thinking", omitted, [Block::omitted_thinking(thought), text()]),
        with("redacted_thinking", thinking.clone(), [Block::redacted_thinking(thought), text()]),
        with("thoughts", thinking, [Block::thinking(thought), text(), Block::thinking("Once more."), text()]),
    ]
}

fn tools() -> Vec<NamedReply> {
    let client = json!({"tools": [{"name": "get_weather", "input_schema": {"type": "object"}}]});
    let server = |kind: &str, name: &str| json!({"tools": [{"type": kind, "name": name}]});
    let call = |city: &str| Block::tool_use("get_weather", json!({"city": city}));
    let search = || server("web_search_20250305", "web_search");
    let code = || server("code_execution_20250825", "code_execution");
    let found = "found on 漢字";
    vec![
        with("tool_use", client.clone(), [Block::text(TEXT), call("Zürich")]),
        with("tool_uses", client, [call("東京"), Block::tool_use("now", json!({})), call("🦀")]),
        with(
            "web_search",
            search(),
            [
                Block::text("I look that up."),
                Block::web_search("漢字", 3),
                Block::text(TEXT).cited(Citation::web("https://example.com/0", "Page 0", found)),
            ],
        ),
        with(
            "web_search_failed",
            search(),
            [Block::web_search("x", 0).failing("max_uses_exceeded"), Block::text(TEXT)],
        ),
        with(
            "web_fetch",
            server("web_fetch_20250910", "web_fetch"),
            [Block::web_fetch("https://example.com/", "A page, 漢字."), Block::text(TEXT)],
        ),
        with(
            "code_execution",
            server("code_execution_20250522", "code_execution"),
            [Block::code_execution("print('é')", "é\n"), Block::text(TEXT)],
        ),
        with(
            "bash_code_execution",
            code(),
            [
                Block::bash_code_execution("ls", "a\nb\n"),
                Block::bash_code_execution("ls", "").failing("unavailable"),
                Block::text(TEXT),
            ],
        ),
        with(
            "text_editor_code_execution",
            code(),
            [Block::text_editor_code_execution("/tmp/a", "é"), Block::container_upload(), Block::text(TEXT)],
        ),
        with(
            "tool_search",
            server("tool_search_tool_regex_20251119", "tool_search_tool_regex"),
            [Block::tool_search(true, ".*", ["get_weather"]), call("Köln")],
        ),
        with("pause_turn", search(), [Block::web_search("long", 2)]).stopping(StopReason::PauseTurn),
        with("several_message_deltas", search(), [Block::web_search("a", 1), Block::text(TEXT)]).telling(),
    ]
}

fn betas() -> Vec<NamedReply> {
    let advisor =
        json!({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}]});
    let edits = json!({"context_management": {"edits": [{"type": "compact_20260112"}]}});
    let fallbacks = json!({"fallbacks": [{"model": "claude-sonnet-5-5"}]});
    let servers =
        json!({"mcp_servers": [{"type": "url", "name": "files", "url": "https://example.com/mcp"}]});
    let text = || Block::text(TEXT);
    let compaction = || Block::compaction("All that was said, in short: 漢字.");
    let fallback = || Block::fallback("claude-sonnet-5-5", Some(RefusalCategory::Cyber));
    vec![
        with(
            "mcp",
            servers,
            [Block::mcp_call("files", "read", json!({"path": "/é"}), "its content"), text()],
        )
        .in_beta(&["mcp-client-2025-11-20"]),
        with("advice", advisor, [text(), Block::advice("claude-opus-5-5", "Begin at the end."), text()])
            .in_beta(&["advisor-tool-2026-03-01"]),
        with("compaction", edits.clone(), [compaction(), text()]).in_beta(&["compact-2026-01-12"]),
        with("compaction_alone", edits, [compaction()])
            .in_beta(&["compact-2026-01-12"])
            .stopping(StopReason::Compaction),
        with("fallback", fallbacks.clone(), [fallback(), text()])
            .in_beta(&["server-side-fallback-2026-07-01"]),
        with("fallback_in_mid_output", fallbacks, [text(), fallback(), text()])
            .in_beta(&["server-side-fallback-2026-07-01"]),
    ]
}

fn ends() -> Vec<NamedReply> {
    vec![
        kind("refusal", Reply::refusal(Some(RefusalCategory::Cyber))),
        kind("refusal_unnamed", Reply::refusal(None)),
        kind("refusal_billed", Reply::refusal(Some(RefusalCategory::Bio))),
        ending("refusal_in_mid_output", StopReason::Refusal(Some(RefusalCategory::GeneralHarms))),
        ending("max_tokens", StopReason::MaxTokens),
        NamedReply {
            fields: json!({"stop_sequences": ["STOP"]}),
            ..ending("stop_sequence", StopReason::StopSequence("STOP".into()))
        },
        ending("model_context_window_exceeded", StopReason::ModelContextWindowExceeded),
    ]
}

impl NamedReply {
    fn stopping(mut self, reason: StopReason) -> Self {
        self.reply = self.reply.stopping_with(reason);
        self
    }

    fn telling(mut self) -> Self {
        self.reply = self.reply.telling_usage_between_blocks();
        self
    }

    const fn in_beta(mut self, betas: &'static [&'static str]) -> Self {
        self.betas = betas;
        self
    }
}
