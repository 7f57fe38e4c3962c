//! A prompt as the cache sees it.

use std::time::Duration;

use super::blocks::{Block, Body};
use super::breakpoints::{self, Placed};
use super::{Plan, PromptCache, Ttl};
use crate::digest::Digest;
use crate::errors::ApiError;
use crate::tokens;

/// How far a lookup goes back, with the breakpoint itself. Uses of tools that follow each other count as one
/// position, and so do their results.
const LOOKBACK: usize = 20;

/// The row of blocks, and what it costs.
pub(crate) struct Prompt {
    tools: Vec<Block>,
    system: Vec<Block>,
    messages: Vec<Block>,
    /// The breakpoint of each block, in this order.
    breakpoints: Vec<Option<Ttl>>,
    settings: u64,
}

/// For whom and by what a prompt is read: nothing is shared beyond it.
pub(crate) struct Scope<'a> {
    /// Workspaces of two organisations may have the same id.
    pub(crate) organization: &'a str,
    pub(crate) workspace: &'a str,
    pub(crate) model: &'a str,
    pub(crate) speed: &'a str,
    /// A shorter prefix is not cached.
    pub(crate) min_tokens: u64,
}

/// A place where a prefix may end.
struct Position {
    digest: u64,
    /// The tokens up to here.
    tokens: u64,
    run: Option<Run>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Uses,
    Results,
}

impl Prompt {
    /// The prompt of a body that has been looked through already.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let may_be_cached = str::from_utf8(body).is_ok_and(|body| body.contains("cache_control"));
        let prompt = Self::read_with(body, may_be_cached)?;
        // The name may have been written with escapes.
        if !may_be_cached && prompt.has_breakpoints() { Self::read_with(body, true) } else { Ok(prompt) }
    }

    fn read_with(body: &[u8], digests: bool) -> Result<Self, ApiError> {
        let body = Body::read(body, digests).map_err(|error| ApiError::invalid(error.to_string()))?;
        let Body { tools, system, messages, cache_control, settings } = body;
        let sections = [("tools", &tools), ("system", &system), ("messages", &messages)];
        let placed: Vec<_> = sections
            .into_iter()
            .flat_map(|(section, blocks)| blocks.iter().map(move |block| Placed { section, block }))
            .collect();
        let breakpoints = breakpoints::of(&placed, cache_control.as_ref())?;
        Ok(Self { tools, system, messages, breakpoints, settings })
    }

    /// All of the input.
    pub(crate) fn tokens(&self) -> u64 {
        let (bytes, media) = self
            .blocks()
            .fold((0, 0), |(bytes, media), block| (bytes + block.tally.bytes, media + block.tally.media));
        tokens::of_prompt(bytes, media)
    }

    /// What the cache does for it now.
    pub(crate) fn plan(&self, scope: &Scope<'_>, cache: &PromptCache, now: Duration) -> Plan {
        let mut plan = Plan::without_cache(self.tokens());
        if !self.has_breakpoints() {
            return plan;
        }
        let positions = self.positions(scope);
        let marked: Vec<_> = (positions.iter().zip(&self.breakpoints).enumerate())
            .filter(|(_, (position, _))| position.tokens >= scope.min_tokens)
            .filter_map(|(index, (position, ttl))| Some((index, position, (*ttl)?)))
            .collect();
        // The last breakpoint that finds anything finds the most.
        let found = marked.iter().rev().find_map(|&(index, ..)| look_back(&positions[..=index], cache, now));
        let mut done = found.map_or(0, |found| positions[found].tokens);
        plan.input.cache_read = done;
        plan.uses.extend(found.map(|found| positions[found].digest));
        for (index, position, ttl) in marked {
            if found.is_some_and(|found| index <= found) {
                plan.uses.push(position.digest);
                continue;
            }
            let tokens = position.tokens - done;
            match ttl {
                Ttl::FiveMinutes => plan.input.cache_write_5m += tokens,
                Ttl::OneHour => plan.input.cache_write_1h += tokens,
            }
            done = position.tokens;
            plan.writes.push((position.digest, ttl));
        }
        plan.input.input -= done;
        plan
    }

    fn has_breakpoints(&self) -> bool {
        self.breakpoints.iter().any(Option::is_some)
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.tools.iter().chain(&self.system).chain(&self.messages)
    }

    /// Every position with the digest of all before it. What changes between sections makes new ones from there on:
    /// the speed, citations and the web search for system and messages, images and the settings for messages.
    fn positions(&self, scope: &Scope<'_>) -> Vec<Position> {
        let mut chain = Digest::new();
        chain.text(scope.organization);
        chain.text(scope.workspace);
        chain.text(scope.model);
        let mut row = Row { chain, bytes: 0, media: 0, positions: Vec::new() };
        for tool in &self.tools {
            row.push(tool, !is_web_search(tool));
        }
        row.chain.text(scope.speed);
        row.chain.number(u64::from(self.blocks().any(|block| block.tally.cites)));
        for tool in self.tools.iter().filter(|tool| is_web_search(tool)) {
            row.chain.number(tool.tally.digest.finish());
        }
        for block in &self.system {
            row.push(block, true);
        }
        row.chain.number(self.settings);
        row.chain.number(u64::from(self.blocks().any(|block| block.tally.images)));
        for block in &self.messages {
            row.push(block, true);
        }
        row.positions
    }
}

/// Positions in the making.
struct Row {
    chain: Digest,
    bytes: u64,
    media: u64,
    positions: Vec<Position>,
}

impl Row {
    /// A block that does not tell makes no other prefix.
    fn push(&mut self, block: &Block, tells: bool) {
        if tells {
            self.chain.number(block.tally.digest.finish());
        }
        self.bytes += block.tally.bytes;
        self.media += block.tally.media;
        let run = match block.kind.as_str() {
            "tool_use" | "server_tool_use" | "mcp_tool_use" => Some(Run::Uses),
            "tool_result" => Some(Run::Results),
            _ => None,
        };
        let tokens = tokens::of_prompt(self.bytes, self.media);
        self.positions.push(Position { digest: self.chain.finish(), tokens, run });
    }
}

/// The last position that the cache holds, if it is not too far back.
fn look_back(positions: &[Position], cache: &PromptCache, now: Duration) -> Option<usize> {
    let mut looked = 0;
    let mut run = None;
    for (index, position) in positions.iter().enumerate().rev() {
        looked += usize::from(position.run.is_none() || position.run != run);
        run = position.run;
        if looked > LOOKBACK {
            return None;
        }
        if cache.holds(position.digest, now) {
            return Some(index);
        }
    }
    None
}

fn is_web_search(tool: &Block) -> bool {
    tool.kind.starts_with("web_search_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_only_after_it_was_redeemed() {
        let body = format!(
            r#"{{"system":[{{"type":"text","text":"{}","cache_control":{{"type":"ephemeral"}}}}],"messages":[]}}"#,
            "x".repeat(7_000)
        );
        let prompt = Prompt::read(body.as_bytes()).unwrap();
        let scope =
            Scope { organization: "o", workspace: "w", model: "m", speed: "standard", min_tokens: 512 };
        let mut cache = PromptCache::default();
        let now = Duration::ZERO;
        let plans = [prompt.plan(&scope, &cache, now), prompt.plan(&scope, &cache, now)];
        assert!(plans.iter().all(|plan| plan.input.cache_write_5m > 2_000 && plan.input.cache_read == 0));
        for (digest, ttl) in &plans[0].writes {
            cache.write(*digest, *ttl, now);
        }
        let found = prompt.plan(&scope, &cache, now);
        assert_eq!(found.input.cache_read, plans[0].input.cache_write_5m);
        assert_eq!(found.uncached(), plans[0].input.input);
    }

    #[test]
    fn digests_are_taken_only_for_breakpoints() {
        let text = "x".repeat(7_000);
        let read = |system: &str| {
            let messages = r#"[{"role":"user","content":"Hello"}]"#;
            Prompt::read(format!(r#"{{"system":[{system}],"messages":{messages}}}"#).as_bytes()).unwrap()
        };
        let plain = read(&format!(r#"{{"type":"text","text":"{text}"}}"#));
        assert!(plain.blocks().count() == 2 && plain.blocks().all(|block| !block.tally.digests));
        let scope =
            Scope { organization: "o", workspace: "w", model: "m", speed: "standard", min_tokens: 512 };
        let mut written = Vec::new();
        for name in ["cache_control", r"cache\u005fcontrol"] {
            let marked =
                read(&format!(r#"{{"type":"text","text":"{text}","{name}":{{"type":"ephemeral"}}}}"#));
            assert!(marked.blocks().all(|block| block.tally.digests));
            assert_eq!(marked.tokens(), plain.tokens());
            written.push(marked.plan(&scope, &PromptCache::default(), Duration::ZERO).writes);
        }
        assert!(written[0].len() == 1 && written[0] == written[1]);
    }
}
