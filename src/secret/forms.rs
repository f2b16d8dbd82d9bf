//! What a secret looks like when programs print it: as it is, and encoded.
//!
//! Takes the text of a secret, gives all forms to look for: plain, base64, hexadecimal (also as dumps show it),
//! percent-encoded, escaped for JSON and for HTML, and single lines of it. Encoders differ in what they escape; their usual choices are each a form.
//! Pure. Invariant: no form is empty, and none says less than the secret does, but for the first and the last
//! character of base64 within a longer text, which hold bits of its neighbours as well.

use crate::units::hex;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Shorter values are not looked for in hexadecimal, nor within a longer text in base64: that is anybody's letters.
const ENCODED_FROM: usize = 4;
/// Shorter lines of a longer secret say too little about it.
const LINE_FROM: usize = 8;

pub(super) fn of(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    forms.extend(percent(secret.as_bytes()));
    forms.extend(json(secret));
    forms.extend(html(secret));
    // With the `=` at its end it is base64 and nothing else.
    let padded = [STANDARD, URL_SAFE].map(|engine| engine.encode(secret));
    forms.extend(padded.into_iter().filter(|form| form.ends_with('=')));
    if secret.len() >= ENCODED_FROM {
        forms.extend(base64(secret.as_bytes()));
        forms.extend(hexadecimal(secret.as_bytes()));
        forms.extend(dumped(secret.as_bytes()));
        for line in secret.lines().map(str::trim) {
            if line.len() < secret.len() && line.chars().count() >= LINE_FROM {
                forms.insert(line.to_owned());
                forms.extend(json(line));
                forms.extend(html(line));
            }
        }
    }
    forms.remove("");
    forms.into_iter().map(String::into_bytes).collect()
}

/// Both alphabets, padded or not, at each of the three places in a group; and the lines of what is wrapped.
fn base64(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![STANDARD.encode(secret), URL_SAFE.encode(secret)];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
        for (before, shared) in [(0, 0), (1, 2), (2, 3)] {
            let text = engine.encode([vec![0; before].as_slice(), secret].concat());
            // A character has six bits; those that share bits with a neighbour are left out.
            let own = (before + secret.len()) * 8 / 6;
            forms.extend(text.get(shared..own).map(str::to_owned));
        }
        let whole = engine.encode(secret);
        let own = whole.get(..secret.len() * 8 / 6).unwrap_or_default();
        for width in [64, 76] {
            forms.extend(wrapped(own, width));
        }
    }
    forms
}

fn hexadecimal(secret: &[u8]) -> Vec<String> {
    let lower = hex(secret);
    let upper = lower.to_ascii_uppercase();
    let lines = [wrapped(&lower, 60), wrapped(&upper, 60)].concat();
    [vec![lower, upper], lines].concat()
}

/// Bytes in a line of a dump, as `od` and its like write it; some part its halves.
const DUMPED: usize = 16;

/// Byte by byte with a space or a colon between; broken where the lines of a dump end, wherever in a line it begins;
/// and such lines, their halves, and their bytes in pairs, for dumps that write more than bytes into a line.
fn dumped(secret: &[u8]) -> Vec<String> {
    let lower: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper: Vec<String> = lower.iter().map(|digits| digits.to_ascii_uppercase()).collect();
    let mut forms = Vec::new();
    for bytes in [lower, upper] {
        forms.extend([bytes.join(" "), bytes.join(":")]);
        for first in 1..=DUMPED.min(bytes.len() - 1) {
            let (first, rest) = bytes.split_at(first);
            let lines = std::iter::once(first).chain(rest.chunks(DUMPED));
            forms.push(lines.map(|line| line.join(" ")).collect::<Vec<_>>().join("\n "));
        }
        let halves = bytes.chunks(DUMPED / 2).filter(|half| half.len() >= ENCODED_FROM);
        forms.extend(halves.map(|half| half.join(" ")));
        let lines = bytes.chunks(DUMPED).filter(|line| line.len() >= ENCODED_FROM);
        forms.extend(lines.map(|line| line.chunks(2).map(<[String]>::concat).collect::<Vec<_>>().join(" ")));
    }
    if secret.len() > DUMPED {
        forms.extend(secret.chunks(DUMPED).filter_map(column).flatten());
    }
    forms
}

/// The column after the bytes, where dumps repeat a line as text, with its borders: without them it could be ordinary
/// text.
fn column(line: &[u8]) -> Option<[String; 2]> {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    };
    let telling = line.iter().filter(|byte| byte.is_ascii_graphic()).count() >= LINE_FROM;
    let text: String = line.iter().map(shown).collect();
    telling.then(|| [format!("|{text}|"), format!("  {text}")])
}

/// The lines of a text that is wrapped, if it is long enough for that. Short ones say too little.
fn wrapped(ascii: &str, width: usize) -> Vec<String> {
    let lines = ascii.as_bytes().chunks(width);
    let lines: Vec<&str> = lines.filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let wraps = lines.len() > 1;
    let long = lines.into_iter().filter(|line| wraps && line.len() >= LINE_FROM);
    long.map(str::to_owned).collect()
}

/// What encoders leave as it is, besides letters and digits: all of RFC 3986, JavaScript's two, Python's, forms, none.
const LEFT: [&[u8]; 6] = [b"-._~", b"-._~!*'()", b"-._~!*'();/?:@&=+$,#", b"-._~/", b"-._*", b""];

fn percent(secret: &[u8]) -> Vec<String> {
    let upper = |byte: u8| format!("%{byte:02X}");
    let lower = |byte: u8| format!("%{byte:02x}");
    let numbers: [&dyn Fn(u8) -> String; 2] = [&upper, &lower];
    let mut forms = Vec::new();
    for number in numbers {
        forms.push(secret.iter().map(|byte| number(*byte)).collect());
        for left in LEFT {
            for plus in [false, true] {
                let encoded = secret.iter().map(|byte| match *byte {
                    byte if byte.is_ascii_alphanumeric() || left.contains(&byte) => char::from(byte).to_string(),
                    b' ' if plus => "+".to_owned(),
                    byte => number(byte),
                });
                forms.push(encoded.collect());
            }
        }
    }
    forms
}

/// Within a JSON string: beyond what must be escaped, encoders may escape what is not ASCII, `/`, and what means
/// something in HTML.
fn json(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for ascii in [false, true] {
        for slash in [false, true] {
            for html in [false, true] {
                let mut text = String::new();
                for c in secret.chars() {
                    match c {
                        '"' => text.push_str("\\\""),
                        '\\' => text.push_str("\\\\"),
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        '\t' => text.push_str("\\t"),
                        '\u{8}' => text.push_str("\\b"),
                        '\u{c}' => text.push_str("\\f"),
                        '/' if slash => text.push_str("\\/"),
                        '\0'..'\u{20}' => numbered(&mut text, c),
                        '<' | '>' | '&' | '\'' if html => numbered(&mut text, c),
                        '\u{7f}'.. if ascii => numbered(&mut text, c),
                        c => text.push(c),
                    }
                }
                forms.push(text);
            }
        }
    }
    // The digits of a number in either case.
    let upper: Vec<String> = forms.iter().map(|form| upper_numbers(form)).collect();
    forms.extend(upper);
    forms
}

/// Within HTML or XML: `&` and `<` must be escaped, `>` and the quotation marks may be, by name or by number.
fn html(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let base = secret.replace('&', "&amp;").replace('<', "&lt;");
    for greater in [">", "&gt;"] {
        for double in ["\"", "&quot;", "&#34;"] {
            for single in ["'", "&#39;", "&#x27;", "&#039;", "&apos;"] {
                forms.push(base.replace('>', greater).replace('"', double).replace('\'', single));
            }
        }
    }
    forms
}

fn numbered(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// With the digits behind each `\u` in upper case.
fn upper_numbers(form: &str) -> String {
    let mut text = String::with_capacity(form.len());
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        text.push(c);
        if c == '\\' {
            let escape = chars.next();
            text.extend(escape);
            if escape == Some('u') {
                text.extend(chars.by_ref().take(4).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(secret: &str, form: &str) -> bool {
        of(secret).contains(form.as_bytes())
    }

    #[test]
    fn short_values_have_no_forms_that_are_ordinary_text() {
        assert!(has("a&b", "a%26b") && has("a&b", "a&amp;b") && has("a", "YQ=="));
        assert!(!has("a", "YQ") && !has("a", "61"));
        assert_eq!(of(""), BTreeSet::new());
        assert!(of("abcd").len() > 5);
    }

    #[test]
    fn encodings_are_those_that_programs_print() {
        // printf %s 'pä ss/"w>1?' in base64, xxd, Python's quote and json.dumps, JavaScript, PHP, Go.
        let secret = "pä ss/\"w>1?";
        for form in [
            "pä ss/\"w>1?",
            "cMOkIHNzLyJ3PjE/",
            "cMOkIHNzLyJ3PjE_",
            "70c3a42073732f22773e313f",
            "70C3A42073732F22773E313F",
            "p%C3%A4%20ss%2F%22w%3E1%3F",
            "p%c3%a4%20ss%2f%22w%3e1%3f",
            "p%C3%A4%20ss/%22w%3E1%3F",
            "p%C3%A4+ss%2F%22w%3E1%3F",
            "p%C3%A4%20ss/%22w%3E1?",
            "%70%C3%A4%20%73%73%2F%22%77%3E%31%3F",
            "pä ss/\\\"w>1?",
            "p\\u00e4 ss/\\\"w>1?",
            "p\\u00e4 ss\\/\\\"w>1?",
            "p\\u00E4 ss/\\\"w>1?",
            "pä ss/\\\"w\\u003e1?",
        ] {
            assert!(has(secret, form), "{form}");
        }
        assert!(has("a\u{1f600}bc", "a\\ud83d\\ude00bc"));
        assert!(has("tab\tend\u{1}", "tab\\tend\\u0001"));
    }

    #[test]
    fn dumps_are_those_that_programs_print() {
        // printf %s 'pä ss/"w>1?' in od -An -tx1 and hexdump -C, and as fingerprints are written.
        let secret = "pä ss/\"w>1?";
        for form in [
            "70 c3 a4 20 73 73 2f 22 77 3e 31 3f",
            "70 C3 A4 20 73 73 2F 22 77 3E 31 3F",
            "70:c3:a4:20:73:73:2f:22:77:3e:31:3f",
            "70:C3:A4:20:73:73:2F:22:77:3E:31:3F",
            "70 c3 a4 20 73 73 2f 22",
            "77 3e 31 3f",
        ] {
            assert!(has(secret, form), "{form}");
        }
        // printf 'token %s' 0123456789abcdefghijklmnopqrstuv | od -An -tx1
        let lines =
            "30 31 32 33 34 35 36 37 38 39\n 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70\n 71 72 73 74 75 76";
        assert!(has("0123456789abcdefghijklmnopqrstuv", lines));
        assert!(has("hunter2", "68 75 6e 74 65 72\n 32"));
        assert!(!has("hunter2", "74 65 72"));
        // printf %s 'hunter2 of Böblingen' in hexdump -C and xxd.
        let secret = "hunter2 of B\u{f6}blingen";
        for form in [
            "68 75 6e 74 65 72 32 20",
            "6f 66 20 42 c3 b6 62 6c",
            "|hunter2 of B..bl|",
            "6875 6e74 6572 3220 6f66 2042 c3b6 626c",
            "  hunter2 of B..bl",
            "696e 6765 6e",
        ] {
            assert!(has(secret, form), "{form}");
        }
        assert!(!has(secret, "hunter2 of B..bl") && !has(secret, "|ingen|"));
        assert!(!has("abc", "61 62 63"));
    }

    #[test]
    fn escapes_are_those_of_html() {
        // Python's html.escape, Go's html.EscapeString, PHP's htmlspecialchars, XML, and text outside of attributes.
        let secret = "<a href=\"b'&amp;\">";
        for form in [
            "&lt;a href=&quot;b&#x27;&amp;amp;&quot;&gt;",
            "&lt;a href=&#34;b&#39;&amp;amp;&#34;&gt;",
            "&lt;a href=&quot;b&#039;&amp;amp;&quot;&gt;",
            "&lt;a href=&quot;b&apos;&amp;amp;&quot;&gt;",
            "&lt;a href=\"b'&amp;amp;\"&gt;",
            "&lt;a href=\"b'&amp;amp;\">",
        ] {
            assert!(has(secret, form), "{form}");
        }
        assert!(has("first&line\nsecond<line", "second&lt;line"));
    }

    #[test]
    fn lines_of_a_longer_secret() {
        let secret = "-----BEGIN KEY-----\n  MIIEvQIBADANBg  \r\nshort\n-----END KEY-----";
        assert!(has(secret, "MIIEvQIBADANBg"));
        assert!(has(secret, "-----BEGIN KEY-----"));
        assert!(!has(secret, "short"));
    }

    #[test]
    fn wrapped_base64_is_found_by_its_lines() {
        let secret = "0123456789".repeat(20);
        let whole = STANDARD.encode(&secret);
        for width in [64, 76] {
            let lines = whole.as_bytes().chunks(width);
            for line in lines.take(3) {
                assert!(of(&secret).contains(line), "{width}");
            }
        }
    }
}
