//! The closed label sets of pushes, clients and their limits.

use super::Label;

label! {
    /// How a client proved itself, or tried to (`token_endpoint_auth_method`, RFC 7591 §2).
    AuthMethod {
        /// No credentials and no `client_id` that could be read.
        Unknown = "unknown",
        /// Public client.
        None = "none",
        /// `RFC 6749 §2.3.1`
        ClientSecretBasic = "client_secret_basic",
        /// `RFC 6749 §2.3.1`
        ClientSecretPost = "client_secret_post",
        /// `RFC 7523`
        ClientSecretJwt = "client_secret_jwt",
        /// `RFC 7523`
        PrivateKeyJwt = "private_key_jwt",
        /// `RFC 8705 §2.1`
        TlsClientAuth = "tls_client_auth",
        /// `RFC 8705 §2.2`
        SelfSignedTlsClientAuth = "self_signed_tls_client_auth",
    }
}

label! {
    /// What client authentication found.
    AuthVerdict {
        /// The client is who it says.
        Accepted = "accepted",
        /// No such client, or disabled.
        UnknownClient = "unknown_client",
        /// No credentials where the client needs them.
        Missing = "missing",
        /// Wrong secret, assertion or certificate.
        Mismatch = "mismatch",
        /// Another method than the registered one.
        WrongMethod = "wrong_method",
        /// Two methods at once, or credentials that cannot be read.
        Malformed = "malformed",
        /// Not judged: too many failures from this address.
        Limited = "limited",
        /// Not judged: the store did not say whether an assertion was used before.
        Unavailable = "unavailable",
    }
}

label! {
    /// Whether a push was taken.
    PushResult {
        /// 201
        Accepted = "accepted",
        /// Any error answer.
        Refused = "refused",
    }
}

label! {
    /// How a push brought its parameters.
    PushForm {
        /// As form parameters.
        Plain = "plain",
        /// In a request object (RFC 9101).
        RequestObject = "request_object",
    }
}

label! {
    /// Which limit was hit.
    RateScope {
        /// `pushes_per_client`
        Client = "client",
        /// `failures_per_address`
        Address = "address",
        /// `connections`
        Connections = "connections",
    }
}

label! {
    /// What `[limits]` remembers.
    LimitKind {
        /// Clients whose budget of pushes is not full.
        Clients = "clients",
        /// Addresses whose budget of failures is not full.
        Addresses = "addresses",
        /// Addresses that wait.
        Blocked = "blocked",
        /// Pairs of client and address that authenticated lately.
        Trusted = "trusted",
    }
}
