//! Writes the blocks of an answer for as long as there are tokens left.

use fastrand::Rng;
use serde_json::{Value, json};

use super::block::{Kind, ServerTool};
use super::citation::Citation;
use super::content::{Advice, Caller, Content, ModelName, PlainText, Trigger, json_of};
use super::message::Written;
use super::reply::{Reply, Said};
use super::request::Asked;
use super::seal::seal;
use super::stop::{RefusalCategory, StopReason};
use super::thinking::Thinking;
use super::usage::{Counted, Effect, Usage};
use super::{schema, text};
use crate::{seed, tokens};

pub(super) struct Writer<'a> {
    asked: &'a Asked<'a>,
    rng: &'a mut Rng,
    left: u64,
    /// Why it ends when nothing is left.
    full: StopReason,
    thoughts: usize,
    pub(super) content: Vec<Written>,
    pub(super) usage: Usage,
    pub(super) served_by: Option<String>,
    pub(super) is_contained: bool,
}

/// A block did not fit, or a stop sequence came: no more is written.
type Go = Result<(), StopReason>;

impl<'a> Writer<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, reply: &Reply, usage: Usage, rng: &'a mut Rng) -> Self {
        let (left, full) = match asked.room {
            _ if reply.ignores_max_tokens => (u64::MAX, StopReason::MaxTokens),
            room if room < asked.max_tokens => (room, StopReason::ModelContextWindowExceeded),
            _ => (asked.max_tokens, StopReason::MaxTokens),
        };
        let content = Vec::new();
        Self { asked, rng, left, full, thoughts: 0, content, usage, served_by: None, is_contained: false }
    }

    /// Why it ended.
    pub(super) fn write(&mut self, reply: &Reply) -> StopReason {
        let written = match &reply.said {
            Said::Blocks(blocks) => blocks.iter().try_for_each(|block| self.block(&block.0)),
            _ => self.answer(reply),
        };
        match (written, &reply.stop) {
            (Err(stop), _) => stop,
            (Ok(()), Some(StopReason::Refusal(category))) if self.asked.fallback.is_some() => {
                self.go_on_elsewhere(*category)
            }
            (Ok(()), Some(stop)) => stop.clone(),
            (Ok(()), None) => self.natural_end(),
        }
    }

    fn natural_end(&self) -> StopReason {
        match self.content.last().map(|written| &written.content) {
            _ if self.asked.max_tokens == 0 => StopReason::MaxTokens,
            Some(Content::ToolUse { .. }) => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        }
    }

    /// The model declines, and the request names another one, which answers.
    fn go_on_elsewhere(&mut self, category: Option<RefusalCategory>) -> StopReason {
        if let Some(model) = self.asked.fallback {
            self.fall_back(model, category);
        }
        match self.answer(&Reply::echo()) {
            Ok(()) => self.natural_end(),
            Err(stop) => stop,
        }
    }

    /// What the request decides.
    fn answer(&mut self, reply: &Reply) -> Go {
        match self.asked.thinking {
            Thinking::Off => {}
            shown => {
                let thought = text::thought(self.rng);
                self.think(&thought, shown == Thinking::Shown)?;
            }
        }
        let tools = &self.asked.tools;
        let is_echo = matches!(reply.said, Said::Echo);
        let mut citation = None;
        if is_echo && !self.asked.conversation.goes_on {
            for kind in tools.used(&self.asked.conversation.excerpt) {
                if matches!(kind, Kind::ServerTool { tool: ServerTool::WebSearch { .. }, .. }) {
                    citation = Some(Citation::web("https://example.com/0", "Page 0", "…"));
                }
                self.block(&kind)?;
            }
        }
        let may_call = is_echo || tools.is_forced();
        let tool = tools.called(self.asked.conversation.brings_results).filter(|_| may_call);
        if tool.is_none() || !tools.is_forced() {
            let text = reply.make(&self.asked.conversation.excerpt, self.rng);
            self.text(&text, citation.as_slice())?;
        }
        match tool {
            Some(tool) => self.call(tool.name, schema::smallest_input(tool.input_schema)),
            None => Ok(()),
        }
    }

    fn block(&mut self, kind: &Kind) -> Go {
        match kind {
            Kind::Text { text, citations } => self.text(text, citations),
            Kind::Thinking { text, shown } => self.think(text, *shown),
            Kind::RedactedThinking { text } => self.redact(text),
            Kind::ToolUse { name, input } => self.call(name, input.clone()),
            Kind::ServerTool { tool, failure } => self.use_tool(tool, failure.as_deref()),
            Kind::McpCall { server, tool, input, result } => self.call_mcp(server, tool, input, result),
            Kind::Advice { model, text } => self.take_advice(model, text),
            Kind::ContainerUpload => {
                self.is_contained = true;
                let file_id = seed::id("file_011C", 20, self.rng);
                self.push(Content::ContainerUpload { file_id }, 0, None);
                Ok(())
            }
            Kind::Compaction { summary } => {
                let content = Content::Compaction { content: Some(summary.clone()), encrypted_content: None };
                self.push(content, 0, Some(Effect::Compaction { tokens: tokens::of_text(summary) }));
                Ok(())
            }
            Kind::Fallback { model, category } => {
                self.fall_back(model, *category);
                Ok(())
            }
        }
    }

    fn text(&mut self, text: &str, citations: &[Citation]) -> Go {
        let (before, sequence) = until_stop(text, &self.asked.stop_sequences);
        let (said, cost, go) = self.fit(before);
        if said.is_empty() {
            // What was cut before its first character is spent all the same.
            self.usage.write(cost, false);
        } else {
            let citations = (!citations.is_empty()).then(|| citations.to_vec());
            self.push(Content::Text { citations, text: said.to_owned() }, cost, None);
        }
        go?;
        sequence.map_or(Ok(()), |sequence| Err(StopReason::StopSequence(sequence.to_owned())))
    }

    fn think(&mut self, thought: &str, shown: bool) -> Go {
        let (thinking, cost, go) = self.fit(thought);
        let thinking = if shown { thinking.to_owned() } else { String::new() };
        let signature = self.seal(&thinking);
        self.push(Content::Thinking { thinking, signature }, cost, None);
        go
    }

    fn redact(&mut self, thought: &str) -> Go {
        let (_, cost, go) = self.fit(thought);
        let data = self.seal("");
        self.push(Content::RedactedThinking { data }, cost, None);
        go
    }

    fn seal(&mut self, text: &str) -> String {
        let place = self.thoughts;
        self.thoughts += 1;
        seal(place, text, self.rng)
    }

    fn call(&mut self, name: &str, input: Value) -> Go {
        let cost = self.afford_call(name, &input)?;
        let id = seed::id("toolu_01", 22, self.rng);
        let name = name.to_owned();
        self.push(Content::ToolUse { id, name, input, caller: Caller::Direct }, cost, None);
        Ok(())
    }

    fn use_tool(&mut self, tool: &ServerTool, failure: Option<&str>) -> Go {
        let (name, input) = (tool.name(), tool.input());
        let cost = self.afford_call(name, &input)?;
        let id = seed::id("srvtoolu_01", 22, self.rng);
        self.is_contained |= tool.is_contained();
        let result = tool.result(id.clone(), failure);
        self.push(Content::ServerToolUse { id, name, input, caller: Caller::Direct }, cost, None);
        self.push_result(result, tool.counted(failure.is_some()));
        Ok(())
    }

    fn call_mcp(&mut self, server: &str, tool: &str, input: &Value, result: &str) -> Go {
        let cost = self.afford_call(tool, input)?;
        let id = seed::id("mcptoolu_01", 22, self.rng);
        let content = vec![PlainText { r#type: "text", text: result.to_owned() }];
        let result = Content::McpToolResult { tool_use_id: id.clone(), is_error: false, content };
        let (name, server_name) = (tool.to_owned(), server.to_owned());
        self.push(Content::McpToolUse { id, name, server_name, input: input.clone() }, cost, None);
        self.push_result(result, Counted::No);
        Ok(())
    }

    fn take_advice(&mut self, model: &str, advice: &str) -> Go {
        let input = json!({});
        let cost = self.afford_call("advisor", &input)?;
        let id = seed::id("srvtoolu_01", 22, self.rng);
        let content =
            Advice { r#type: "advisor_result", text: advice.to_owned(), stop_reason: Some("end_turn") };
        let result = Content::AdvisorToolResult { tool_use_id: id.clone(), content };
        let effect = Effect::Advice {
            by: self.asked.serving(model),
            input: self.asked.input_tokens,
            output: tokens::of_text(advice),
        };
        let name = "advisor";
        self.push(Content::ServerToolUse { id, name, input, caller: Caller::Direct }, cost, None);
        self.push(result, 0, Some(effect));
        Ok(())
    }

    /// The first hop is from the name that was asked for, which may be an alias.
    fn fall_back(&mut self, to: &str, category: Option<RefusalCategory>) {
        let to = self.asked.serving(to);
        let from = self.served_by.replace(to.model.clone()).unwrap_or_else(|| self.asked.name.to_owned());
        let content = Content::Fallback {
            from: ModelName { model: from },
            to: ModelName { model: to.model.clone() },
            trigger: Trigger { r#type: "refusal", category },
        };
        self.push(content, 0, Some(Effect::Fallback { to }));
    }

    fn push_result(&mut self, result: Content, tool: Counted) {
        let tokens = tokens::of_text(&json_of(&result));
        self.push(result, 0, Some(Effect::Result { tokens, tool }));
    }

    fn push(&mut self, content: Content, tokens: u64, effect: Option<Effect>) {
        if let Some(effect) = &effect {
            self.usage.apply(effect);
        }
        let written = Written { content, tokens, effect };
        self.usage.write(tokens, written.is_thinking());
        self.content.push(written);
    }

    /// As much of the text as the tokens allow, what it costs, and whether that is all of it.
    fn fit<'t>(&mut self, text: &'t str) -> (&'t str, u64, Go) {
        let fitted = tokens::fitting(text, self.left);
        let whole = fitted.len() == text.len();
        // What is cut has used up all there was, even if the last character left a rest.
        let cost = if whole { tokens::of_text(fitted) } else { self.left };
        self.left -= cost;
        (fitted, cost, if whole { Ok(()) } else { Err(self.full.clone()) })
    }

    /// What a call costs. It fits whole or not at all.
    fn afford_call(&mut self, name: &str, input: &Value) -> Result<u64, StopReason> {
        let cost = of_call(name, input);
        self.left = self.left.checked_sub(cost).ok_or_else(|| self.full.clone())?;
        Ok(cost)
    }
}

/// The tokens of a call: its name first, and then its input.
pub(super) fn of_call(name: &str, input: &Value) -> u64 {
    tokens::of_text(name) + tokens::of_text(&input.to_string())
}

/// The text before the first stop sequence in it, and that.
fn until_stop<'a>(text: &'a str, sequences: &[&'a str]) -> (&'a str, Option<&'a str>) {
    let found = sequences.iter().filter_map(|&sequence| Some((text.find(sequence)?, sequence)));
    match found.min_by_key(|&(at, _)| at) {
        Some((at, sequence)) => (&text[..at], Some(sequence)),
        None => (text, None),
    }
}
