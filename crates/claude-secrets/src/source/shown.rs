//! What may be shown of the name of a source.

/// How the API's keys begin.
const KEY: &str = "sk-ant-";

/// The name, unless it is a key: whoever gives the key where the name of its variable or its file belongs must not find it in
/// the logs.
pub(crate) fn shown(name: &str) -> &str {
    if is_key(name) { "(not shown)" } else { name }
}

/// Whether it is, or holds, a key of the API's.
pub(crate) fn is_key(name: &str) -> bool {
    name.contains(KEY)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_key_in_place_of_a_name_is_not_shown() {
        assert_eq!(shown("ANTHROPIC_API_KEY"), "ANTHROPIC_API_KEY");
        assert_eq!(shown("/run/secrets/claude"), "/run/secrets/claude");
        assert_eq!(shown("sk-ant-api03-canary"), "(not shown)");
        assert_eq!(shown("ANTHROPIC_API_KEY=sk-ant-api03-canary"), "(not shown)");
    }
}
