//! Secrets that give themselves away by how they look.

/// How a key begins, how long it is at least, and whether it has only letters and digits behind its beginning.
type Shape = (&'static [u8], usize, bool);

/// Keys of well-known services, by their documented beginnings.
const SHAPES: &[Shape] = &[
    (b"AKIA", 20, true),
    (b"ASIA", 20, true),
    (b"ABSK", 40, false),
    (b"AIza", 30, false),
    (b"AGE-SECRET-KEY-", 30, false),
    (b"ATATT", 40, false),
    (b"NRAK-", 20, false),
    (b"PMAK-", 30, false),
    (b"SG.", 40, false),
    (b"dckr_pat_", 20, false),
    (b"doo_v1_", 20, false),
    (b"dop_v1_", 20, false),
    (b"eyJ", 20, false),
    (b"figd_", 20, false),
    (b"github_pat_", 20, false),
    (b"ghp_", 20, false),
    (b"gho_", 20, false),
    (b"ghu_", 20, false),
    (b"ghs_", 20, false),
    (b"ghr_", 20, false),
    (b"glpat-", 20, false),
    (b"gldt-", 20, false),
    (b"glrt-", 20, false),
    (b"glsa_", 20, false),
    (b"gsk_", 30, true),
    (b"hf_", 30, true),
    (b"hvb.", 20, false),
    (b"hvs.", 20, false),
    (b"lin_api_", 20, false),
    (b"npm_", 30, true),
    (b"pscale_tkn_", 20, false),
    (b"pypi-", 40, false),
    (b"r8_", 30, true),
    (b"rk_live_", 20, false),
    (b"rk_test_", 20, false),
    (b"rubygems_", 20, false),
    (b"sbp_", 30, true),
    (b"shpat_", 20, false),
    (b"shpca_", 20, false),
    (b"shppa_", 20, false),
    (b"shpss_", 20, false),
    (b"sk_live_", 16, false),
    (b"sk_test_", 16, false),
    (b"sk-", 20, false),
    (b"sq0atp-", 20, false),
    (b"sq0csp-", 20, false),
    (b"tskey-", 20, false),
    (b"whsec_", 20, false),
    (b"xapp-", 20, false),
    (b"xkeysib-", 20, false),
    (b"xoxa-", 16, false),
    (b"xoxb-", 16, false),
    (b"xoxe", 16, false),
    (b"xoxp-", 16, false),
    (b"xoxr-", 16, false),
    (b"xoxs-", 16, false),
    (b"ya29.", 20, false),
];

/// Addresses whose path is a secret: their beginning, and what lets a post through.
const HOOKS: &[(&str, &str)] = &[
    ("hooks.slack.com", "/services/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("api.telegram.org", "/bot"),
];

/// Whether a word, with no punctuation around it, is a key.
pub(super) fn is_key(word: &[u8]) -> bool {
    let is_dull = |rest: &[u8]| !rest.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    SHAPES.iter().any(|(start, length, is_plain)| {
        word.len() >= *length
            && word
                .strip_prefix(*start)
                .is_some_and(|rest| !is_dull(rest) && (!is_plain || rest.iter().all(u8::is_ascii_alphanumeric)))
    })
}

/// Whether a word can be the beginning of any.
pub(super) fn may_begin(byte: u8) -> bool {
    matches!(
        byte,
        b'A' | b'N' | b'P' | b'S' | b'd'..=b'h' | b'l' | b'n' | b'p' | b'r' | b's' | b't' | b'w' | b'x' | b'y'
    )
}

/// Where a secret path begins, of a host's name and what follows it.
pub(super) fn secret_path(host: &str, behind: &str) -> Option<usize> {
    let (_, start) = HOOKS.iter().find(|(known, start)| host.ends_with(known) && behind.starts_with(start))?;
    Some(start.len())
}

/// Where a private key ends that begins here.
pub(super) fn private_key(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("-----BEGIN ")?;
    let kind = rest.find("-----")?;
    if !rest[..kind].ends_with("PRIVATE KEY") && !rest[..kind].ends_with("PRIVATE KEY BLOCK") {
        return None;
    }
    let end = rest.find("-----END ").and_then(|end| Some(end + 9 + rest[end + 9..].find("-----")? + 5));
    Some(end.map_or(text.len(), |end| text.len() - rest.len() + end))
}
