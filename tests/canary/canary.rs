//! Keys that are recognised in every form.

use std::fmt;
use std::sync::OnceLock;

use memchr::memmem;

/// In every key, near its begin and at its end: what shows a part of a key shows a part of one of these.
const MARKS: [&str; 2] = ["CnryTq7KzP4wJx9s", "Vb3mPd8RjX2hLf6y"];

/// So many characters of a key in a row are too many.
const SHORTEST: usize = 8;

/// A key of the API's shape.
pub(crate) fn key(name: &str) -> String {
    format!("sk-ant-api03-{}-{name}-{}", MARKS[0], MARKS[1])
}

/// What a client of a gateway has in place of a key.
pub(crate) fn token(name: &str) -> String {
    format!("ctk_{}{name}{}", MARKS[0], MARKS[1])
}

/// A key that was found, and in which form. It does not show it.
pub(crate) struct Found {
    form: &'static str,
    before: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:?}", self.form, self.before)
    }
}

/// Looks for a key, or for a part of one, in whatever form it may be written.
pub(crate) fn find(text: &[u8]) -> Option<Found> {
    // Lists of bytes stand on one line or on many.
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    forms().iter().find_map(|(form, pattern)| {
        let text = if form.contains("list") { &dense } else { text };
        let at = memmem::find(text, pattern.as_bytes())?;
        let before = String::from_utf8_lossy(&text[at.saturating_sub(80)..at]).into_owned();
        // What stands before the second mark may be the first.
        let before =
            if before.contains(&MARKS[0][..SHORTEST]) { "another part of it".to_owned() } else { before };
        Some(Found { form, before })
    })
}

type Forms = Vec<(&'static str, String)>;

fn forms() -> &'static Forms {
    static FORMS: OnceLock<Forms> = OnceLock::new();
    FORMS.get_or_init(all_forms)
}

fn all_forms() -> Forms {
    let mut forms = Vec::new();
    for mark in MARKS {
        for part in mark.as_bytes().windows(SHORTEST) {
            let part = String::from_utf8(part.to_vec()).unwrap();
            forms.push(("as it is", part));
        }
        forms.push(("in capitals", mark[..SHORTEST].to_uppercase()));
        forms.push(("in small letters", mark[..SHORTEST].to_lowercase()));
        let part = &mark.as_bytes()[..SHORTEST];
        let each = |show: &dyn Fn(&u8) -> String, between: &str| {
            part.iter().map(show).collect::<Vec<_>>().join(between)
        };
        forms.push(("in hexadecimal", each(&|byte| format!("{byte:02x}"), "")));
        forms.push(("in hexadecimal", each(&|byte| format!("{byte:02X}"), "")));
        forms.push(("percent-encoded", each(&|byte| format!("%{byte:02x}"), "")));
        forms.push(("percent-encoded", each(&|byte| format!("%{byte:02X}"), "")));
        forms.push(("escaped", each(&|byte| format!("\\x{byte:02x}"), "")));
        forms.push(("as a list of bytes", each(&|byte| format!("{byte}"), ",")));
        forms.push(("as a list of hexadecimal bytes", each(&|byte| format!("{byte:x}"), ",")));
        forms.push(("as a list of hexadecimal bytes", each(&|byte| format!("{byte:#x}"), ",")));
        // Where a group of three begins hangs on what stands before.
        for skipped in 0..3 {
            let groups = &mark.as_bytes()[skipped..skipped + 12];
            forms.push(("in base64", base64(groups, b"+/")));
            forms.push(("in base64", base64(groups, b"-_")));
        }
    }
    forms
}

/// Of whole groups of three bytes.
fn base64(bytes: &[u8], last: &[u8; 2]) -> String {
    let letters = [&(b'A'..=b'Z').collect::<Vec<_>>(), &(b'a'..=b'z').collect(), &(b'0'..=b'9').collect()];
    let alphabet: Vec<u8> = letters.into_iter().flatten().chain(last).copied().collect();
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(alphabet[bits >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

#[test]
fn a_key_is_found_in_every_form() {
    let key = key("found");
    let all = |bytes: &[u8]| base64(&bytes[..bytes.len() / 3 * 3], b"+/");
    let hexadecimal: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (text, form) in [
        (format!("invalid key {key}"), "as it is"),
        (key.to_uppercase(), "in capitals"),
        (format!("…{}", &key[key.len() - 10..]), "as it is"),
        (hexadecimal, "in hexadecimal"),
        (percent, "percent-encoded"),
        (format!("{:?}", key.as_bytes()), "as a list of bytes"),
        (format!("{:#?}", key.as_bytes()), "as a list of bytes"),
        (format!("{:x?}", key.as_bytes()), "as a list of hexadecimal bytes"),
        (format!("{:#x?}", key.as_bytes()), "as a list of hexadecimal bytes"),
        (all(key.as_bytes()), "in base64"),
        (all(format!("u:{key}").as_bytes()), "in base64"),
        (all(format!("me:{key}").as_bytes()), "in base64"),
    ] {
        assert_eq!(find(text.as_bytes()).map(|found| found.form), Some(form), "{text}");
    }
    assert!(find(b"sk-ant-api03-another, key-0123456789ab").is_none());
    assert_eq!(base64(b"Man", b"+/"), "TWFu");
}
