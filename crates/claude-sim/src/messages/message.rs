//! The answer to a message: composed whole, and written as JSON.

use fastrand::Rng;
use serde::Serialize;
use serde_json::Value;

use super::reply::Reply;
use super::request::Asked;
use super::thinking::Thinking;
use super::usage::Usage;
use super::{schema, text, tokens};
use crate::seed;

pub(super) struct Message {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) content: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) usage: Usage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Thinking { thinking: String, signature: String },
    Text { text: String },
    ToolUse { id: String, name: String, input: Value, caller: Caller },
}

/// Who calls a tool.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Caller {
    Direct,
}

pub(super) enum Stop {
    EndTurn,
    ToolUse,
    MaxTokens,
    Sequence(String),
}

impl Stop {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::ToolUse => "tool_use",
            Self::MaxTokens => "max_tokens",
            Self::Sequence(_) => "stop_sequence",
        }
    }

    pub(super) fn sequence(&self) -> Option<&str> {
        match self {
            Self::Sequence(sequence) => Some(sequence),
            Self::EndTurn | Self::ToolUse | Self::MaxTokens => None,
        }
    }
}

impl Message {
    pub(super) fn compose(asked: &Asked<'_>, reply: &Reply, rng: &mut Rng) -> Self {
        let id = seed::id("msg_01", 22, rng);
        let mut writer = Writer { left: reply.budget(asked.max_tokens), spent: 0, content: Vec::new() };
        let (stop, thinking_tokens) = writer.write(asked, reply, rng);
        let Writer { spent, content, .. } = writer;
        // Even an empty answer costs a token, unless none was allowed.
        let output = if asked.max_tokens == 0 { spent } else { spent.max(1) };
        let usage = Usage::new(asked.input_tokens, reply.cache, asked.inference_geo, asked.speed)
            .with_output(output, thinking_tokens);
        Self { id, model: asked.model.id().to_owned(), content, stop, usage }
    }

    pub(super) fn as_json(&self) -> impl Serialize {
        let stop = (Some(self.stop.reason()), self.stop.sequence());
        Envelope::new(self, &self.content, stop, self.usage.clone())
    }

    /// As a stream shows it first: empty, and without an end.
    pub(super) fn as_start_json(&self) -> impl Serialize {
        Envelope::new(self, &[], (None, None), self.usage.at_start())
    }
}

/// Writes blocks for as long as there are tokens left.
struct Writer {
    left: u64,
    spent: u64,
    content: Vec<Block>,
}

impl Writer {
    /// Why it ended, and how many tokens were thought.
    fn write(&mut self, asked: &Asked<'_>, reply: &Reply, rng: &mut Rng) -> (Stop, Option<u64>) {
        let thinking_tokens = match asked.thinking {
            Thinking::Off => None,
            shown => {
                let whole = self.think(shown == Thinking::Shown, rng);
                if !whole {
                    return (Stop::MaxTokens, Some(self.spent));
                }
                Some(self.spent)
            }
        };
        (self.speak(asked, reply, rng), thinking_tokens)
    }

    /// Says whether the thought came to its end.
    fn think(&mut self, shown: bool, rng: &mut Rng) -> bool {
        let thought = text::thought(rng);
        let signature = seed::signature(rng);
        let (thinking, whole) = self.fit(&thought);
        let thinking = if shown { thinking.to_owned() } else { String::new() };
        self.content.push(Block::Thinking { thinking, signature });
        whole
    }

    fn speak(&mut self, asked: &Asked<'_>, reply: &Reply, rng: &mut Rng) -> Stop {
        let may_call = reply.is_echo() || asked.tools.is_forced();
        let tool = asked.tools.called(asked.conversation.brings_results).filter(|_| may_call);
        if tool.is_none() || !asked.tools.is_forced() {
            let text = reply.make(&asked.conversation.excerpt, rng);
            let (before, sequence) = until_stop(&text, &asked.stop_sequences);
            let (said, whole) = self.fit(before);
            if !said.is_empty() {
                self.content.push(Block::Text { text: said.to_owned() });
            }
            if !whole {
                return Stop::MaxTokens;
            }
            if let Some(sequence) = sequence {
                return Stop::Sequence(sequence.to_owned());
            }
        }
        let Some(tool) = tool else {
            // Nothing at all fits into no tokens.
            return if self.left == 0 && self.spent == 0 { Stop::MaxTokens } else { Stop::EndTurn };
        };
        let input = schema::smallest_input(tool.input_schema);
        let cost = tokens::of_text(tool.name) + tokens::of_text(&input.to_string());
        if cost > self.left {
            return Stop::MaxTokens;
        }
        self.spend(cost);
        let id = seed::id("toolu_01", 22, rng);
        self.content.push(Block::ToolUse { id, name: tool.name.to_owned(), input, caller: Caller::Direct });
        Stop::ToolUse
    }

    /// As much of the text as the tokens allow, and whether that is all of it.
    fn fit<'a>(&mut self, text: &'a str) -> (&'a str, bool) {
        let fitted = tokens::fitting(text, self.left);
        let whole = fitted.len() == text.len();
        // What is cut has used up all there was, even if the last character left a rest.
        self.spend(if whole { tokens::of_text(fitted) } else { self.left });
        (fitted, whole)
    }

    const fn spend(&mut self, tokens: u64) {
        self.left -= tokens;
        self.spent += tokens;
    }
}

/// The text before the first stop sequence in it, and that.
fn until_stop<'a>(text: &'a str, sequences: &[&'a str]) -> (&'a str, Option<&'a str>) {
    let found = sequences.iter().filter_map(|&sequence| Some((text.find(sequence)?, sequence)));
    match found.min_by_key(|&(at, _)| at) {
        Some((at, sequence)) => (&text[..at], Some(sequence)),
        None => (text, None),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    model: &'a str,
    id: &'a str,
    r#type: &'static str,
    role: &'static str,
    content: &'a [Block],
    container: (),
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    stop_details: (),
    usage: Usage,
    diagnostics: (),
}

impl<'a> Envelope<'a> {
    fn new(
        message: &'a Message,
        content: &'a [Block],
        (stop_reason, stop_sequence): (Option<&'static str>, Option<&'a str>),
        usage: Usage,
    ) -> Self {
        Self {
            model: &message.model,
            id: &message.id,
            r#type: "message",
            role: "assistant",
            content,
            container: (),
            stop_reason,
            stop_sequence,
            stop_details: (),
            usage,
            diagnostics: (),
        }
    }
}
