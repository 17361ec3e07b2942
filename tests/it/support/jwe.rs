//! Tokens encrypted to a public JWK, as a client encrypts to a key that it found in metadata: by
//! RSA-OAEP-256 or ECDH-ES, with AES-256 GCM.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// `text` encrypted to `jwk`, whose `kid` goes into the header.
pub fn encrypted(jwk: &Value, text: &str) -> String {
    encrypted_with(jwk, text, &json!({}))
}

/// The same with these members in the header, which may contradict what was done.
pub fn encrypted_with(jwk: &Value, text: &str, members: &Value) -> String {
    let mut header = json!({"enc": "A256GCM", "cty": "JWT", "kid": jwk["kid"]});
    let (cek, wrapped) = if jwk["kty"] == "RSA" {
        header["alg"] = json!("RSA-OAEP-256");
        wrapped_key(jwk)
    } else {
        header["alg"] = json!("ECDH-ES");
        let (cek, epk) = agreed_key(jwk);
        header["epk"] = epk;
        (cek, Vec::new())
    };
    for (name, value) in members.as_object().unwrap() {
        header[name] = value.clone();
    }
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let mut iv = [0; 12];
    rand::fill(&mut iv).unwrap();
    let mut content = text.as_bytes().to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &cek).unwrap());
    let nonce = Nonce::assume_unique_for_key(iv);
    let aad = Aad::from(header.as_bytes());
    let tag = key.seal_in_place_separate_tag(nonce, aad, &mut content).unwrap();
    let parts = [wrapped.as_slice(), &iv, &content, tag.as_ref()];
    let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{}", parts.join("."))
}

fn wrapped_key(jwk: &Value) -> (Vec<u8>, Vec<u8>) {
    let (n, e) = (octets(jwk, "n"), octets(jwk, "e"));
    let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into().unwrap();
    let key = OaepPublicEncryptingKey::new(key).unwrap();
    let mut cek = vec![0; 32];
    rand::fill(&mut cek).unwrap();
    let mut wrapped = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, &cek, &mut wrapped, None).unwrap();
    (cek, wrapped)
}

/// RFC 7518 §4.6: the key, and the `epk` that makes it.
fn agreed_key(jwk: &Value) -> (Vec<u8>, Value) {
    let (algorithm, theirs) = match jwk["crv"].as_str() {
        Some("X25519") => (&agreement::X25519, octets(jwk, "x")),
        _ => (&agreement::ECDH_P256, [vec![4], octets(jwk, "x"), octets(jwk, "y")].concat()),
    };
    let ours = PrivateKey::generate(algorithm).unwrap();
    let public = ours.compute_public_key().unwrap();
    let mut epk = json!({"kty": jwk["kty"], "crv": jwk["crv"]});
    if jwk["crv"] == "X25519" {
        epk["x"] = json!(URL_SAFE_NO_PAD.encode(public.as_ref()));
    } else {
        let (x, y) = public.as_ref()[1..].split_at(32);
        epk["x"] = json!(URL_SAFE_NO_PAD.encode(x));
        epk["y"] = json!(URL_SAFE_NO_PAD.encode(y));
    }
    let purpose = b"A256GCM";
    let mut info = u32::try_from(purpose.len()).unwrap().to_be_bytes().to_vec();
    info.extend(purpose);
    info.extend([0; 8]);
    info.extend(256_u32.to_be_bytes());
    let digest = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256).unwrap();
    let theirs = UnparsedPublicKey::new(algorithm, theirs);
    let cek = agreement::agree(&ours, theirs, (), |secret| {
        let mut cek = vec![0; 32];
        sskdf_digest(digest, secret, &info, &mut cek).map_err(|_| ())?;
        Ok(cek)
    });
    (cek.unwrap(), epk)
}

fn octets(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}
