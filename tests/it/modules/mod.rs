//! The modules of the `OpenID` Foundation's conformance suite that a gateway decides, replayed: each is
//! one test with the module's name, its stimulus and the outcomes it accepts. An outcome that the
//! suite takes with a warning is not accepted here. `docs/clients.md` lists what is run.
//!
//! Left out, because no gateway decides them:
//!
//! | modules | who decides |
//! | --- | --- |
//! | `ensure-server-handles-non-matching-intent-id` | the server, which knows the consents |
//! | `ensure-token-endpoint-fails-with-mismatched-dpop-jkt`, `…-dpop-proof-jkt`, `ensure-pkce-code-verifier-required`, `incorrect-pkce-code-verifier-rejected`, `ensure-client-assertion-in-token-endpoint…`, `ensure-signed-client-assertion-with-RS256-fails`, `ensure-client-id-in-token-endpoint`, `ensure-authorization-code-is-bound-to-client`, `attempt-reuse-authorization-code-after-one-second`, `ensure-token-endpoint-fails-with-expired-auth-code`, `refresh-token` | the server's token endpoint |
//! | `dpop-negative-tests`, `check-dpop-proof-nbf-exp`, `ensure-holder-of-key-required`, `access-token-type-header-case-sensitivity` | the resource |
//! | `australia-connectid-ensure-invalid-purpose-fails` | the server, whose parameter `purpose` is |

mod fapi1;
mod fapi2;
mod message_signing;
mod push;
mod stimuli;
mod suite;

use push::Push;
use suite::{Success, Suite};

/// What the suite takes as a refusal of a client assertion.
const AUTHENTICATION_FAILED: &[&str] =
    &["400 invalid_request", "400 invalid_client", "401 invalid_request", "401 invalid_client"];
