"""The hall's window: the engine in a thread of its own, pictures decoded in theirs, and this one draws."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pygame

from classroom_client.engine import Hall
from classroom_client.questions import MAX_WAITING
from classroom_client.receipt import HallReceipt
from classroom_client.settings import HallSettings
from classroom_client.telling import Teller
from classroom_client.texts import DEFAULT_LANGUAGE, Texts
from classroom_client.view import Link, Sound, View
from classroom_client.window.fonts import Fonts
from classroom_client.window.layout import Layout
from classroom_client.window.link_history import LinkHistory
from classroom_client.window.painting import Overlay, Painter
from classroom_client.window.pen import Pen
from classroom_client.window.pictures import CameraDecoder, Freshness, PageDecoder, Raw
from classroom_client.window.question_entry import KEYS as ASK_KEYS
from classroom_client.window.question_entry import QuestionEntry
from classroom_client.window.sound import Loudspeaker
from lecture.errors import HallcastError
from transport.tasks import until_first

_WINDOWED_SIZE = (1280, 720)
_FRAME_MS = 33
_REDRAW_EVERY_S = 0.5
_CAMERA_STALE_S = 4.0
_STAY_AFTER_END_S = 20.0
_POINTER_SHOWN_S = 2.0
_UNSEEN = ("offscreen", "dummy")


class WindowError(HallcastError):
    """There is nothing to show a window on."""


class EngineThread(threading.Thread):
    """Runs the hall in an event loop of its own.

    :ivar hall: the hall, once :attr:`begun` is set.
    :ivar receipt: what it heard, once the thread has ended.
    :ivar error: why it could not go on.
    """

    def __init__(self, make_hall: Callable[[], Hall], teller: Teller) -> None:
        super().__init__(name="hall engine", daemon=True)
        self.begun = threading.Event()
        self.hall: Hall | None = None
        self.receipt = HallReceipt()
        self.error: BaseException | None = None
        self._make_hall = make_hall
        self._teller = teller
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # handed to the window's thread, which raises it
            self.error = error
        finally:
            self.begun.set()

    def leave(self) -> None:
        """Let the hall say goodbye and end."""
        if self._loop is not None and self.hall is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self.hall.leave)

    def ask(self, question: str) -> None:
        """Let the hall ask something."""
        if self._loop is not None and self.hall is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self.hall.ask, question)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        hall = self.hall = self._make_hall()
        self.begun.set()

        async def receive() -> None:
            self.receipt = await hall.run()

        await until_first(receive(), self._teller.follow(hall))
        self._teller.receipt(self.receipt)


def run_window(
    settings: HallSettings, teller: Teller, *, texts: Texts, windowed: bool, dump_pages: Path | None
) -> HallReceipt:
    """Show the hall's window until the lecture has ended or somebody leaves it.

    :raises WindowError: ``no_display``.
    :raises HallcastError: as :meth:`classroom_client.engine.Hall.run`.
    """
    try:
        pygame.display.init()
        # Without a display SDL draws into nothing: a hall nobody sees, unless it was asked for so.
        if pygame.display.get_driver() in _UNSEEN and not os.environ.get("SDL_VIDEODRIVER"):
            raise pygame.error("no display")
        pygame.font.init()
        speaker = Loudspeaker()
        engine = EngineThread(lambda: Hall(settings, sink=speaker, dump_pages=dump_pages), teller)
        window = Window(engine, speaker, texts, windowed=windowed, camera=settings.camera)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: window.leave())
        window.run()
    except pygame.error as error:
        raise WindowError("no_display", "There is no display for a window. Use --headless without one.") from error
    finally:
        pygame.quit()
    if engine.error is not None:
        raise engine.error
    return engine.receipt


class Window:
    """One window. Everything here happens in the main thread, as SDL wants it."""

    def __init__(
        self, engine: EngineThread, speaker: Loudspeaker, texts: Texts, *, windowed: bool, camera: bool
    ) -> None:
        self._engine = engine
        self._speaker = speaker
        self._full = not windowed
        self._camera_on = camera
        self._surface = self._open()
        fonts = Fonts()
        # Boxes instead of letters help nobody: without a Korean font the window speaks English.
        self._painter = Painter(Pen(fonts, texts if fonts.writes_korean else Texts(DEFAULT_LANGUAGE)))
        self._history = LinkHistory()
        self._help = self._link = self._quit_asked = self._leaving = False
        self._question = QuestionEntry()
        self._generation = 0
        self._page: tuple[Raw, pygame.Surface] | None = None
        self._camera: tuple[Raw, pygame.Surface] | None = None
        self._freshness = Freshness(_CAMERA_STALE_S)
        self._drawn_at = float("-inf")
        self._drawn: tuple[View, Overlay, Raw | None, Raw | None] | None = None
        self._pointer_at = time.monotonic()

    def leave(self) -> None:
        """Begin to leave; the window stays until the hall has said goodbye."""
        self._leaving = True
        self._engine.leave()

    def run(self) -> None:
        """Until the lecture has ended, or was left, and its end was looked at."""
        engine = self._engine
        engine.start()
        engine.begun.wait()
        hall = engine.hall
        if hall is None:
            return
        view = hall.view
        if self._camera_on:
            hall.camera.open()
        with ExitStack() as workers:
            pages = workers.enter_context(PageDecoder(hall.picture, self._page_size))
            camera = workers.enter_context(CameraDecoder(hall.camera, lambda: hall.heard_ms, self._camera_size))
            ended_at: float | None = None
            while True:
                now = time.monotonic()
                if not engine.is_alive():
                    ended_at = ended_at or now
                    if self._leaving or engine.error or now - ended_at > _STAY_AFTER_END_S:
                        break
                else:
                    view = hall.view
                self._wait_for_events(hall)
                if view.picture is not None:
                    pages.want(view.picture.digest, self._generation)
                self._take(pages.ready, camera.latest, now)
                self._draw(view, now)

    def _open(self) -> pygame.Surface:
        pygame.display.set_caption("Hallcast")
        if self._full:
            surface = pygame.display.set_mode(pygame.display.get_desktop_sizes()[0], pygame.FULLSCREEN)
        else:
            surface = pygame.display.set_mode(_WINDOWED_SIZE, pygame.RESIZABLE)
        pygame.display.set_allow_screensaver(False)
        return surface

    def _page_size(self, width: int, height: int) -> tuple[int, int]:
        box = Layout(*self._surface.get_size()).page(width, height)
        return box.width, box.height

    def _camera_size(self, width: int, height: int) -> tuple[int, int]:
        box = Layout(*self._surface.get_size()).camera(width, height)
        return box.width, box.height

    def _wait_for_events(self, hall: Hall) -> None:
        event = pygame.event.wait(_FRAME_MS)
        while event.type != pygame.NOEVENT:
            self._on_event(event, hall)
            event = pygame.event.poll()

    def _on_event(self, event: pygame.Event, hall: Hall) -> None:
        if event.type == pygame.QUIT:
            self._quit_asked = not self._leaving
        elif event.type in (pygame.VIDEORESIZE, pygame.WINDOWSIZECHANGED):
            self._resized()
        elif event.type == pygame.MOUSEMOTION:
            self._pointer_at = time.monotonic()
        elif event.type == pygame.KEYDOWN:
            if self._question.shown:
                self._on_key_in_question(event.key, hall)
            else:
                self._on_key(event.key, event.unicode, hall)
        elif event.type == pygame.TEXTINPUT and self._question.shown:
            self._question.typed(event.text)
        elif event.type == pygame.TEXTEDITING and self._question.shown:
            self._question.composes(event.text)

    def _on_key_in_question(self, key: int, hall: Hall) -> None:
        if key == pygame.K_ESCAPE:
            self._question.close()
        elif key == pygame.K_BACKSPACE:
            self._question.erase()
        elif key in (pygame.K_RETURN, pygame.K_KP_ENTER) and hall.view.questions_waiting < MAX_WAITING:
            self._engine.ask(self._question.take())

    def _on_key(self, key: int, character: str, hall: Hall) -> None:
        if self._quit_asked:
            self._quit_asked = False
            if key == pygame.K_q or character in ("q", "Q", "ㅂ"):
                self.leave()
            return
        if key in (pygame.K_f, pygame.K_F11):
            self._set_full(not self._full)
        elif key == pygame.K_ESCAPE:
            self._help = self._link = False
            if self._full:
                self._set_full(False)
        elif key == pygame.K_c:
            self._camera_on = not self._camera_on
            if self._camera_on:
                hall.camera.open()
            else:
                hall.camera.close()
        elif key == pygame.K_l or character == "ㅣ":
            self._link = not self._link
        elif (key == pygame.K_a or character in ASK_KEYS) and hall.view.link is not Link.JOINING:
            self._question.open(character)
        elif key == pygame.K_q:
            self._quit_asked = True
        elif character in ("?", "/") or key == pygame.K_F1:
            self._help = not self._help

    def _set_full(self, full: bool) -> None:
        self._full = full
        self._surface = self._open()
        self._resized()

    def _resized(self) -> None:
        self._surface = pygame.display.get_surface() or self._surface
        self._generation += 1
        self._drawn = None

    def _take(self, page: Raw | None, camera: Raw | None, now: float) -> None:
        """Make surfaces of what was decoded."""
        if page is not None and (self._page is None or self._page[0] is not page):
            self._page = page, _surface(page)
        fresh = self._freshness.look(camera, now) if self._camera_on else None
        if fresh is None:
            self._camera = None
        elif self._camera is None or self._camera[0] is not fresh:
            self._camera = fresh, _surface(fresh)
        pygame.mouse.set_visible(not self._full or now - self._pointer_at < _POINTER_SHOWN_S)

    def _draw(self, view: View, now: float) -> None:
        """Draw if anything is different, or half a second has passed (times and rates in the strip)."""
        silent = self._speaker.silent and view.sound is not Sound.FINISHED
        self._history.look(view, now)
        overlay = Overlay(
            camera_off=not self._camera_on,
            help_shown=self._help,
            link_shown=self._link,
            quit_asked=self._quit_asked,
            silent=silent,
            question=self._question.text if self._question.shown else None,
        )
        page, camera = self._page, self._camera
        drawn = (view, overlay, page[0] if page else None, camera[0] if camera else None)
        before = self._drawn
        same = before is not None and before[1:] == drawn[1:] and before[0].picture == view.picture
        same = same and before is not None and before[0].drawing is view.drawing
        if same and now - self._drawn_at < _REDRAW_EVERY_S:
            return
        self._drawn, self._drawn_at = drawn, now
        shown_page, shown_camera = page[1] if page else None, camera[1] if camera else None
        self._painter.paint(self._surface, view, shown_page, shown_camera, overlay, self._history.samples)
        pygame.display.flip()


def _surface(raw: Raw) -> pygame.Surface:
    return pygame.image.frombuffer(raw.rgb, (raw.width, raw.height), "RGB").convert()
