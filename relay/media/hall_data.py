"""One hall's data over RTP: what its outbox holds, put into packets when the pacer asks, until it is delivered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lecture.codec import encode
from lecture.messages import Filled, Message, Repaired
from relay.adaptation.pacer import Class
from relay.media.hall_outbox import ENTRY, SCREEN_PART, HallOutbox, Item
from relay.media.rtp_outlet import HEADER_BYTES
from transport.data_send import DataSender, Token
from transport.sdp import NegotiatedMedia
from transport.send import SendStream

MAX_PAYLOAD_BYTES = 1_150
PIECE_HEAD_BYTES = 24
"""What payload and frame put around a piece of a page."""
MIN_PIECE_BYTES = 200
PAGE_PIECES = 256
VOICE_OBJECTS = 256
"""With more than these it is looked which are still under way."""
_DIGEST = slice(2, 10)
"""Of a frame with a piece of a page: the beginning of its digest."""


class HallData:
    """A lane (:class:`relay.media.rtp_outlet.Lane`) of data.

    :param lecture_ms: lecture time now, the timestamp of packets.
    """

    classes = (Class.CONTROL, Class.PROTECTION, Class.PAGE, Class.CATCH_UP, Class.BULK)

    def __init__(
        self,
        media: NegotiatedMedia,
        outbox: HallOutbox,
        lecture_ms: Callable[[], int],
    ) -> None:
        self.stream = SendStream.negotiated(media, transport_cc=True)
        self._sender = DataSender(MAX_PAYLOAD_BYTES)
        self._outbox = outbox
        self._lecture_ms = lecture_ms
        self._pages: deque[tuple[int, bytes]] = deque(maxlen=PAGE_PIECES)  # (object, beginning of its digest)
        self._voice: list[int] = []  # objects with voice that may still be under way
        self._held: list[tuple[Filled | Repaired, list[int]]] = []  # with the objects that have to arrive before

    def waiting(self, class_: Class, packet_bytes: int, now: float) -> Class | None:
        """See :class:`relay.media.rtp_outlet.Lane`. A flood of events is paced: only a page turn may not wait."""
        payload_bytes = packet_bytes - HEADER_BYTES
        piece_bytes = max(MIN_PIECE_BYTES, payload_bytes - PIECE_HEAD_BYTES)
        while self._sender.waiting_bytes(class_) < payload_bytes:
            item = self._outbox.next(class_, piece_bytes, now)
            if item is None:
                break
            self._put(item, class_)
        waiting_bytes = self._sender.waiting_bytes(class_)
        if class_ is Class.CONTROL and waiting_bytes >= payload_bytes:
            return Class.PROTECTION
        return class_ if waiting_bytes else None

    def next(self, class_: Class, packet_bytes: int, now: float) -> tuple[bytearray, object] | None:
        """See :class:`relay.media.rtp_outlet.Lane`."""
        made = self._sender.next_payload(class_, min(MAX_PAYLOAD_BYTES, packet_bytes - HEADER_BYTES))
        if made is None:
            return None
        payload, token = made
        return self.stream.send(payload, self._lecture_ms(), False, now), token

    def probe(self, message: Message, now: float) -> tuple[bytearray, object] | None:
        """A small packet to learn whether RTP works, with this message unless another still waits."""
        if not self._sender.waiting_bytes(Class.CONTROL):
            self._sender.put(encode(message), Class.CONTROL)
        return self.next(Class.CONTROL, HEADER_BYTES + MAX_PAYLOAD_BYTES, now)

    def arrived(self, token: Token) -> None:
        """A packet of ours has arrived."""
        self._sender.delivered(token)
        if self._held:
            self._let_go()

    def lost(self, token: Token) -> None:
        """A packet of ours is lost."""
        self._sender.lost(token)

    def page_turned(self) -> None:
        """What is under way of the page shown now is urgent, and of those shown before no more than any other."""
        shown = {bytes.fromhex(digest[:16]) for digest in self._outbox.pages.shown_digests}
        for number, digest in self._pages:
            self._sender.set_priority(number, Class.PAGE if digest in shown else Class.BULK)

    def take_undelivered(self) -> list[tuple[int, Item]]:
        """Everything that is not known to have arrived, with its class, for another carrier."""
        items: list[tuple[int, Item]] = [*self._sender.undelivered()]
        items += [(Class.CATCH_UP, message) for message, _ in self._held]
        self._sender.clear()
        self._held.clear()
        self._voice.clear()
        self._pages.clear()
        return items

    def _put(self, item: Item, class_: Class) -> None:
        if isinstance(item, bytes):
            number = self._sender.put(item, class_)
            if class_ in (Class.PROTECTION, Class.CATCH_UP):
                self._voice.append(number)
                if len(self._voice) > VOICE_OBJECTS:
                    self._let_go()
            elif item[1] not in (SCREEN_PART, ENTRY):  # those are as urgent after a page turn as before
                self._pages.append((number, item[_DIGEST]))
        elif isinstance(item, Filled | Repaired):
            # "filled" says that nothing more will come: not before all that was to come has arrived. "repaired" takes
            # that back: no "filled" of before may come after it.
            self._held.append((item, list(self._voice) if isinstance(item, Filled) else []))
            self._let_go()
        else:
            self._sender.put(item if isinstance(item, str) else encode(item), Class.CONTROL)

    def _let_go(self) -> None:
        self._voice = [number for number in self._voice if self._sender.is_pending(number)]
        still: list[tuple[Filled | Repaired, list[int]]] = []
        for message, numbers in self._held:
            pending = [number for number in numbers if self._sender.is_pending(number)]
            if pending or (still and isinstance(message, Repaired)):
                still.append((message, pending))
            else:
                self._sender.put(encode(message), Class.CONTROL)
        self._held = still
