//! What makes an address secret.
//!
//! Takes a URL that is a secret as a whole, gives the pieces of it that tell: a server that is asked repeats parts of what
//! it is asked.
//! Pure. Invariant: no ordinary word is one of them.

/// Who asks, and those pieces of the path and the query that are no ordinary words.
pub(super) fn parts(url: &str) -> Vec<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, asked) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let who = place.rsplit_once('@').map_or("", |(who, _)| who);
    let telling = |piece: &&str| match piece.len() {
        0..8 => false,
        8..16 => piece.bytes().any(|b| b.is_ascii_digit()),
        _ => true,
    };
    let pieces = asked.split(['/', '?', '#', '&', '=', ':', ';']).filter(telling);
    who.split(':').filter(|part| !part.is_empty()).chain(pieces).collect()
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn what_is_telling_in_an_address() {
        assert_eq!(parts("http://127.0.0.1:80/health"), Vec::<&str>::new());
        assert_eq!(
            parts("https://me:pass@host/services/T0000B0000/long-enough-to-tell?key=a1b2c3d4e5&v=2"),
            ["me", "pass", "T0000B0000", "long-enough-to-tell", "a1b2c3d4e5"]
        );
        assert_eq!(parts("host"), Vec::<&str>::new());
    }
}
