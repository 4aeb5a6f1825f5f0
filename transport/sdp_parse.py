"""Text to data: session descriptions (RFC 8866, RFC 8829).

Lenient where peers in the field differ, strict where a wrong guess would harm: what is not understood is left out, what
every WebRTC peer must say is demanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, cast

from transport.errors import SdpError
from transport.sdp_types import Codec, Direction, Fingerprint, Offer, OfferedMedia, RemoteTransport, Setup

MAX_SDP_BYTES: Final = 64 * 1024
"""Longest description that is looked at; Chromium's offers with every codec take 8 kB."""

MAX_MEDIA_SECTIONS: Final = 32
MAX_CANDIDATES: Final = 50

_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_DIGEST_BYTES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")
_CREDENTIAL: Final = re.compile(r"[!-~]{1,256}")
# Control characters, and halves of characters, which could not be written out again.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(slots=True)
class Section:
    """One part of a description: the session, or a media section with its m-line."""

    media_line: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> Iterator[str]:
        """Values of the attributes called ``name``."""
        return (value for key, value in self.attributes if key == name)

    def first(self, name: str) -> str | None:
        """The first of them."""
        return next(self.all(name), None)

    def has(self, name: str) -> bool:
        """Whether there is any."""
        return any(key == name for key, _ in self.attributes)


def parse_offer(text: str) -> Offer:
    """Read an offer (or an answer) of a WebRTC peer.

    :raises SdpError: ``sdp_malformed``, ``sdp_too_large``.
    """
    session, *sections = split_sections(text, require_version=True)
    media = tuple(_parse_media(index, section) for index, section in enumerate(sections))
    mids = [entry.mid for entry in media if entry.mid]
    if len(set(mids)) != len(mids):
        raise malformed("two media sections have the same mid")
    transport, bundled = _parse_transport(session, sections, media, _bundled(session, media))
    return Offer(media, transport, bundled)


def malformed(text: str) -> SdpError:
    """The error for a description that does not make sense."""
    return SdpError("sdp_malformed", f"The session description is malformed: {text}.")


def split_sections(text: str, *, require_version: bool) -> list[Section]:
    """Cut a description into its session part and its media sections."""
    if len(text) > MAX_SDP_BYTES:
        raise SdpError("sdp_too_large", f"The session description is longer than {MAX_SDP_BYTES} bytes.")
    sections = [Section()]
    seen_version = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r").strip(" \t")
        if not line:
            continue
        if len(line) < 2 or line[1] != "=" or not line[0].isascii() or not line[0].isalpha() or _CONTROL.search(line):
            raise malformed(f"line {number} is not of the form x=value")
        if require_version and not seen_version:
            if line != "v=0":
                raise malformed("it does not begin with v=0")
            seen_version = True
        kind, value = line[0], line[2:]
        if kind == "m":
            if len(sections) > MAX_MEDIA_SECTIONS:
                raise malformed(f"it has more than {MAX_MEDIA_SECTIONS} media sections")
            sections.append(Section(media_line=value))
        elif kind == "a":
            name, _, argument = value.partition(":")
            sections[-1].attributes.append((name.strip().lower(), argument.strip()))
    if require_version and not seen_version:
        raise malformed("it is empty")
    return sections


def parse_candidates(section: Section) -> Iterator[str]:
    """Candidate attribute values of a section."""
    return (f"candidate:{value}" for value in section.all("candidate") if value)


def parse_credential(section: Section, name: str) -> str | None:
    """An ICE user fragment or password."""
    value = section.first(name)
    if value is not None and not _CREDENTIAL.fullmatch(value):
        raise malformed(f"{name} has characters that are not allowed")
    return value


def parse_mid(section: Section) -> str:
    """The section's mid, empty for none."""
    mid = section.first("mid") or ""
    if mid and not _TOKEN.fullmatch(mid):
        raise malformed("a mid is not a token")
    return mid


def _parse_media(index: int, section: Section) -> OfferedMedia:
    fields = section.media_line.split()
    if len(fields) < 4:
        raise malformed(f"media section {index} lacks parts of its m-line")
    kind, port_text, protocol, *formats = fields
    port = _number(port_text.partition("/")[0], 65535)
    if port is None or not _TOKEN.fullmatch(kind):
        raise malformed(f"media section {index} has a malformed m-line")
    codecs = tuple(_parse_codecs(section, formats))
    direction = next((name for name, _ in section.attributes if name in _DIRECTIONS), "sendrecv")
    fid = dict(_parse_fid(section))
    repairs = set(fid.values())
    ssrcs = dict.fromkeys(
        ssrc for value in section.all("ssrc") if (ssrc := _number(value.partition(" ")[0], 0xFFFFFFFF)) is not None
    )
    return OfferedMedia(
        index=index,
        kind=kind.lower(),
        mid=parse_mid(section),
        protocol=protocol,
        port=port,
        direction=cast(Direction, direction),
        formats=tuple(formats),
        codecs=codecs,
        feedback=_parse_feedback(section, codecs),
        extensions=_parse_extensions(section),
        rtcp_mux=section.has("rtcp-mux"),
        rtcp_rsize=section.has("rtcp-rsize"),
        rids_send=_parse_rids(section),
        ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc not in repairs),
        fid_ssrcs=fid,
    )


def _parse_codecs(section: Section, formats: Iterable[str]) -> Iterator[Codec]:
    names: dict[int, str] = {}
    for value in section.all("rtpmap"):
        payload_type, _, encoding = value.partition(" ")
        number = _number(payload_type, 127)
        if number is not None and encoding.strip():
            names.setdefault(number, encoding.strip())
    parameters: dict[int, str] = {}
    for value in section.all("fmtp"):
        payload_type, _, fmtp = value.partition(" ")
        number = _number(payload_type, 127)
        if number is not None:
            parameters.setdefault(number, fmtp.strip())
    for text in dict.fromkeys(formats):
        number = _number(text, 127)
        if number is None or number not in names:
            continue
        name, _, rest = names[number].partition("/")
        rate_text, _, channels_text = rest.partition("/")
        rate = _number(rate_text, 10_000_000)
        channels = _number(channels_text or "1", 64)
        if rate and channels and _TOKEN.fullmatch(name):
            yield Codec(number, name, rate, channels, parameters.get(number, ""))


def _parse_feedback(section: Section, codecs: Iterable[Codec]) -> dict[int, frozenset[str]]:
    of_all: set[str] = set()
    of_one: dict[int, set[str]] = {}
    for value in section.all("rtcp-fb"):
        target, _, feedback = value.partition(" ")
        feedback = " ".join(feedback.lower().split())
        number = _number(target, 127)
        if target == "*":
            of_all.add(feedback)
        elif number is not None:
            of_one.setdefault(number, set()).add(feedback)
    return {codec.payload_type: frozenset(of_all | of_one.get(codec.payload_type, set())) for codec in codecs}


def _parse_extensions(section: Section) -> dict[str, int]:
    extensions: dict[str, int] = {}
    for value in section.all("extmap"):
        fields = value.split()
        # Ids above 14 need two-byte headers (RFC 8285), which cost a byte per element: not taken.
        number = _number(fields[0].partition("/")[0], 14) if len(fields) >= 2 else None
        if number:
            extensions.setdefault(fields[1], number)
    return extensions


def _parse_rids(section: Section) -> tuple[str, ...]:
    """Simulcast streams that the other side sends (RFC 8853); of alternatives the first."""
    known = {value.split()[0] for value in section.all("rid") if value.split()[1:2] == ["send"]}
    fields = (section.first("simulcast") or "").split()
    for direction, streams in zip(fields[::2], fields[1::2], strict=False):
        if direction == "send":
            names = (part.partition(",")[0].removeprefix("rid=").lstrip("~") for part in streams.split(";"))
            return tuple(dict.fromkeys(name for name in names if name in known))[:8]
    return ()


def _parse_fid(section: Section) -> Iterator[tuple[int, int]]:
    for value in section.all("ssrc-group"):
        fields = value.split()
        if len(fields) == 3 and fields[0].upper() == "FID":
            primary, repair = (_number(text, 0xFFFFFFFF) for text in fields[1:])
            if primary is not None and repair is not None:
                yield primary, repair


def _bundled(session: Section, media: tuple[OfferedMedia, ...]) -> tuple[int, ...]:
    """Sections that share one transport: the first BUNDLE group (RFC 9143), else one section alone."""
    by_mid = {entry.mid: entry.index for entry in media if entry.mid}
    for group in session.all("group"):
        fields = group.split()
        if fields[:1] == ["BUNDLE"]:
            indices = tuple(dict.fromkeys(by_mid[mid] for mid in fields[1:] if mid in by_mid))
            if indices:
                return indices
    alone = [entry.index for entry in sorted(media, key=lambda entry: entry.kind != "audio") if entry.port]
    return tuple(alone[:1])


def _parse_transport(
    session: Section, sections: list[Section], media: tuple[OfferedMedia, ...], bundled: tuple[int, ...]
) -> tuple[RemoteTransport, tuple[int, ...]]:
    """The transport of the bundle, and the bundle with the section first that it belongs to."""
    found = [(index, _section_transport(session, sections[index])) for index in bundled]
    usable = [(index, entry) for index, entry in found if entry is not None and entry.fingerprints]
    # A section without a port is bundle-only (RFC 9143 section 6), or was refused in an answer.
    usable.sort(key=lambda pair: media[pair[0]].port == 0)
    if not usable:
        raise malformed("it has no ICE credentials with a SHA-2 fingerprint")
    if len({entry.ufrag for _, entry in usable}) > 1:
        # A transport for each section (bundle policy "balanced"): that of the audio is the one we take.
        usable.sort(key=lambda pair: media[pair[0]].kind != "audio")
        bundled = (usable[0][0], *(index for index in bundled if index != usable[0][0]))
    chosen = usable[0][1]
    # Until the answer says that there is one transport, Chromium has a port for each section, and candidates in each:
    # those of the section that carries the bundle count. Some peers write them in another section only.
    groups = [entry.candidates for _, entry in usable if entry.ufrag == chosen.ufrag and entry.candidates][:1]
    groups.append(tuple(parse_candidates(session)))
    candidates = dict.fromkeys(candidate for group in groups for candidate in group)
    return replace(chosen, candidates=tuple(candidates)[:MAX_CANDIDATES]), bundled


def _section_transport(session: Section, section: Section) -> RemoteTransport | None:
    ufrag = parse_credential(section, "ice-ufrag") or parse_credential(session, "ice-ufrag")
    pwd = parse_credential(section, "ice-pwd") or parse_credential(session, "ice-pwd")
    if ufrag is None or pwd is None:
        return None
    setup = section.first("setup") or session.first("setup") or "actpass"
    if setup not in ("actpass", "active", "passive"):
        raise malformed("its setup attribute has an unknown value")
    return RemoteTransport(
        ufrag=ufrag,
        pwd=pwd,
        fingerprints=tuple(_parse_fingerprints(section)) or tuple(_parse_fingerprints(session)),
        setup=cast(Setup, setup),
        candidates=tuple(parse_candidates(section)),
        ice_lite=session.has("ice-lite"),
    )


def _parse_fingerprints(section: Section) -> Iterator[Fingerprint]:
    for value in section.all("fingerprint"):
        algorithm, _, digest = value.partition(" ")
        size = _DIGEST_BYTES.get(algorithm.lower())
        if size is not None and re.fullmatch(rf"[0-9A-Fa-f]{{2}}(:[0-9A-Fa-f]{{2}}){{{size - 1}}}", digest.strip()):
            yield Fingerprint(algorithm.lower(), digest.strip().upper())


def _number(text: str, most: int) -> int | None:
    """A number written in ASCII digits, ``None`` where it is something else or above ``most``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= most else None
