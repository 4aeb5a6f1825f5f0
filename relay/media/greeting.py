"""The first words on a hall's or lecturer's socket, before anyone knows whether there is such a lecture."""

from __future__ import annotations

from lecture.errors import HallcastError
from lecture.messages import Hello
from lecture.session import HallSession, LecturerSession
from relay.media.channel import Channel


async def read_hello(channel: Channel, session: HallSession | LecturerSession, *, timeout_s: float = 10.0) -> Hello:
    """Read the client's ``hello``.

    :raises ProtocolError: it is anything else (``hello_expected``…), or of a newer major version
        (``version_unsupported``); RefusedError ``hello_timeout`` when nothing comes in time.
    :raises ChannelClosed: the client has gone.
    """
    raise NotImplementedError


async def refuse(channel: Channel, error: HallcastError) -> None:
    """Tell the client what was wrong (an ``error`` message, fatal) and close with the matching code. Never raises."""
    raise NotImplementedError
