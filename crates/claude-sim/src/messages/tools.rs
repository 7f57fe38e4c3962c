//! The request's tools: which one the answer calls.

use serde_json::Value;

use super::fields::{self, Object};
use crate::errors::ApiError;

/// The tools that the client runs, and the choice among them.
pub(super) struct Tools<'a> {
    client: Vec<Tool<'a>>,
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
    pub(super) fn read(body: &'a Object) -> Result<Self, ApiError> {
        let mut client = Vec::new();
        let mut names = Vec::new();
        let tools =
            fields::optional(body, "tools").map_or(Ok(&[][..]), |tools| fields::list(tools, "tools"))?;
        for (index, tool) in tools.iter().enumerate() {
            let at = format!("tools.{index}");
            let tool = fields::object(tool, &at)?;
            // Tools of any other type are the server's, or are defined by it. They are taken and not called.
            if !matches!(fields::optional(tool, "type").map(Value::as_str), None | Some(Some("custom"))) {
                names.extend(tool.get("name").and_then(Value::as_str));
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
            choice => Ok(Self { client, choice }),
        }
    }

    /// Whether the model has no choice but to call a tool.
    pub(super) const fn is_forced(&self) -> bool {
        matches!(self.choice, Choice::Any | Choice::Named(_))
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
