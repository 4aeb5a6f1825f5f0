"""permessage-deflate (RFC 7692) for the relay's text messages only.

Control messages shrink to a third, which a thin link feels. Pages and voice are compressed already: trying again costs
150–350 µs of CPU for each 4 kB and each hall, and gains nothing. The RFC (section 6) lets each message choose.
"""

from __future__ import annotations

from collections.abc import Sequence

from websockets.extensions import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionName, ExtensionParameter


class TextDeflate(Extension):
    """Wraps the negotiated extension; binary frames pass it by on their way out."""

    def __init__(self, deflate: Extension) -> None:
        self.name = deflate.name
        self._deflate = deflate

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return self._deflate.decode(frame, max_size=max_size)

    def encode(self, frame: Frame) -> Frame:
        return frame if frame.opcode is Opcode.BINARY else self._deflate.encode(frame)


class TextDeflateFactory(ServerExtensionFactory):
    """Negotiates permessage-deflate with windows of 4 kB: 40 kB of memory for each socket."""

    name = ExtensionName("permessage-deflate")

    def __init__(self) -> None:
        self._factory = ServerPerMessageDeflateFactory(
            server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
        )

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], Extension]:
        accepted, deflate = self._factory.process_request_params(params, accepted_extensions)
        return accepted, TextDeflate(deflate)
