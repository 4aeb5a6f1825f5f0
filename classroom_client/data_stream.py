"""What comes over RTP of all that the hall socket carries too: messages and frames, put together and decoded."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lecture import codec
from lecture.errors import ProtocolError
from lecture.messages import Message, Unknown
from lecture.wire import Frame, UnknownFrame, parse_frame
from transport.data_receive import DataReceiver
from transport.rtp import MalformedPacket

log = logging.getLogger("hallcast.hall")


class DataStream:
    """The data of one media connection.

    :param handle: gets messages in order, and frames as they complete.
    """

    def __init__(self, handle: Callable[[Message | Frame], None]) -> None:
        self._handle = handle
        self._receiver = DataReceiver()

    def push(self, payload: bytes) -> None:
        """Take a packet's payload; what cannot be read is left out."""
        try:
            items = self._receiver.push(payload)
        except MalformedPacket as error:
            log.warning("an unreadable data packet is left out: %s", error)
            return
        for item in items:
            try:
                self._take(item)
            except ProtocolError as error:
                log.warning("the relay sent something unreadable over RTP: %s", error)

    def _take(self, item: str | bytes) -> None:
        decoded = codec.decode(item, codec.RELAY_TO_HALL) if isinstance(item, str) else parse_frame(item)
        if not isinstance(decoded, Unknown | UnknownFrame):
            self._handle(decoded)
