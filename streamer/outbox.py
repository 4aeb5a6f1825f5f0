"""Messages to the relay that survive a broken connection. Pure.

A message counts as received when a ping that was sent after it, and asked for no time, has been answered: the relay
works in order, and answers such a ping when all that came before is on its disk. What is not answered yet when the
connection breaks is sent again over the next one.
"""

from __future__ import annotations

from collections import deque

from lecture.messages import Message

MAX_WAITING = 2000
MOST_AT_ONCE = 40
"""A relay takes 100 messages in a second; what waited through a long outage goes piece by piece, a second apart."""


class Outbox:
    """Holds messages until the relay has worked on them. At most 2,000 wait; the oldest are dropped first."""

    def __init__(self) -> None:
        self._unsent: deque[Message] = deque(maxlen=MAX_WAITING)
        self._unanswered: deque[tuple[int, Message]] = deque(maxlen=MAX_WAITING)

    def __len__(self) -> int:
        return len(self._unsent) + len(self._unanswered)

    def put(self, message: Message) -> None:
        """Take a message."""
        self._unsent.append(message)

    @property
    def more(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    def take(self, next_ping: int) -> list[Message]:
        """What is to be sent now, :data:`MOST_AT_ONCE` at most.

        :param next_ping: id of the ping that will follow, and asks for no time.
        """
        taken = [self._unsent.popleft() for _ in range(min(MOST_AT_ONCE, len(self._unsent)))]
        self._unanswered.extend((next_ping, message) for message in taken)
        return taken

    def pong(self, ping: int) -> None:
        """The ping of this id was answered."""
        while self._unanswered and self._unanswered[0][0] <= ping:
            self._unanswered.popleft()

    def reconnected(self) -> None:
        """All that was not answered is to be sent again, before what came since."""
        again = [message for _, message in self._unanswered] + list(self._unsent)
        self._unanswered.clear()
        self._unsent = deque(again, maxlen=MAX_WAITING)
