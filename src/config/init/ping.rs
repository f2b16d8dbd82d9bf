//! Pings and messages in a command line: addresses that are secrets, and the parts of a line that call them.
//!
//! Takes a command line, gives it without those parts, and what each of them was. Knows the addresses of dead man's switches
//! and of chats that anyone may post to; everything else that is a secret, `secrets` knows.
//! Invariant: no part is removed but one that does nothing else than call such an address.

use crate::config::secrets;
use crate::model::channel::WebService;

/// A line without its pings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pingless {
    /// Empty when the line did nothing else.
    pub line: String,
    /// Each service once, in order.
    pub services: Vec<WebService>,
}

/// Hosts of services whose addresses are keys.
const SWITCHES: [&str; 14] = [
    "hc-ping.com",
    "hchk.io",
    "healthchecks.io",
    "nosnch.in",
    "cronitor.link",
    "cronitor.io",
    "ohdear.app",
    "betterstack.com",
    "betteruptime.com",
    "uptimerobot.com",
    "cronhub.io",
    "deadmanssnitch.com",
    "dead-mans-snitch.com",
    "pushmon.com",
];

/// Paths of such services on any host.
const SWITCH_PATHS: [&str; 4] = ["/ping/", "/api/push/", "/heartbeat/", "/cron/"];

/// Hosts of chats and push services, and what each is.
const CHATS: [(&str, WebService); 12] = [
    ("hooks.slack.com", WebService::Slack),
    ("discord.com", WebService::Discord),
    ("discordapp.com", WebService::Discord),
    ("api.telegram.org", WebService::Telegram),
    ("ntfy.sh", WebService::Ntfy),
    ("ntfy.", WebService::Ntfy),
    ("events.pagerduty.com", WebService::Pagerduty),
    ("chat.googleapis.com", WebService::Webhook),
    ("webhook.office.com", WebService::Webhook),
    ("outlook.office.com", WebService::Webhook),
    ("maker.ifttt.com", WebService::Webhook),
    ("api.pushover.net", WebService::Webhook),
];

/// What an address in this text belongs to, if it is a key.
pub(super) fn service(text: &str) -> Option<WebService> {
    let found = text.match_indices("://").find_map(|(at, _)| {
        let rest = text.get(at + 3..)?;
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`;|<>)".contains(c));
        let address = rest.get(..end.unwrap_or(rest.len()))?;
        let (host, path) = address
            .find(['/', '?'])
            .map_or((address, ""), |at| address.split_at(at));
        // An address without a key is not a secret.
        if path.trim_matches('/').is_empty() {
            return None;
        }
        let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
        let is = |known: &str| host == known || host.ends_with(&format!(".{known}"));
        let chat = CHATS
            .iter()
            .find(|(known, _)| is(known) || known.ends_with('.') && host.starts_with(known));
        let switch = SWITCHES.iter().any(|known| is(known))
            || SWITCH_PATHS.iter().any(|known| path.contains(known))
            || path.split(['/', '?', '=', '&']).any(is_uuid);
        chat.map(|(_, service)| *service)
            .or_else(|| switch.then_some(WebService::Healthchecks))
    });
    found.or_else(|| {
        let hooks = ["hook", "token=", "apikey=", "api_key=", "/bot"];
        let secret = text.contains("://") && secrets::masked(text) != text;
        (secret && hooks.iter().any(|word| text.to_ascii_lowercase().contains(word))).then_some(WebService::Webhook)
    })
}

/// `0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d`.
fn is_uuid(part: &str) -> bool {
    let groups: Vec<usize> = part.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && part.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The line without the commands that only call such an address; `None` when there are none, or when they cannot be taken out.
pub(super) fn without_pings(line: &str) -> Option<Pingless> {
    let mut kept = String::new();
    let mut services = Vec::new();
    for (separator, part) in commands(line)? {
        let ping = service(part).filter(|_| is_call(part));
        if let Some(service) = ping {
            if !services.contains(&service) {
                services.push(service);
            }
            continue;
        }
        if part.is_empty() {
            continue;
        }
        match separator {
            _ if kept.is_empty() => {}
            ";" | "&" => kept.extend([separator, " "]),
            separator => kept.extend([" ", separator, " "]),
        }
        kept.push_str(part);
    }
    let done = !services.is_empty() && service(&kept).is_none();
    done.then_some(Pingless { line: kept, services })
}

/// True when a part calls an address and nothing else.
fn is_call(part: &str) -> bool {
    let mut words = part.split_whitespace().skip_while(|word| {
        let word = word.rsplit('/').next().unwrap_or(word);
        matches!(word, "timeout" | "nice" | "sleep" | "env" | "command") || word.parse::<u32>().is_ok()
    });
    let program = words.next().unwrap_or_default();
    matches!(
        program.rsplit('/').next(),
        Some("curl" | "wget" | "fetch" | "http" | "https" | "xh")
    ) && !part.contains(['|', '(', '`'])
}

/// The commands of a line with what is before each: `&&`, `||`, `;` or `&`. `None` where a group, a loop or a quote that is
/// not closed makes that unsure.
fn commands(line: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let (mut separator, mut start, mut at) = ("", 0, 0);
    let mut quote = None;
    let mut depth = 0_usize;
    while let Some(c) = line.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = line.get(at..).unwrap_or_default();
        let redirection = line.get(..at).is_some_and(|before| before.ends_with(['>', '<'])) || rest.starts_with("&>");
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') | (Some('`'), '`') => quote = None,
            (None | Some('"' | '`'), '\\') => at += rest.chars().nth(1).map_or(0, char::len_utf8),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '{') => depth += 1,
            (None, ')' | '}') => depth = depth.checked_sub(1)?,
            (None, '\n') => return None,
            (None, ';' | '&' | '|') if depth == 0 && !redirection => {
                let operators = ["&&", "||", ";", "&"];
                if let Some(operator) = operators.iter().find(|operator| rest.starts_with(**operator)) {
                    found.push((separator, line.get(start..at)?.trim()));
                    separator = operator;
                    start = at + operator.len();
                    at = start;
                    continue;
                }
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    let words = |(_, part): &(&str, &str)| {
        let first = part.split_whitespace().next().unwrap_or_default();
        matches!(
            first,
            "if" | "then" | "else" | "fi" | "for" | "while" | "do" | "done" | "case" | "esac" | "!"
        )
    };
    found.push((separator, line.get(start..)?.trim()));
    (quote.is_none() && depth == 0 && !found.iter().any(words)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "https://hc-ping.com/0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d";

    #[test]
    fn pings_are_taken_out_and_nothing_else() {
        for (line, kept) in [
            ("/bin/nightly && curl -fsS -m 10 --retry 5 KEY", "/bin/nightly"),
            (
                "curl KEY/start; a --x 'b; c' > /x 2>&1; curl \"KEY/$?\" >/dev/null 2>&1",
                "a --x 'b; c' > /x 2>&1",
            ),
            ("a || curl -s KEY/fail; b", "a; b"),
            ("a && wget -q -O /dev/null KEY && b", "a && b"),
            ("a | b && /usr/bin/curl KEY", "a | b"),
            ("curl -fsS KEY", ""),
            ("a & curl KEY", "a"),
            ("cd /x && (a; b) && timeout 10 curl KEY", "cd /x && (a; b)"),
        ] {
            let found = without_pings(&line.replace("KEY", KEY)).unwrap();
            assert_eq!(
                (found.line.as_str(), found.services),
                (kept, vec![WebService::Healthchecks]),
                "{line}"
            );
        }
        for line in [
            "a && curl https://example.com/x",
            "if a; then curl KEY; fi",
            "a | curl -d @- KEY",
            "a && (b; curl KEY)",
            "run --hook KEY",
            "curl KEY | sh",
            "a && curl 'KEY",
        ] {
            assert_eq!(without_pings(&line.replace("KEY", KEY)), None, "{line}");
        }
    }

    #[test]
    fn addresses_that_are_keys() {
        for (text, wanted) in [
            (KEY, WebService::Healthchecks),
            (
                "x https://hc.example.com/ping/abcdef/nightly y",
                WebService::Healthchecks,
            ),
            (
                "https://kuma.example.com/api/push/AbCdEf?status=up",
                WebService::Healthchecks,
            ),
            ("https://nosnch.in/c2354d53d2", WebService::Healthchecks),
            (
                "https://status.example.com/j/0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
                WebService::Healthchecks,
            ),
            ("https://hooks.slack.com/services/T0/B0/abcdefgh", WebService::Slack),
            ("https://discord.com/api/webhooks/1/abc", WebService::Discord),
            ("https://api.telegram.org/bot123:AA/sendMessage", WebService::Telegram),
            ("https://ntfy.sh/my-topic", WebService::Ntfy),
            ("https://ntfy.example.com/topic", WebService::Ntfy),
        ] {
            assert_eq!(service(text), Some(wanted), "{text}");
        }
        for text in [
            "https://example.com/x",
            "https://hc-ping.com/",
            "hc-ping.com",
            "a://",
            "",
        ] {
            assert_eq!(service(text), None, "{text}");
        }
    }
}
