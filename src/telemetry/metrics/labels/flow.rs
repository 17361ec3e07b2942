//! The closed label sets of the authorization endpoint.

use super::Label;

label! {
    /// How a redeem ended.
    RedeemResult {
        /// First redeem.
        Ok = "ok",
        /// Again in a live flow.
        Reload = "reload",
        /// Too late.
        Expired = "expired",
        /// Never issued, or long gone.
        Unknown = "unknown",
        /// Completed before.
        Spent = "spent",
        /// Another client's reference.
        ClientMismatch = "client_mismatch",
        /// Started in another browser.
        BrowserMismatch = "browser_mismatch",
        /// No valid reference.
        Malformed = "malformed",
        /// `request` or parameters that may not stand beside it.
        Refused = "refused",
        /// The client is disabled.
        ClientDisabled = "client_disabled",
        /// `HEAD` or prefetch; burns nothing.
        Preview = "preview",
        /// The store did not answer.
        StoreUnavailable = "store_unavailable",
    }
}

label! {
    /// How a flow ended.
    CompletionOutcome {
        /// With a code or tokens.
        Code = "code",
        /// With an error of the upstream.
        Error = "error",
        /// The same completion again within its grace.
        Repeated = "repeated",
        /// Another browser was first, or the flow is over.
        Refused = "refused",
    }
}

label! {
    /// What became of an authorization request that was not pushed.
    PlainDecision {
        /// Passed on.
        Allowed = "allowed",
        /// PAR is required.
        Refused = "refused",
    }
}

label! {
    /// Where the guard found a request that must not pass.
    GuardPlace {
        /// An alias of the authorize path.
        Path = "path",
        /// A disguised authorization request in the query.
        Query = "query",
        /// The same in a form body.
        Body = "body",
        /// A head that two servers could read in two ways: target, `Host`, framing.
        Target = "target",
        /// An answer that belongs to no pushed login.
        Answer = "answer",
    }
}

label! {
    /// What became of a page that was to be masked.
    MaskResult {
        /// Read to its end; nothing pushed is left in it.
        Masked = "masked",
        /// Not readable; it passed as it was (`mask_failure = "pass"`).
        Unmasked = "unmasked",
        /// Not readable; it was not sent (`mask_failure = "refuse"`).
        Refused = "refused",
    }
}

label! {
    /// What became of a redirect that carried a request.
    ResealResult {
        /// A handle stands in its place.
        Hidden = "hidden",
        /// The browser got an error page.
        Refused = "refused",
    }
}
