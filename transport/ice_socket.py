"""The sockets below ICE: binding them, and telling apart what arrives.

Touches aioice's ``StunProtocol`` and the places where it keeps its ``stun.Transaction``; checked against aioice 0.13.0.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import random
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from aioice import stun
from aioice.ice import StunProtocol

from transport.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.ice import IceConnection

SOCKET_BUFFER_BYTES: Final = 512 * 1024
CHECK_INTERVAL_S: Final = 0.5
CHECK_TRIES: Final = 60


class MediaProtocol(StunProtocol):
    """A UDP socket (or TURN allocation) that tells STUN, DTLS and media apart by their first byte (RFC 7983).

    aioice 0.13 tries to parse each datagram as STUN and puts the rest into a queue without bound, which costs a task
    switch per packet; and a malformed attribute raises ``struct.error`` out of its ``datagram_received``.
    """

    receiver: IceConnection
    sock: socket.socket | None = None

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if not data or isinstance(data, str):
            return
        first = data[0]
        if 127 < first < 192:
            self.receiver.on_media(data)
        elif 19 < first < 64:
            self.receiver.data_received(data, self.local_candidate.component)
        elif first < 4:
            self._stun_received(data, (addr[0], addr[1]))

    def _stun_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = stun.parse_message(data)
        except (ValueError, struct.error):
            return
        if message.message_class in (stun.Class.RESPONSE, stun.Class.ERROR):
            transaction = self.transactions.get(message.transaction_id)
            if transaction is not None:
                transaction.response_received(message, addr)
        elif message.message_class == stun.Class.REQUEST:
            self.receiver.request_received(message, addr, self)

    async def request(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, tuple[str, int]]:
        """Replaces aioice's, which waits twice as long after each try (six tries in 20 s).

        On a link that loses in bursts the next packet is as likely to be lost as the last: many tries are what helps.
        """
        if integrity_key is not None:
            request.add_message_integrity(integrity_key)
        check = _Check(integrity_key)
        transactions: dict[bytes, Any] = self.transactions
        transactions[request.transaction_id] = check
        try:
            for _ in range(CHECK_TRIES if retransmissions is None else 1 + retransmissions):
                self.send_stun(request, addr)
                done, _pending = await asyncio.wait([check.answer], timeout=CHECK_INTERVAL_S)
                if done:
                    return check.answer.result()
            raise stun.TransactionTimeout
        finally:
            check.answer.cancel()
            del self.transactions[request.transaction_id]


class _Check:
    """A connectivity check. It stands where aioice keeps a ``stun.Transaction``."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self.answer: asyncio.Future[tuple[stun.Message, tuple[str, int]]] = asyncio.get_running_loop().create_future()

    def response_received(self, message: stun.Message, addr: tuple[str, int]) -> None:
        # What is not authentic is ignored, so that the tries go on (RFC 8489 section 9.1.4).
        if self.answer.done() or (self._key is not None and not message.check_message_integrity(self._key)):
            return
        if message.message_class == stun.Class.RESPONSE:
            self.answer.set_result((message, addr))
        else:
            self.answer.set_exception(stun.TransactionFailed(message))


class ConsentCheck:
    """One outstanding consent check. It stands where aioice keeps a ``stun.Transaction``; only this method is used."""

    def __init__(self, sent_at: float, addr: tuple[str, int], key: bytes, on_answer: Callable[[float], None]) -> None:
        self.sent_at = sent_at
        self._addr = addr
        self._key = key
        self._on_answer = on_answer

    def response_received(self, message: stun.Message, addr: tuple[str, int]) -> None:
        authentic = message.message_class == stun.Class.RESPONSE and message.check_message_integrity(self._key)
        if authentic and addr == self._addr:
            self._on_answer(self.sent_at)


def bind_udp(address: str, ports: tuple[int, int] | None) -> socket.socket:
    """A non-blocking UDP socket at ``address``, within ``ports``.

    :raises TransportError: ``udp_ports_exhausted``.
    :raises OSError: the address is not ours.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        for port in _ports_to_try(ports):
            try:
                sock.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return sock
        assert ports is not None
        raise TransportError(
            "udp_ports_exhausted", f"All UDP ports from {ports[0]} to {ports[1]} on {address} are in use."
        )
    except BaseException:
        sock.close()
        raise


def _ports_to_try(ports: tuple[int, int] | None) -> list[int]:
    if ports is None:
        return [0]
    first, last = ports
    # From a random place on, so that a port just freed is not the next one taken: late packets of its last user.
    start = random.randint(first, last)
    return [*range(start, last + 1), *range(first, start)]
