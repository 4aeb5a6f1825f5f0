"""Trickled candidates: ``application/trickle-ice-sdpfrag`` (RFC 8840), the body of a WHIP PATCH (RFC 9725)."""

from __future__ import annotations

from transport.sdp_parse import MAX_CANDIDATES, parse_candidates, parse_credential, parse_mid, split_sections
from transport.sdp_types import Fragment


def parse_fragment(text: str) -> Fragment:
    """Read a fragment. In a bundle all candidates belong to one transport, whatever section they stand in.

    :raises SdpError: ``sdp_malformed``, ``sdp_too_large``.
    """
    sections = split_sections(text, require_version=False)
    ufrags = [value for section in sections if (value := parse_credential(section, "ice-ufrag")) is not None]
    pwds = [value for section in sections if (value := parse_credential(section, "ice-pwd")) is not None]
    mids = [mid for section in sections if (mid := parse_mid(section))]
    candidates = dict.fromkeys(candidate for section in sections for candidate in parse_candidates(section))
    return Fragment(
        candidates=tuple(candidates)[:MAX_CANDIDATES],
        ufrag=ufrags[0] if ufrags else None,
        pwd=pwds[0] if pwds else None,
        end=any(section.has("end-of-candidates") for section in sections),
        mid=mids[0] if mids else "",
    )


def build_fragment(fragment: Fragment) -> str:
    """Write a fragment; its media line is that of RFC 8840 section 9's examples."""
    lines = []
    if fragment.ufrag is not None:
        lines.append(f"a=ice-ufrag:{fragment.ufrag}")
    if fragment.pwd is not None:
        lines.append(f"a=ice-pwd:{fragment.pwd}")
    lines += ["m=audio 9 RTP/AVP 0", f"a=mid:{fragment.mid or '0'}"]
    lines += [f"a={candidate}" for candidate in fragment.candidates]
    if fragment.end:
        lines.append("a=end-of-candidates")
    return "".join(f"{line}\r\n" for line in lines)
