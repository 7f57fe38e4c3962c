//! The request's tools: which one the answer calls.

use serde_json::Value;

use super::block::{Block, Kind};
use super::fields::{self, Object};
use super::request;
use crate::errors::ApiError;
use crate::models::Catalogue;

/// The tools, and the choice among them.
pub(super) struct Tools<'a> {
    client: Vec<Tool<'a>>,
    /// Those that the server runs, by their types.
    server: Vec<(&'a str, &'a Object)>,
    choice: Choice<'a>,
}

#[derive(Clone, Copy)]
pub(super) struct Tool<'a> {
    pub(super) name: &'a str,
    pub(super) input_schema: &'a Value,
}

#[derive(PartialEq, Eq)]
enum Choice<'a> {
    Auto,
    None,
    Any,
    Named(&'a str),
}

impl<'a> Tools<'a> {
    pub(super) fn read(body: &'a Object, models: &Catalogue) -> Result<Self, ApiError> {
        let mut client = Vec::new();
        let mut server = Vec::new();
        let mut names = Vec::new();
        let tools =
            fields::optional(body, "tools").map_or(Ok(&[][..]), |tools| fields::list(tools, "tools"))?;
        for (index, tool) in tools.iter().enumerate() {
            let at = format!("tools.{index}");
            let tool = fields::object(tool, &at)?;
            // Tools of any other type are the server's, or are defined by it.
            if let Some(kind) = fields::optional(tool, "type").filter(|&kind| kind != "custom") {
                names.extend(tool.get("name").and_then(Value::as_str));
                let kind = fields::string(kind, &fields::path(&at, "type"))?;
                if let Some(model) = fields::optional(tool, "model").filter(|_| is_of(kind, "advisor")) {
                    request::callable(models, fields::string(model, &fields::path(&at, "model"))?)?;
                }
                server.push((kind, tool));
                continue;
            }
            let at = if tool.contains_key("type") { format!("{at}.custom") } else { at };
            let name = fields::string(fields::required(tool, &at, "name")?, &fields::path(&at, "name"))?;
            let input_schema = fields::required(tool, &at, "input_schema")?;
            fields::object(input_schema, &fields::path(&at, "input_schema"))?;
            names.push(name);
            client.push(Tool { name, input_schema });
        }
        let choice = Choice::read(body)?;
        match choice {
            Choice::Named(name) if !names.contains(&name) => {
                Err(ApiError::invalid(format!("Tool '{name}' not found in provided tools")))
            }
            Choice::Any if names.is_empty() => {
                Err(fields::wrong("tool_choice", "may only be specified while providing `tools`"))
            }
            choice => Ok(Self { client, server, choice }),
        }
    }

    /// Whether the model has no choice but to call a tool.
    pub(super) const fn is_forced(&self) -> bool {
        matches!(self.choice, Choice::Any | Choice::Named(_))
    }

    /// One use of each tool that the server runs. Those that it only defines (`bash_20250124`, `memory_20250818`,
    /// …) are the client's to run, and are not used.
    pub(super) fn used(&self, query: &str) -> Vec<Kind> {
        if self.choice == Choice::None {
            return Vec::new();
        }
        let blocks = self.server.iter().filter_map(|(kind, tool)| self.one_use(kind, tool, query));
        blocks.map(|block| block.0).collect()
    }

    fn one_use(&self, kind: &str, tool: &Object, query: &str) -> Option<Block> {
        let names = || self.client.iter().take(3).map(|tool| tool.name);
        let named = |family| is_of(kind, family);
        Some(if named("web_search") {
            Block::web_search(query, 3)
        } else if named("web_fetch") {
            Block::web_fetch("https://example.com/", "An example, 漢字 🦀.")
        } else if kind == "code_execution_20250522" {
            Block::code_execution("print(6 * 7)", "42\n")
        } else if named("code_execution") {
            Block::bash_code_execution("echo $((6 * 7))", "42\n")
        } else if kind.starts_with("tool_search_tool_regex") {
            Block::tool_search(true, ".*", names())
        } else if kind.starts_with("tool_search_tool_bm25") {
            Block::tool_search(false, query, names())
        } else if named("advisor") {
            let model = tool.get("model").and_then(Value::as_str)?;
            Block::advice(model, "Think of the edge cases first.")
        } else {
            return None;
        })
    }

    /// The tool to call: the named one, else the first. Without force, none right after results.
    pub(super) fn called(&self, after_results: bool) -> Option<Tool<'a>> {
        match self.choice {
            Choice::None => None,
            Choice::Auto if after_results => None,
            Choice::Auto | Choice::Any => self.client.first().copied(),
            Choice::Named(name) => self.client.iter().find(|tool| tool.name == name).copied(),
        }
    }
}

/// Whether it is of a family of types that have their dates at the end.
fn is_of(kind: &str, family: &str) -> bool {
    kind.strip_prefix(family).is_some_and(|rest| rest.starts_with("_20"))
}

impl<'a> Choice<'a> {
    fn read(body: &'a Object) -> Result<Self, ApiError> {
        let Some(choice) = fields::optional(body, "tool_choice") else {
            return Ok(Self::Auto);
        };
        let choice = fields::object(choice, "tool_choice")?;
        match fields::string(fields::required(choice, "tool_choice", "type")?, "tool_choice.type")? {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "any" => Ok(Self::Any),
            "tool" => {
                let name = fields::required(choice, "tool_choice.tool", "name")?;
                fields::string(name, "tool_choice.tool.name").map(Self::Named)
            }
            _ => {
                let complaint = "Input should be 'auto', 'any', 'tool' or 'none'";
                Err(fields::wrong("tool_choice.type", complaint))
            }
        }
    }
}
