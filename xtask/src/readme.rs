//! The commands the README promises.

use crate::run::Result;

/// How the README starts the gateway.
pub(crate) const GATEWAY: &str = "cargo run --release --example gateway";
/// How it runs the tests.
pub(crate) const TEST: &str = "cargo xtask test";

/// The first two commands in the README's fenced blocks, which must be [`GATEWAY`] and [`TEST`].
pub(crate) fn commands(readme: &str) -> Result<[String; 2]> {
    let mut found = fenced(readme).filter_map(command);
    let first = found.next().unwrap_or_default();
    let second = found.next().unwrap_or_default();
    // Arguments may follow the gateway's command, but nothing else may stand in its place.
    if !(first == GATEWAY || first.starts_with(&format!("{GATEWAY} -- "))) {
        return Err(format!("README.md: the first command is to be `{GATEWAY}`, but it is `{first}`"));
    }
    if second != TEST {
        return Err(format!("README.md: the second command is to be `{TEST}`, but it is `{second}`"));
    }
    Ok([first, second])
}

/// The lines inside fenced code blocks.
fn fenced(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        inside && !fence
    })
}

/// A line's cargo command, without a prompt and a comment.
fn command(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("$ ");
    let line = line.split(" #").next().unwrap_or(line).trim();
    line.starts_with("cargo ").then(|| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_commands_past_prompts_comments_and_other_blocks() {
        let readme = "\
# x
cargo run is prose here

```toml
claude-tower = \"0.1\"
```

```sh
$ cargo run --release --example gateway   # no key needed
export ANTHROPIC_BASE_URL=http://127.0.0.1:1
```

```sh
cargo  xtask test
cargo bench
```
";
        assert_eq!(commands(readme), Ok([GATEWAY.to_owned(), TEST.to_owned()]));
    }

    #[test]
    fn arguments_may_follow_the_gateway() {
        let readme = format!("```\n{GATEWAY} -- --listen 127.0.0.1:0\n{TEST}\n```");
        assert_eq!(
            commands(&readme).map(|[first, _]| first),
            Ok(format!("{GATEWAY} -- --listen 127.0.0.1:0"))
        );
    }

    #[test]
    fn refuses_a_readme_that_names_other_commands() {
        for readme in [
            String::new(),
            format!("{GATEWAY}\n{TEST}"),
            format!("```\n{TEST}\n{GATEWAY}\n```"),
            format!("```\n{GATEWAY}\n```"),
            format!("```\n{GATEWAY}s\n{TEST}\n```"),
            format!("```\n{GATEWAY}\ncargo test\n```"),
        ] {
            assert!(commands(&readme).is_err(), "{readme}");
        }
    }
}
