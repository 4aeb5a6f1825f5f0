"""The first words on a hall's or lecturer's socket, before anyone knows whether there is such a lecture."""

from __future__ import annotations

import asyncio
from typing import overload

from lecture.errors import HallcastError, ProtocolError, RefusedError
from lecture.lecturer_messages import LecturerHello
from lecture.messages import HallHello
from lecture.session import HallSession, LecturerSession
from relay.media.channel import Channel, ChannelClosed

REFUSE_TIMEOUT_S = 5.0


@overload
async def read_hello(channel: Channel, session: HallSession, *, timeout_s: float = ...) -> HallHello: ...
@overload
async def read_hello(channel: Channel, session: LecturerSession, *, timeout_s: float = ...) -> LecturerHello: ...
async def read_hello(
    channel: Channel, session: HallSession | LecturerSession, *, timeout_s: float = 10.0
) -> HallHello | LecturerHello:
    """Read the client's ``hello``. On an error call :func:`refuse`.

    :raises ProtocolError: it is anything else (``message_unexpected``, ``message_malformed``, ``frame_unexpected``),
        or of a newer major version (``version_unsupported``).
    :raises RefusedError: ``hello_timeout`` (503) when nothing comes in time, which says of a slow line
        nothing about its token.
    :raises ChannelClosed: the client has gone.
    """
    try:
        async with asyncio.timeout(timeout_s):
            data = await channel.receive()
    except TimeoutError:
        raise RefusedError("hello_timeout", "No hello came in time.", 503) from None
    messages = session.receive_text(data) if isinstance(data, str) else session.receive_binary(data)
    for message in messages:
        if isinstance(message, HallHello | LecturerHello):
            return message
    raise ProtocolError("message_unexpected", "The first message must be a hello.")


async def refuse(channel: Channel, session: HallSession | LecturerSession, error: HallcastError) -> None:
    """Tell the client what was wrong (an ``error`` message, fatal) and close with the matching code. Never raises."""
    text, code = session.refuse(error)
    try:
        async with asyncio.timeout(REFUSE_TIMEOUT_S):
            if text is not None:
                await channel.send_text(text)
    except (ChannelClosed, TimeoutError):
        pass  # it has gone, or does not read: the close code is all it gets
    await channel.close(int(code), error.error_id)
