"""What the lecturer's socket says and hears: page turns, the deck's state, the halls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from lecture.decks import Deck, PageImage, read_deck_event
from lecture.entries import Kind
from lecture.lecturer_messages import DeckProgress, End, Halls, LecturerWelcome, Pong, Repair, Turn
from lecture.message_parts import HallStatus
from lecture.messages import Ended, EntryMessage, ErrorMessage, Message, State
from lecture.wire import pack_screen
from streamer.address import RelayAddress
from streamer.lecture_time import LectureTime
from streamer.lecturer_socket import LecturerSocket
from streamer.outbox import MAX_WAITING
from streamer.pages import Pages
from streamer.publisher import LineListener


class Control:
    """The lecturer's side of the control connection.

    :param on_ended: the lecture is over.
    :param on_leave: it goes on, but we have nothing more to do in it (an interpreter wanted to end it).
    :param on_screen_lost: the relay does not have the shared screen as we sent it.
    :param on_repair: the recording lacks more, or less, than it did.
    :ivar deck: id of the deck that pages are turned in; of others nothing is wanted.
    :ivar pages: the deck and where the lecturer is in it.
    :ivar halls: as the relay last told.
    :ivar welcome_ms: lecture time when we were last welcomed, 0 for a lecture that had not begun.
    :ivar rendered: pages of the deck that can be shown.
    :ivar first_page: set once the first page of the deck can be shown.
    """

    def __init__(
        self,
        address: RelayAddress,
        token: str,
        *,
        line: LineListener,
        say: Callable[[str], None],
        on_ended: Callable[[], None],
        on_leave: Callable[[], None],
        on_screen_lost: Callable[[], None] = lambda: None,
        on_repair: Callable[[Repair], None] = lambda message: None,
    ) -> None:
        self.deck = ""
        self.pages = Pages()
        self.halls: tuple[HallStatus, ...] = ()
        self.rendered = 0
        self.welcome_ms = 0
        self.lecture_state = "planned"
        self.first_page = asyncio.Event()
        self._say = say
        self._on_ended = on_ended
        self._on_leave = on_leave
        self._on_screen_lost = on_screen_lost
        self._on_repair = on_repair
        self._is_ending = False
        self._knows_deck = False
        # From the first answer to a ping on: lecture time is known, or has not begun.
        self._is_time_told = False
        # Pages turned to, and when, before the relay had the deck and had told the time; the oldest goes.
        self._early: deque[tuple[int, float]] = deque(maxlen=MAX_WAITING)
        self._socket = LecturerSocket(address, token, line=line, on_message=self._take, on_frames_lost=on_screen_lost)
        self._listening = 0

    @property
    def time(self) -> LectureTime:
        """Lecture time."""
        return self._socket.time

    @property
    def welcomed(self) -> asyncio.Event:
        """Set once the relay has welcomed us."""
        return self._socket.welcomed

    async def run(self) -> None:
        """Be connected until cancelled.

        :raises StreamError: the relay refuses for good.
        """
        await self._socket.run()

    def turn(self, page: int, at_s: float) -> None:
        """Turn to a page of the deck, as soon as the relay has the deck, before which it would refuse the turn, and
        has told the time: a turn without one counts as made when it arrives.

        :param at_s: when the lecturer turned (the loop's clock).
        """
        self._early.append((page, at_s))
        self._send_turns()

    def deck_is_there(self) -> None:
        """The relay has the deck: pages of it can be turned to."""
        self._knows_deck = True
        self._send_turns()

    def screen(self, update: bytes, captured_s: float) -> None:
        """Show an update of the screen, if there is a line.

        :param captured_s: when the picture was taken (the loop's clock).
        """
        self._socket.send_frame(pack_screen(self.time.of_voice_at(captured_s), update))

    def end(self) -> None:
        """End the lecture, now or when the line is back, after what was turned to until then."""
        self._is_ending = True
        if self._is_time_told:
            self._socket.send(End())

    def _send_turns(self) -> None:
        while self._early and self._knows_deck and self._is_time_told:
            page, at_s = self._early.popleft()
            self._socket.send(Turn(self.deck, page, self.time.of_voice_at(at_s)))

    def _time_told(self) -> None:
        if self._is_time_told:
            return
        self._is_time_told = True
        self._send_turns()
        if self._is_ending:
            self._socket.send(End())

    def _take(self, message: Message) -> None:
        match message:
            case Pong() if message.sent_ms:
                self._time_told()
            case LecturerWelcome():
                self.welcome_ms = message.t_ms
                self.lecture_state = message.lecture.state
            case State():
                self.lecture_state = message.lecture
            case Ended():
                self.lecture_state = "ended"
                self._on_ended()
            case DeckProgress() if message.deck == self.deck:
                self._rendered(message.done, message.pages)
            case Halls():
                self._halls(message.halls)
            case EntryMessage():
                self._entry(message)
            case Repair():
                self._on_repair(message)
            case ErrorMessage():
                self._error(message)

    def _rendered(self, done: int, pages: int) -> None:
        self.pages.page_count = pages or self.pages.page_count
        if pages and done == pages and self.rendered < pages:
            self._say(f"All {pages} pages of the slides can be shown.")
        self.rendered = max(self.rendered, done)
        self.deck_is_there()
        if done:
            self.first_page.set()

    def _halls(self, halls: tuple[HallStatus, ...]) -> None:
        listening = sum(hall.connected for hall in halls)
        if listening != self._listening:
            self._listening = listening
            few = {0: "No hall is listening now.", 1: "One hall is listening."}
            self._say(few.get(listening, f"{listening} halls are listening."))
        self.halls = halls

    def _entry(self, message: EntryMessage) -> None:
        fields = message.fields
        if message.entry_kind == Kind.QUESTION:
            self._say(f"A question from {fields.get('hall') or 'a hall'}: {fields.get('text', '')}")
        match read_deck_event(message.entry_kind, fields):
            case PageImage(deck=self.deck):
                self.first_page.set()  # also of a deck that an earlier session brought
                self.deck_is_there()
            case Deck(deck=self.deck) as deck:
                self.deck_is_there()
                self.pages.titles = {words.page: words.title for words in deck.pages}
                self.pages.page_count = deck.page_count or self.pages.page_count

    def _error(self, message: ErrorMessage) -> None:
        if message.id in ("screen_gap", "screen_too_much"):
            self._on_screen_lost()
            return
        if message.id == "role_forbidden" and self._is_ending:
            self._say("Only the lecturer can end the lecture; it goes on.")
            self._on_leave()
            return
        self._say(f"The relay says: {message.text}")
