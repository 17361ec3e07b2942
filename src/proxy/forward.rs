//! The request on its way upstream: head and body rewritten as decided, or watched as they stream.

use bytes::Bytes;
use http::Uri;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, TRANSFER_ENCODING,
};
use pingora::http::RequestHeader;
use pingora::{ErrorType, OrErr as _};

use super::context::Context;
use super::steps::replaced;

/// Puts method, target and framing of the decided request in place.
pub(super) fn rewrite_head(request: &mut RequestHeader, context: &Context) -> pingora::Result<()> {
    if context.replayed {
        // The body is here already; there is nothing to wait for.
        request.remove_header(&EXPECT);
    }
    let Some(forward) = &context.forward else {
        return Ok(());
    };
    let target = Uri::from_maybe_shared(forward.target.clone())
        .or_err(ErrorType::InternalError, "forwarded target")?;
    request.set_uri(target);
    request.set_method(forward.method.clone());
    request.remove_header(&TRANSFER_ENCODING);
    request.remove_header(&CONTENT_ENCODING);
    request.remove_header(&EXPECT);
    if let Some((media_type, bytes)) = &forward.body {
        request.insert_header(CONTENT_TYPE, media_type.clone())?;
        request.insert_header(CONTENT_LENGTH, HeaderValue::from(bytes.len()))?;
        return Ok(());
    }
    request.remove_header(&CONTENT_TYPE);
    // pingora would announce chunks for a request whose own body was dropped without a length.
    if request.remove_header(&CONTENT_LENGTH).is_some() || context.replayed {
        request.insert_header(CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    }
    Ok(())
}

/// Puts the decided body in place of the browser's, or shows a streamed one to its scanner.
pub(super) fn rewrite_body(
    body: &mut Option<Bytes>,
    end_of_stream: bool,
    context: &mut Context,
) -> pingora::Result<()> {
    if let Some(forward) = &context.forward {
        let ours = forward.body.as_ref().map(|(_, bytes)| bytes.clone());
        *body = if end_of_stream { ours } else { Some(Bytes::new()) };
        return Ok(());
    }
    let Some(scan) = &mut context.scan else {
        return Ok(());
    };
    let cut = body.as_ref().is_some_and(|piece| scan.feed(piece)) || (end_of_stream && scan.end());
    if !cut {
        return Ok(());
    }
    let refusal = scan.refusal();
    Err(replaced(context, refusal))
}
