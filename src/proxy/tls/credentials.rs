//! A listener's certificate and key and the authorities of its clients, as their files have them
//! now.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, Digest, SHA256};
use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::client::certificate::Authorities;
use crate::clock::WallTime;
use crate::config::{IdentityError, ServerTls, TlsListener, read_authorities, read_identity};
use crate::telemetry::metrics::meter;

/// What a TLS listener shows and whom it trusts. New connections get what the files held at the
/// last [`refresh`](Self::refresh) at which they were good.
#[derive(Debug)]
pub(in crate::proxy) struct Credentials {
    listener: TlsListener,
    files: ServerTls,
    identity: ArcSwap<CertifiedKey>,
    authorities: Option<Arc<Authorities>>,
    read: Mutex<(Read, Read)>,
}

/// What a set of files last held, by its digest.
#[derive(Debug, Default)]
struct Read {
    used: Option<Vec<u8>>,
    /// Content that was no good, and whether that has been said.
    refused: Option<(Vec<u8>, bool)>,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// [`IdentityError`]
    pub(super) fn load(
        listener: TlsListener,
        files: &ServerTls,
        now: WallTime,
    ) -> Result<Self, IdentityError> {
        let read = (Read::of(&files.identity()), Read::of(&files.authorities()));
        let identity = read_identity(&files.certificate, &files.key)?;
        let authorities = files.client_ca.as_deref().map(read_authorities).transpose()?;
        announce(listener, &identity, now);
        Ok(Self {
            listener,
            files: files.clone(),
            identity: ArcSwap::new(identity),
            authorities: authorities.map(|anchors| Arc::new(Authorities::new(anchors))),
            read: Mutex::new(read),
        })
    }

    /// Looks at the files and takes what has changed. Files that are no good leave what is used, and
    /// are told of once: not at first sight, when somebody may be in the middle of replacing two
    /// files that belong together.
    pub(in crate::proxy) fn refresh(&self, now: WallTime) {
        let mut read = self.read.lock();
        let (own, clients) = &mut *read;
        let listener = self.listener.as_str();
        own.refresh(&self.files.identity(), listener, || {
            let identity = read_identity(&self.files.certificate, &self.files.key)?;
            announce(self.listener, &identity, now);
            self.identity.store(identity);
            Ok(())
        });
        if let (Some(file), Some(authorities)) = (&self.files.client_ca, &self.authorities) {
            clients.refresh(&self.files.authorities(), listener, || {
                authorities.replace(read_authorities(file)?);
                Ok(())
            });
        }
    }

    /// Whose certificate it is: `public` or `mtls`.
    pub(in crate::proxy) const fn listener(&self) -> &'static str {
        self.listener.as_str()
    }

    /// The same, as the configuration has it.
    pub(super) const fn place(&self) -> TlsListener {
        self.listener
    }

    /// When the certificate in use expires; `None` where that cannot be read.
    pub(in crate::proxy) fn expires_at(&self) -> Option<WallTime> {
        let seconds = u64::try_from(validity(&self.identity.load())?.1).ok()?;
        Some(WallTime::since_epoch(Duration::from_secs(seconds)))
    }

    /// Whether these are its files.
    pub(in crate::proxy) fn are_of(&self, files: &ServerTls) -> bool {
        self.files == *files
    }

    /// The authorities of clients, where there are any.
    pub(in crate::proxy) fn authorities(&self) -> Option<Arc<Authorities>> {
        self.authorities.clone()
    }

    /// Whether clients are asked for certificates: always on the listener that is there for it,
    /// elsewhere where some would be trusted.
    pub(super) fn asks(&self) -> bool {
        self.listener == TlsListener::Mtls || self.authorities.is_some()
    }
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.identity.load_full())
    }
}

impl Read {
    fn of(files: &[&Path]) -> Self {
        Self { used: Some(digest(files)), refused: None }
    }

    fn refresh(
        &mut self,
        files: &[&Path],
        listener: &str,
        take: impl FnOnce() -> Result<(), IdentityError>,
    ) {
        let found = digest(files);
        if self.used.as_ref() == Some(&found) {
            self.refused = None;
            return;
        }
        let seen = self.refused.take().filter(|(content, _)| *content == found);
        let told = seen.as_ref().is_some_and(|(_, told)| *told);
        if told {
            self.refused = seen;
            return;
        }
        match take() {
            Ok(()) => {
                self.used = Some(found);
                tracing::info!(listener, "the TLS files have changed and are used");
            }
            Err(error) => {
                if seen.is_some() {
                    tracing::error!(
                        listener,
                        %error,
                        "the TLS files have changed and cannot be used; the old ones stay"
                    );
                }
                self.refused = Some((found, seen.is_some()));
            }
        }
    }
}

/// One number for what the files hold; an unreadable one counts by its error.
fn digest(files: &[&Path]) -> Vec<u8> {
    let mut whole = Context::new(&SHA256);
    for file in files {
        let content = std::fs::read(file).unwrap_or_else(|error| error.to_string().into());
        let part: Digest = aws_lc_rs::digest::digest(&SHA256, &content);
        whole.update(part.as_ref());
    }
    whole.finish().as_ref().to_vec()
}

/// From when and until when a certificate serves, in seconds since the Unix epoch.
fn validity(identity: &CertifiedKey) -> Option<(i64, i64)> {
    let (_, leaf) = X509Certificate::from_der(identity.cert.first()?).ok()?;
    Some((leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp()))
}

/// Says until when a certificate serves.
fn announce(listener: TlsListener, identity: &CertifiedKey, now: WallTime) {
    let Some((begins, expires)) = validity(identity) else { return };
    meter().tls_certificate_expires(listener.as_str(), expires);
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if expires < now || begins > now {
        tracing::warn!(listener = listener.as_str(), "the TLS certificate is not valid now");
    }
}
