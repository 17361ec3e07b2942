//! josekit has the second opinion. What it encrypts we open; what we open it opens to the same
//! text; and what it opens we refuse only for a reason that stands in the clear.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::JweHeader;
use libfuzzer_sys::fuzz_target;
use parapet::jose::jwe::{ContentEncryption, JweError, decrypt};
use parapet_fuzz::{in_time, josekit_side, jwe};

/// Compares verdicts on a token; says whether it opened.
fn compare(token: &str) -> bool {
    let ours = decrypt(token, &jwe::KEYS, &jwe::everything());
    let theirs = josekit_side::open(token);
    match (&ours, &theirs) {
        (Ok(ours), Some(theirs)) => assert_eq!(ours.plaintext.as_slice(), theirs.as_slice()),
        (Ok(_), None) => panic!("josekit refuses {token}"),
        (Err(JweError::Undecryptable), Some(_)) => panic!("josekit opens {token}"),
        (Err(_), _) => {}
    }
    ours.is_ok()
}

/// josekit's token for the combination that `choice` stands for.
fn made(choice: u8, plaintext: &[u8]) -> String {
    let (kid, encrypter) = josekit_side::encrypter(usize::from(choice));
    let enc = ContentEncryption::ALL[usize::from(choice >> 6)];
    let mut header = JweHeader::new();
    header.set_content_encryption(enc.name());
    header.set_key_id(kid);
    if choice & 1 == 1 {
        header.set_agreement_partyuinfo("Alice");
        header.set_agreement_partyvinfo("Bob");
    }
    josekit::jwe::serialize_compact(plaintext, &header, encrypter).expect("josekit encrypts")
}

/// The token with byte `place` of part `part` changed by `change`.
fn spoilt(token: &str, part: u8, place: u8, change: u8) -> Option<String> {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let chosen = &mut parts[usize::from(part % 5)];
    let mut bytes = URL_SAFE_NO_PAD.decode(&*chosen).expect("josekit writes base64url");
    let length = bytes.len().max(1);
    *bytes.get_mut(usize::from(place) % length)? ^= change;
    *chosen = URL_SAFE_NO_PAD.encode(&bytes);
    Some(parts.join("."))
}

fuzz_target!(|input: &[u8]| {
    josekit_side::prepare();
    in_time(input, |input| {
        if input.starts_with(b"ey") {
            if let Ok(token) = std::str::from_utf8(input) {
                compare(token);
            }
        } else if let [choice, part, place, change, plaintext @ ..] = input {
            // What passes the policy's bound on tokens.
            let plaintext = &plaintext[..plaintext.len().min(32 * 1024)];
            let token = made(*choice, plaintext);
            assert!(compare(&token), "refused: {token}");
            if let Some(spoilt) = spoilt(&token, *part, *place, *change)
                && *change != 0
            {
                assert!(!compare(&spoilt), "opened: {spoilt}");
            }
        }
    });
});
