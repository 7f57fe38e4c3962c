//! Finding the keys in what TOML was: in a file, or in the list of tables that a variable holds.

use toml::de::{DeTable, DeValue};

use super::{
    error::{ConfigError, ConfigProblemKind},
    finding::{Finding, Place},
    load::Settings,
    schema::{KeyPath, Node, Step, dotted},
    secret::printable,
    suggest,
    value::Item,
};

#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) root: &'a Node,
    pub(super) settings: &'a mut Settings,
    pub(super) findings: &'a mut Vec<Finding>,
    /// The variable that all of it stands in, if it is none of the file's.
    pub(super) variable: Option<Place>,
}

impl Walk<'_> {
    /// A section, or one table of a list: each of its keys for itself.
    pub(super) fn section(&mut self, table: &DeTable<'_>, schema: &Node, path: &mut KeyPath) {
        for (key, value) in table {
            let place = self.place(key.span().start);
            let name = key.get_ref().as_ref();
            let Some((name, node)) = schema.entries().iter().find(|(known, _)| *known == name) else {
                self.unknown(name, value.get_ref(), place, schema, path);
                continue;
            };
            path.push(Step::Name(name));
            match (node, value.get_ref()) {
                (Node::Section(_), DeValue::Table(table)) => self.section(table, node, path),
                (Node::Section(_), other) => {
                    let key = dotted(path);
                    let found = Item::new(other, Place::Nowhere).value.describe();
                    let message = format!("must be a section, written [{key}], but is {found}");
                    let kind = ConfigProblemKind::InvalidValue;
                    self.findings.push(Finding { place, kind, key: Some(key), message });
                }
                (Node::Tables(_), value) => self.tables(value, place, node, path),
                (Node::Key, value) => {
                    self.settings.insert(path.clone(), Item::new(value, place));
                }
            }
            path.pop();
        }
    }

    /// A list of tables. It and each table in it are kept as well, for their places and their number; what they should
    /// not be is found later, when it is known that no variable stands over them.
    pub(super) fn tables(&mut self, list: &DeValue<'_>, place: Place, schema: &Node, path: &mut KeyPath) {
        let DeValue::Array(tables) = list else {
            self.settings.insert(path.clone(), Item::new(list, place));
            return;
        };
        self.settings.insert(path.clone(), Item::list(place));
        for (index, table) in tables.iter().enumerate() {
            path.push(Step::Index(index));
            let place = self.place(table.span().start);
            match table.get_ref() {
                DeValue::Table(entries) => {
                    self.settings.insert(path.clone(), Item::table(place));
                    self.section(entries, schema, path);
                }
                other => {
                    self.settings.insert(path.clone(), Item::new(other, place));
                }
            }
            path.pop();
        }
    }

    fn place(&self, offset: usize) -> Place {
        self.variable.clone().unwrap_or(Place::File(offset))
    }

    fn unknown(&mut self, typed: &str, value: &DeValue<'_>, place: Place, schema: &Node, path: &KeyPath) {
        let what = match value {
            DeValue::Table(_) => "unknown section",
            _ => "unknown key",
        };
        // Looking for what was meant takes time; findings beyond the cap are only counted.
        let meant = (self.findings.len() < ConfigError::KEPT)
            .then(|| meant(typed, self.root, schema, path))
            .flatten();
        let message = match meant {
            Some(meant) => format!("{what}; did you mean {}?", dotted(&meant)),
            None => {
                let names: Vec<&str> = schema.entries().iter().map(|(name, _)| *name).collect();
                format!("{what}; known here: {}", names.join(", "))
            }
        };
        let section = dotted(path);
        let typed = printable(typed);
        let key = if section.is_empty() { typed } else { format!("{section}.{typed}") };
        self.findings.push(Finding { place, kind: ConfigProblemKind::UnknownKey, key: Some(key), message });
    }
}

/// What was meant by a name that is unknown in the section at `path`: a similar one there, or the same one elsewhere.
pub(super) fn meant(typed: &str, root: &Node, section: &Node, path: &KeyPath) -> Option<KeyPath> {
    let names = section.entries().iter().map(|(name, _)| *name);
    if let Some(near) = suggest::nearest(typed, names) {
        return Some(path.iter().copied().chain([Step::Name(near)]).collect());
    }
    let is_meant = |key: &KeyPath| matches!(key.last(), Some(Step::Name(last)) if suggest::same(last, typed));
    root.keys().into_iter().find(is_meant)
}
