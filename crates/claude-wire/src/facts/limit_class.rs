//! Which models share their limits.

/// The class of models whose limits this one shares, by its id: the API limits by organisation and class (as of 2026-10-08).
/// A model that is not known is a class of its own, named by its id.
///
/// ```
/// use claude_wire::facts::limit_class;
///
/// assert_eq!(limit_class("claude-opus-4-8"), limit_class("claude-opus-4-5-20251101"));
/// assert_eq!(limit_class("claude-sonnet-9"), "claude-sonnet-9");
/// ```
#[must_use]
pub fn limit_class(model: &str) -> &str {
    match without_date(model) {
        // That 5.2 (2026-11-09) is one of them is a guess.
        "claude-fable-5-2" | "claude-fable-5-1" | "claude-fable-5" => "fable-5",
        // That 5.2 (2026-11-09) and the preview are among them is a guess.
        "claude-mythos-5-2" | "claude-mythos-5-1" | "claude-mythos-5" | "claude-mythos-preview" => "mythos-5",
        "claude-opus-5-5" => "opus-5.5",
        "claude-opus-5" => "opus-5",
        "claude-opus-4-8" | "claude-opus-4-7" | "claude-opus-4-6" | "claude-opus-4-5" => "opus-4",
        "claude-sonnet-5-5" => "sonnet-5.5",
        "claude-sonnet-5" => "sonnet-5",
        "claude-sonnet-4-6" | "claude-sonnet-4-5" => "sonnet-4",
        "claude-haiku-5-5" => "haiku-5.5",
        "claude-haiku-4-5" => "haiku-4.5",
        "claude-3-5-haiku" => "haiku-3.5",
        _ => model,
    }
}

/// The id without the date behind it, `-20251101`, or `-latest`.
fn without_date(model: &str) -> &str {
    match model.rsplit_once('-') {
        Some((name, "latest")) => name,
        Some((name, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::limit_class;

    #[test]
    fn classes() {
        for (model, class) in [
            ("claude-opus-4-8", "opus-4"),
            ("claude-opus-4-5-20251101", "opus-4"),
            ("claude-haiku-4-5-20251001", "haiku-4.5"),
            ("claude-haiku-4-5", "haiku-4.5"),
            ("claude-3-5-haiku-latest", "haiku-3.5"),
            ("claude-opus-9-20300101", "claude-opus-9-20300101"),
            ("claude-opus-5-55", "claude-opus-5-55"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(limit_class(model), class, "{model}");
        }
    }
}
