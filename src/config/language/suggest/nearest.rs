//! "Did you mean": the name that is nearest to what was written.
//!
//! Takes a word and the possible names, gives one of them or none. Pure.
//! Invariant: a name that shares nothing with the word is never suggested.

/// The nearest name, when it is near enough to be what was meant.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given_lower: Vec<char> = given.to_lowercase().chars().take(80).collect();
    let limit = match given_lower.len() {
        0..=1 => 0,
        2..=6 => 1,
        7..=9 => 2,
        _ => 3,
    };
    names
        .filter_map(|name| {
            let lower: Vec<char> = name.to_lowercase().chars().collect();
            let distance = distance(&given_lower, &lower);
            // In a short word another letter makes another word: `cmd` is not `cwd`.
            let another =
                given_lower.len() <= 3 && lower.len() == given_lower.len() && !same_letters(&given_lower, &lower);
            let near = distance <= limit && !(another && distance > 0);
            near.then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The one name that was meant: one typing error away, two in a long word, and no other name is as near.
pub fn certain<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let best = nearest(given, names.clone())?;
    let lower = |name: &str| -> Vec<char> { name.to_lowercase().chars().collect() };
    let given = lower(given);
    let least = distance(&given, &lower(best));
    let rivals = names.filter(|name| *name != best && distance(&given, &lower(name)) <= least);
    let most = match given.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    (least <= most && rivals.count() == 0).then_some(best)
}

fn same_letters(a: &[char], b: &[char]) -> bool {
    let sorted = |word: &[char]| {
        let mut letters = word.to_vec();
        letters.sort_unstable();
        letters
    };
    sorted(a) == sorted(b)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = last;
        last = row;
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_only_is_certain() {
        let sure = |given, names: &'static [&'static str]| certain(given, names.iter().copied());
        assert_eq!(sure("sorce", &["source", "to"]), Some("source"));
        assert_eq!(sure("Source", &["source", "to"]), Some("source"));
        assert_eq!(sure("haily", &["daily", "hourly"]), Some("daily"));
        assert_eq!(sure("clude", &["include", "exclude"]), None);
        assert_eq!(sure("destnatoin", &["destination"]), Some("destination"));
        assert_eq!(sure("dstnatoin", &["destination"]), None);
        assert_eq!(sure("tpc", &["tcp"]), None);
        assert_eq!(sure("kpe", &["keep"]), None);
        assert_eq!(sure("shel", &["shell"]), Some("shell"));
        assert_eq!(sure("notfiy", &["notify"]), Some("notify"));
        assert_eq!(sure("notyfi", &["notify"]), None);
    }

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let names = ["include", "exclude", "source", "to", "keep"];
        let near = |given| nearest(given, names.into_iter());
        assert_eq!(near("inclde"), Some("include"));
        assert_eq!(near("exlcude"), Some("exclude"));
        assert_eq!(near("Source"), Some("source"));
        assert_eq!(near("kepe"), Some("keep"));
        assert_eq!(near("frobnicate"), None);
        assert_eq!(nearest("tpc", ["tcp", "tls"].into_iter()), Some("tcp"));
        assert_eq!(nearest("cmd", ["cwd", "cron"].into_iter()), None);
        assert_eq!(nearest("shell", ["stall"].into_iter()), None);
        assert_eq!(near(""), None);
    }
}
