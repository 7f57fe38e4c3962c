//! The models of 2026-11-22, from the API's documentation on pricing, models and deprecations, and its
//! table of prompts that are too short to be cached (2026-10-07; Fable and Mythos 5.2 are thought to be as 5.1).

use super::{FastMode, Lifecycle, Line, Model, Rules};

/// One row, as the tables of the documentation have it. A day that is not known is empty.
struct Row {
    id: &'static str,
    aliases: &'static [&'static str],
    name: &'static str,
    line: Option<Line>,
    generation: (u8, u8),
    lifecycle: Lifecycle,
    released: &'static str,
    deprecated: &'static str,
    retires: &'static str,
    context: u64,
    output: Option<u64>,
    /// The shortest prompt that is cached, in tokens.
    cached: u64,
    /// The longest prompt that has the usual price, in tokens.
    long: Option<u64>,
    geo: bool,
    fast: FastMode,
}

/// An active model of the current kind; the rows say what is different.
const ACTIVE: Row = Row {
    id: "",
    aliases: &[],
    name: "",
    line: None,
    generation: (5, 5),
    lifecycle: Lifecycle::Active,
    released: "",
    deprecated: "",
    retires: "",
    context: 1_000_000,
    output: Some(128_000),
    cached: 512,
    long: None,
    geo: true,
    fast: FastMode::Refused,
};

/// A model of the small context that came before.
const SMALL: Row =
    Row { generation: (4, 5), context: 200_000, output: Some(64_000), cached: 4_096, geo: false, ..ACTIVE };

/// A model that can no longer be called, and whose output limit is no longer documented.
const RETIRED: Row = Row { lifecycle: Lifecycle::Retired, output: None, ..SMALL };

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { id: "claude-fable-5-2", name: "Claude Fable 5.2", line: Some(Line::Fable), generation: (5, 2), released: "2026-11-09", fast: FastMode::Fast, ..ACTIVE },
    Row { id: "claude-mythos-5-2", name: "Claude Mythos 5.2", line: Some(Line::Mythos), generation: (5, 2), released: "2026-11-09", fast: FastMode::Fast, ..ACTIVE },
    Row { id: "claude-haiku-5-5", name: "Claude Haiku 5.5", line: Some(Line::Haiku), released: "2026-10-07", long: Some(100_000), ..ACTIVE },
    Row { id: "claude-sonnet-5-5", name: "Claude Sonnet 5.5", line: Some(Line::Sonnet), released: "2026-09-28", ..ACTIVE },
    Row { id: "claude-opus-5-5", name: "Claude Opus 5.5", line: Some(Line::Opus), released: "2026-09-22", fast: FastMode::Fast, ..ACTIVE },
    Row { id: "claude-fable-5-1", name: "Claude Fable 5.1", line: Some(Line::Fable), generation: (5, 1), released: "2026-09-01", ..ACTIVE },
    Row { id: "claude-mythos-5-1", name: "Claude Mythos 5.1", line: Some(Line::Mythos), generation: (5, 1), released: "2026-09-01", ..ACTIVE },
    Row { id: "claude-opus-5", name: "Claude Opus 5", line: Some(Line::Opus), generation: (5, 0), released: "2026-07-24", fast: FastMode::Preview, ..ACTIVE },
    Row { id: "claude-sonnet-5", name: "Claude Sonnet 5", line: Some(Line::Sonnet), generation: (5, 0), cached: 1_024, released: "2026-06-30", ..ACTIVE },
    Row { id: "claude-fable-5", name: "Claude Fable 5", line: Some(Line::Fable), generation: (5, 0), released: "2026-06-09", ..ACTIVE },
    Row { id: "claude-mythos-5", name: "Claude Mythos 5", line: Some(Line::Mythos), generation: (5, 0), released: "2026-06-09", ..ACTIVE },
    Row { id: "claude-opus-4-8", name: "Claude Opus 4.8", line: Some(Line::Opus), generation: (4, 8), cached: 1_024, released: "2026-05-28", fast: FastMode::Fast, ..ACTIVE },
    Row { id: "claude-opus-4-7", name: "Claude Opus 4.7", line: Some(Line::Opus), generation: (4, 7), cached: 2_048, released: "2026-04-16", ..ACTIVE },
    Row { id: "claude-sonnet-4-6", name: "Claude Sonnet 4.6", line: Some(Line::Sonnet), generation: (4, 6), cached: 1_024, released: "2026-02-17", ..ACTIVE },
    Row { id: "claude-opus-4-6", name: "Claude Opus 4.6", line: Some(Line::Opus), generation: (4, 6), cached: 4_096, released: "2026-02-05", fast: FastMode::Ignored, ..ACTIVE },
    Row { id: "claude-opus-4-5-20251101", name: "Claude Opus 4.5", aliases: &["claude-opus-4-5"], line: Some(Line::Opus), released: "2025-11-24", ..SMALL },
    Row { id: "claude-haiku-4-5-20251001", name: "Claude Haiku 4.5", aliases: &["claude-haiku-4-5"], line: Some(Line::Haiku), released: "2025-10-15", ..SMALL },
    Row { id: "claude-sonnet-4-5-20250929", name: "Claude Sonnet 4.5", aliases: &["claude-sonnet-4-5"], line: Some(Line::Sonnet), cached: 1_024, lifecycle: Lifecycle::Deprecated, released: "2025-09-29", deprecated: "2026-09-30", retires: "2026-11-30", ..SMALL },
    Row { id: "claude-mythos-preview", name: "Claude Mythos Preview", line: Some(Line::Mythos), generation: (4, 7), cached: 2_048, lifecycle: Lifecycle::Deprecated, deprecated: "2026-06-09", ..ACTIVE },
    Row { id: "claude-opus-4-1-20250805", name: "Claude Opus 4.1", aliases: &["claude-opus-4-1"], line: Some(Line::Opus), deprecated: "2026-06-05", retires: "2026-08-05", ..RETIRED },
    Row { id: "claude-opus-4-20250514", name: "Claude Opus 4", aliases: &["claude-opus-4-0", "claude-4-opus-20250514"], line: Some(Line::Opus), deprecated: "2026-04-14", retires: "2026-06-15", ..RETIRED },
    Row { id: "claude-sonnet-4-20250514", name: "Claude Sonnet 4", aliases: &["claude-sonnet-4-0", "claude-4-sonnet-20250514"], line: Some(Line::Sonnet), deprecated: "2026-04-14", retires: "2026-06-15", ..RETIRED },
    Row { id: "claude-3-7-sonnet-20250219", name: "Claude Sonnet 3.7", aliases: &["claude-3-7-sonnet-latest"], line: Some(Line::Sonnet), deprecated: "2025-10-28", retires: "2026-02-19", ..RETIRED },
    Row { id: "claude-3-5-haiku-20241022", name: "Claude Haiku 3.5", aliases: &["claude-3-5-haiku-latest"], line: Some(Line::Haiku), deprecated: "2025-12-19", retires: "2026-02-19", ..RETIRED },
    Row { id: "claude-3-5-sonnet-20241022", name: "Claude Sonnet 3.5 (Oct 2024)", aliases: &["claude-3-5-sonnet-latest"], line: Some(Line::Sonnet), deprecated: "2025-08-13", retires: "2025-10-28", ..RETIRED },
    Row { id: "claude-3-5-sonnet-20240620", name: "Claude Sonnet 3.5 (Jun 2024)", line: Some(Line::Sonnet), deprecated: "2025-08-13", retires: "2025-10-28", ..RETIRED },
    Row { id: "claude-3-opus-20240229", name: "Claude Opus 3", aliases: &["claude-3-opus-latest"], line: Some(Line::Opus), deprecated: "2025-06-30", retires: "2026-01-05", ..RETIRED },
    Row { id: "claude-3-sonnet-20240229", name: "Claude Sonnet 3", line: Some(Line::Sonnet), deprecated: "2025-01-21", retires: "2025-07-21", ..RETIRED },
    Row { id: "claude-3-haiku-20240307", name: "Claude Haiku 3", line: Some(Line::Haiku), deprecated: "2026-02-19", retires: "2026-04-20", ..RETIRED },
    Row { id: "claude-2.1", name: "claude-2.1", deprecated: "2025-01-21", retires: "2025-07-21", ..RETIRED },
    Row { id: "claude-2.0", name: "claude-2.0", deprecated: "2025-01-21", retires: "2025-07-21", ..RETIRED },
];

pub(super) fn models() -> Vec<Model> {
    let day = |day: &str| (!day.is_empty()).then(|| day.to_owned());
    let model = |row: &Row| Model {
        id: row.id.into(),
        aliases: row.aliases.iter().map(|&alias| alias.into()).collect(),
        display_name: row.name.into(),
        line: row.line,
        lifecycle: row.lifecycle,
        released: day(row.released),
        deprecated: day(row.deprecated),
        retires: day(row.retires),
        max_input_tokens: row.context,
        max_tokens: row.output,
        min_cached_tokens: row.cached,
        long_context: row.long,
        rules: row.line.map_or(Rules::LENIENT, |line| Rules::of(line, row.generation)),
        shows_geo: row.geo,
        fast: row.fast,
        limit_class: None,
    };
    ROWS.iter().map(model).collect()
}
