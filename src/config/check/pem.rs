//! PEM files (RFC 7468), of which every part has to be one that is read: a bundle of authorities that lost a
//! line works until the authority that is missing is needed.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a file must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pem {
    /// Certificates; of a listener's own, the leaf first.
    Certificates,
    /// One private key.
    PrivateKey,
}

/// What is wrong with a file. Shows nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemFault {
    /// Nothing that certificates can be read from.
    #[error("{} does not hold a PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// Nothing that a key can be read from.
    #[error("{} does not hold a PEM private key", .0.display())]
    NoKey(PathBuf),
    /// Something that is read by nobody.
    #[error("{} has a part that is not read: {what} in line {line}", file.display())]
    Unread {
        /// The file.
        file: PathBuf,
        /// What it is.
        what: &'static str,
        /// The line where it begins, from 1.
        line: usize,
    },
}

/// Holds a file against its kind. Text between the blocks is a comment, and a file may hold a certificate and
/// its key at once.
///
/// # Errors
/// [`PemFault`]
pub(super) fn read_by(file: &Path, content: &[u8], kind: Pem) -> Result<(), PemFault> {
    let (holds, missing) = match kind {
        Pem::Certificates => {
            let mut read = CertificateDer::pem_slice_iter(content).peekable();
            (
                read.peek().is_some() && read.all(|one| one.is_ok()),
                PemFault::NoCertificate(file.to_owned()),
            )
        }
        Pem::PrivateKey => {
            (PrivateKeyDer::from_pem_slice(content).is_ok(), PemFault::NoKey(file.to_owned()))
        }
    };
    let Some(text) = std::str::from_utf8(content).ok().filter(|_| holds) else {
        return Err(missing);
    };
    let unread = unread(text, kind);
    unread
        .map_or(Ok(()), |(what, line)| Err(PemFault::Unread { file: file.to_owned(), what, line }))
}

/// Walks through the lines and gives the first part that is not read, and its line.
fn unread(text: &str, kind: Pem) -> Option<(&'static str, usize)> {
    let mut open: Option<&str> = None;
    let mut keys = 0;
    for (number, line) in text.lines().enumerate() {
        let fault = |what| Some((what, number + 1));
        let line = line.trim_end();
        match (open, boundary(line)) {
            (None, Boundary::Begin(label)) => {
                if !is_read(label, kind) {
                    return fault("a block of another kind");
                }
                keys += usize::from(label.ends_with("PRIVATE KEY"));
                if kind == Pem::PrivateKey && keys > 1 {
                    return fault("a second private key");
                }
                open = Some(label);
            }
            (Some(begun), Boundary::End(label)) if begun == label => open = None,
            (None, Boundary::None) if is_base64(line) => {
                return fault("a block without its first line");
            }
            (_, Boundary::None) => {}
            (_, Boundary::Begin(_) | Boundary::End(_) | Boundary::Damaged) => {
                return fault("a damaged block");
            }
        }
    }
    let line = text.lines().count();
    open.map(|_| ("a block without its last line", line))
}

/// What a line is to the blocks.
enum Boundary<'a> {
    Begin(&'a str),
    End(&'a str),
    /// It was one, or was to be.
    Damaged,
    None,
}

fn boundary(line: &str) -> Boundary<'_> {
    let label = |prefix| line.strip_prefix(prefix)?.strip_suffix("-----");
    let is_label = |label: &&str| !label.is_empty() && !label.contains("--");
    if let Some(label) = label("-----BEGIN ").filter(is_label) {
        Boundary::Begin(label)
    } else if let Some(label) = label("-----END ").filter(is_label) {
        Boundary::End(label)
    } else if looks_like_one(line) {
        Boundary::Damaged
    } else {
        Boundary::None
    }
}

/// Whether a line begins with a dash or has five of them, and words; a comment may have what it likes behind
/// a `#`.
fn looks_like_one(line: &str) -> bool {
    let text = line.trim_start();
    !text.starts_with('#')
        && (text.starts_with('-') || text.contains("-----"))
        && text.contains(|character: char| character.is_ascii_alphabetic())
}

/// Whether a block is read from such a file, or may stand there for what else the file is used for.
fn is_read(label: &str, kind: Pem) -> bool {
    let is_key = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].contains(&label);
    let is_parameter = ["EC PARAMETERS", "DH PARAMETERS"].contains(&label);
    label == "CERTIFICATE" || is_key || (is_parameter && kind == Pem::PrivateKey)
}

/// Whether a line is long enough, and of such letters only, that it is no comment.
fn is_base64(line: &str) -> bool {
    line.len() >= 40
        && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificates and keys as a table of names, as the library makes them.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn judged(text: &str, kind: Pem) -> Result<(), PemFault> {
        read_by(Path::new("a.pem"), text.as_bytes(), kind)
    }

    #[test]
    fn b282_files_as_tools_write_them_are_read() {
        let (certificate, key) = made();
        let bundle =
            format!("# --- Root 1 -----\n{certificate}\nRoot 2\n======\n-----\n{certificate}");
        let both = format!("{key}{certificate}");
        let parameters =
            format!("-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n{key}");
        for (text, kind) in [
            (&certificate, Pem::Certificates),
            (&certificate.replace('\n', "\r\n"), Pem::Certificates),
            (&bundle, Pem::Certificates),
            (&both, Pem::Certificates),
            (&both, Pem::PrivateKey),
            (&key, Pem::PrivateKey),
            (&parameters, Pem::PrivateKey),
        ] {
            assert_eq!(judged(text, kind), Ok(()), "{kind:?}\n{text}");
        }
        assert!(judged(&key, Pem::Certificates).is_err());
        assert!(judged(&certificate, Pem::PrivateKey).is_err());
    }

    #[test]
    fn b282_what_is_not_read_is_said() {
        let (certificate, key) = made();
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAEC\n-----END {label}-----\n");
        let other =
            ["TRUSTED CERTIFICATE", "X509 CRL", "PKCS7", "CERTIFICATE REQUEST", "PUBLIC KEY"];
        for label in other {
            let text = format!("{certificate}{}", block(label));
            let fault = judged(&text, Pem::Certificates).unwrap_err();
            assert!(
                matches!(fault, PemFault::Unread { what: "a block of another kind", .. }),
                "{label}"
            );
        }
        let two = format!("{key}{key}");
        assert!(judged(&two, Pem::PrivateKey).is_err());
    }

    /// Every character of the boundaries of the second certificate taken away or changed, and every line of
    /// it lost: either the file is refused, or both certificates are still read.
    #[test]
    fn b282_no_damage_to_a_bundle_costs_an_authority_in_silence() {
        let (certificate, _) = made();
        let whole = format!("{certificate}{certificate}");
        let mut damaged = Vec::new();
        for at in (certificate.len()..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            for with in ["", "-", "x", " ", "\n"] {
                let (before, after) = whole.split_at(at);
                damaged.push(format!("{before}{with}{}", after.get(1..).unwrap_or_default()));
            }
            damaged.push(whole[..at].to_owned());
        }
        let lines: Vec<_> = whole.lines().collect();
        for lost in lines.len() / 2..lines.len() {
            let kept = lines.iter().enumerate().filter(|(number, _)| *number != lost);
            damaged.push(kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n"));
        }
        for text in damaged {
            let read = CertificateDer::pem_slice_iter(text.as_bytes()).flatten().count();
            let rest = text.get(certificate.len()..).unwrap_or_default();
            assert!(
                read == 2
                    || rest.trim_matches(['-', '\n']).is_empty()
                    || judged(&text, Pem::Certificates).is_err(),
                "{rest}"
            );
        }
    }
}
