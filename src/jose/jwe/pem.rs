//! PEM (RFC 7468) of one private key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The first block whose label ends in `PRIVATE KEY`: its label and its DER. What stands around it,
/// `EC PARAMETERS` for instance, is passed over.
pub(super) fn private_key(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        if label.ends_with("PRIVATE KEY") {
            let body = body.bytes().filter(|byte| !byte.is_ascii_whitespace());
            let body: Zeroizing<Vec<u8>> = Zeroizing::new(body.collect());
            return Some((label, Zeroizing::new(STANDARD.decode(&body).ok()?)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_key_is_found_among_other_blocks() {
        let text = "# mine\n-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n\
                    -----BEGIN EC PRIVATE KEY-----\r\nAAEC\r\nAwQF\r\n-----END EC PRIVATE KEY-----\n";
        let (label, der) = private_key(text).unwrap();
        assert_eq!((label, der.as_slice()), ("EC PRIVATE KEY", [0, 1, 2, 3, 4, 5].as_slice()));
    }

    #[test]
    fn broken_blocks_are_refused() {
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END OTHER KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA?EC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n",
        ] {
            assert!(private_key(text).is_none(), "{text}");
        }
    }
}
