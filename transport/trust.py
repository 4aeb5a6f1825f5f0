"""Which relays' certificates are trusted: the same for HTTP as for the WebSocket."""

from __future__ import annotations

import ssl


def trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts, and those in the file that ``SSL_CERT_FILE`` names."""
    return ssl.create_default_context()


def untrusted(error: BaseException) -> str:
    """What to tell if a certificate that is not trusted is behind an error; empty if something else is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The relay's certificate is not trusted here: {cause.verify_message}. "
                "If it is one of your own making, name its file in the environment: SSL_CERT_FILE=certificate.pem."
            )
        cause = cause.__cause__ or cause.__context__
    return ""
