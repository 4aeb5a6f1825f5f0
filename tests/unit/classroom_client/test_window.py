"""The hall's window without a display: where things are, what is drawn, how pages and camera pictures are decoded."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from classroom_client.camera_queue import CameraQueue
from classroom_client.notes import Note
from classroom_client.questions import MAX_CHARS, MAX_WAITING
from classroom_client.texts import Texts, languages
from classroom_client.view import Link, Sound
from classroom_client.window.drawing import paint_drawing
from classroom_client.window.fonts import Fonts
from classroom_client.window.layout import Box, Layout, fit
from classroom_client.window.link_history import EVERY_S, KEPT_SAMPLES, LinkHistory, LinkSample
from classroom_client.window.note import MAX_LINES, clipped
from classroom_client.window.painting import Overlay, Painter
from classroom_client.window.pen import Pen
from classroom_client.window.pictures import CameraDecoder, Freshness, PageDecoder, Raw, decode_page, to_raw
from classroom_client.window.question_entry import QuestionEntry, hint_of, wrapped
from lecture.entries import EncodedFrame, Flag
from lecture.errors import LectureFileError
from lecture.ink_book import Drawing, Stroke
from tests.unit.classroom_client.window_kit import WELL

pygame = pytest.importorskip("pygame")


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(200, 4000), st.integers(200, 3000))
def test_page_is_as_large_as_it_can_be_and_keeps_its_shape(width: int, height: int, wide: int, high: int) -> None:
    stage = Layout(wide, high).stage
    box = Layout(wide, high).page(width, height)
    assert stage.x <= box.x
    assert stage.y <= box.y
    assert box.x + box.width <= stage.x + stage.width + 1
    assert box.y + box.height <= stage.y + stage.height + 1
    assert box.width >= stage.width - 1 or box.height >= stage.height - 1


def test_nothing_fits_anywhere() -> None:
    assert fit(0, 10, Box(3, 4, 100, 100)) == Box(3, 4, 0, 0)


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (1024, 768), (640, 360), (3840, 2160)])
@pytest.mark.parametrize("language", languages())
def test_everything_is_drawn_at_any_size(fonts: Fonts, size: tuple[int, int], language: str) -> None:
    surface = pygame.Surface(size)
    painter = Painter(Pen(fonts, Texts(language)))
    layout = Layout(*size)
    page_box = layout.page(1920, 1080)
    page = pygame.Surface((page_box.width, page_box.height))
    page.fill((250, 250, 250))
    camera_box = layout.camera(320, 240)
    camera = pygame.Surface((camera_box.width, camera_box.height))
    camera.fill((0, 0, 250))

    painter.paint(surface, WELL, page, camera, Overlay())
    assert surface.get_at((page_box.x + 5, page_box.y + 5))[:3] == (250, 250, 250)
    assert surface.get_at((camera_box.x + 5, camera_box.y + 5))[:3] == (0, 0, 250)
    well = pygame.surfarray.array3d(surface).astype(int)

    painter.paint(surface, WELL, page, camera, Overlay(camera_off=True))
    assert surface.get_at((camera_box.x + 5, camera_box.y + 5))[:3] == (250, 250, 250)

    down = replace(WELL, link=Link.DOWN, sound=Sound.STALLED, retry_in_s=3.0, behind_ms=14_000)
    asked = Overlay(help_shown=True), Overlay(quit_asked=True), Overlay(link_shown=True), Overlay(question="왜? Why?")
    for view, overlay in ((down, Overlay()), *((WELL, overlay) for overlay in asked)):
        painter.paint(surface, view, page, camera, overlay)
        apart = np.abs(pygame.surfarray.array3d(surface) - well).max(axis=2)
        assert (apart > 8).mean() > 0.005
        # The page makes room for the panel of the link's figures, and is another size then: rounding shifts its shades.
        assert (apart > (8 if overlay.link_shown else 0)).mean() < 0.6


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360)])
@pytest.mark.parametrize(
    "text", ["Break until 10:30", "쉬는 시간입니다. 10시 30분에 다시 시작합니다.", "길어요 long " * 300]
)
def test_a_note_lies_low_on_the_page_and_hides_neither_camera_nor_sign(
    fonts: Fonts, size: tuple[int, int], text: str
) -> None:
    surface = pygame.Surface(size)
    painter = Painter(Pen(fonts, Texts("ko" if fonts.writes_korean else "en")))
    layout = Layout(*size)
    page_box, camera_box = layout.page(1920, 1080), layout.camera(320, 240)
    page = pygame.Surface((page_box.width, page_box.height))
    page.fill((250, 250, 250))
    camera = pygame.Surface((camera_box.width, camera_box.height))
    camera.fill((0, 0, 250))
    for view in (WELL, replace(WELL, text_rung=True)):
        painter.paint(surface, view, page, camera, Overlay())
        before = pygame.surfarray.array3d(surface)
        painter.paint(surface, replace(view, note=Note(4000, 7, text)), page, camera, Overlay())
        changed = np.any(pygame.surfarray.array3d(surface) != before, axis=2)
        assert 0.005 < changed.mean() < 0.35
        assert not changed[:, : size[1] // 3].any(), "the heading of the slide stays in sight"
        is_taken = np.any(before != 250, axis=2) & np.any(before != 0, axis=2)
        assert not (changed & is_taken).any(), "what else is on the page stays in sight"


@given(st.text(alphabet="ab 왜요?", min_size=1, max_size=600), st.integers(60, 900))
def test_a_long_note_is_cut_short_and_says_so(text: str, width: int) -> None:
    pygame.font.init()
    pen = Pen(Fonts(), Texts("en"))
    lines = clipped(pen, text, 20, width)
    assert len(lines) <= MAX_LINES
    assert all(pen.width(line, 20) <= width for line in lines)
    whole = "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert whole != lines[-1].endswith("…")


def test_a_question_is_typed_also_with_an_input_method() -> None:
    entry = QuestionEntry()
    entry.open("a")
    entry.typed("a")  # the key that opened it
    for text in ("a", "nd", " ", "x"):
        entry.typed(text)
    entry.erase()
    entry.composes("왜")
    assert entry.text == "and 왜"
    entry.typed("왜?")
    entry.close()
    entry.open("ㅁ")
    entry.typed("!")
    assert (entry.shown, entry.text) == (True, "and 왜?!")
    assert entry.take() == "and 왜?!"
    assert (entry.shown, entry.text) == (False, "")
    entry.typed("x" * 5000)
    assert len(entry.text) == MAX_CHARS


@given(st.text(alphabet="ab 왜요?", max_size=80), st.integers(60, 400))
def test_a_long_question_is_broken_into_lines_and_nothing_of_it_is_lost(text: str, width: int) -> None:
    pygame.font.init()
    pen = Pen(Fonts(), Texts("en"))
    lines = wrapped(pen, text, 20, width)
    assert all(pen.width(line, 20) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_strip_tells_what_became_of_a_question(fonts: Fonts) -> None:
    asking = replace(WELL, questions_waiting=1)
    refused = replace(WELL, question_error="lecture_closed", questions_asked=2)
    drawn = set()
    for view in (WELL, asking, replace(WELL, questions_asked=2), refused):
        surface = pygame.Surface((1366, 768))
        Painter(Pen(fonts, Texts("en"))).paint(surface, view, None, None, Overlay())
        drawn.add(pygame.image.tobytes(surface, "RGB"))
    assert len(drawn) == 4


def test_what_is_said_below_a_question_tells_whether_it_can_go() -> None:
    assert hint_of(WELL)[0] == "ask_hint"
    assert hint_of(replace(WELL, link=Link.DOWN))[0] == "ask_hint_down"
    assert hint_of(replace(WELL, questions_waiting=MAX_WAITING))[0] == "ask_full"


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (1024, 768)])
def test_link_panel_lies_beside_page_and_camera(fonts: Fonts, size: tuple[int, int], language: str) -> None:
    layout = Layout(*size)
    page_box, camera_box = layout.page(1920, 1080), layout.camera(320, 240)
    page = pygame.Surface((page_box.width, page_box.height))
    camera = pygame.Surface((camera_box.width, camera_box.height))
    page.fill((250, 0, 0))
    camera.fill((0, 0, 250))
    view = replace(
        WELL, budget_kbps=1000.0, in_kbps=1000.0, rung="12", rtt_ms=1640, fraction_lost=0.03, carrier="socket"
    )
    surface = pygame.Surface(size)
    Painter(Pen(fonts, Texts(language))).paint(surface, view, page, camera, Overlay(link_shown=True))
    pixels = pygame.surfarray.array3d(surface).astype(int)
    seen = np.argwhere(np.all(np.abs(pixels - (250, 0, 0)) < 8, axis=2))
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    width, height = int(right - left + 1), int(bottom - top + 1)
    assert len(seen) == width * height, "nothing lies on the page"
    assert width / height == pytest.approx(page_box.width / page_box.height, abs=0.02)
    assert width > size[0] * 0.5
    assert np.all(np.abs(pixels - (0, 0, 250)) < 8, axis=2).sum() > camera_box.width * camera_box.height * 0.25


def test_strip_of_a_narrow_window_leaves_out_what_matters_least(fonts: Fonts) -> None:
    """The page number is never written over."""
    view = replace(WELL, text_rung=True, carrier="socket", fraction_lost=0.2, in_kbps=400.0, budget_kbps=900.0)
    pictures = []
    for told in (view, replace(view, carrier="rtp")):
        surface = pygame.Surface((640, 360))
        Painter(Pen(fonts, Texts("en"))).paint(surface, told, None, None, Overlay(camera_off=True))
        pictures.append(pygame.surfarray.array3d(surface)[540:, 335:])
    assert np.array_equal(*pictures)


def test_link_history_takes_a_second_at_a_time_and_forgets_old_ones() -> None:
    history = LinkHistory()
    for step in range(4 * (KEPT_SAMPLES + 20)):
        history.look(replace(WELL, in_kbps=float(step)), step * EVERY_S / 4)
    assert len(history.samples) == KEPT_SAMPLES
    assert [sample.used_kbps for sample in history.samples][-2:] == [4.0 * KEPT_SAMPLES + 72, 4.0 * KEPT_SAMPLES + 76]


def test_link_history_knows_no_rates_while_the_line_is_down() -> None:
    history = LinkHistory()
    history.look(replace(WELL, link=Link.DOWN, in_kbps=3.0, budget_kbps=50.0, behind_ms=9000), 0.0)
    history.look(replace(WELL, heard_ms=None, in_kbps=3.0), 1.0)
    assert list(history.samples) == [LinkSample(None, None, 9.0), LinkSample(None, 3.0, None)]


def test_before_the_first_page_the_title_is_shown(fonts: Fonts) -> None:
    surface = pygame.Surface((1366, 768))
    Painter(Pen(fonts, Texts("en"))).paint(
        surface, replace(WELL, page=0, lecture_state="planned"), None, None, Overlay()
    )
    assert pygame.surfarray.array3d(surface)[200:1166, 250:450].max() > 150


def test_very_long_title_stays_in_the_window(fonts: Fonts) -> None:
    surface = pygame.Surface((1024, 768))
    Painter(Pen(fonts, Texts("en"))).paint(surface, replace(WELL, title="Waves " * 60, page=0), None, None, Overlay())
    assert pygame.surfarray.array3d(surface)[:40, 250:450].max() == 0


@pytest.mark.parametrize("kind", ["AVIF", "PNG", "WEBP", "JPEG"])
def test_pages_of_every_kind_are_decoded(kind: str) -> None:
    image = Image.new("RGB", (400, 300), (255, 255, 255))
    image.paste((200, 30, 30), (100, 100, 300, 200))
    data = io.BytesIO()
    image.save(data, kind, quality=90)
    raw = to_raw("page", decode_page(data.getvalue()), 201, 151)
    pixels = np.frombuffer(raw.rgb, np.uint8).reshape(151, 201, 3).astype(int)
    assert np.abs(pixels[5, 5] - (255, 255, 255)).max() < 12
    assert np.abs(pixels[75, 100] - (200, 30, 30)).max() < 25


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_unreadable_page_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="picture"):
        decode_page(data)


def film(frames: int) -> list[EncodedFrame]:
    """A VP8 film, ten pictures a second, whose brightness rises."""
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 160, 120, "yuv420p"
    context.framerate, context.time_base = Fraction(10), Fraction(1, 10)
    context.options = {"deadline": "realtime", "lag-in-frames": "0"}
    coded = []
    for number in range(frames):
        picture = np.full((180, 160), 128, np.uint8)
        picture[:120] = 20 + 10 * number
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        for packet in context.encode(frame):
            flags = Flag.KEYFRAME if packet.is_keyframe else Flag.NONE
            coded.append(EncodedFrame(number * 100, 0, bytes(packet), int(flags)))
    return coded


def test_camera_shows_the_newest_picture_of_what_is_heard() -> None:
    queue = CameraQueue()
    queue.open()
    assert queue.wants_keyframe
    for frame in film(12):
        queue.put("vp8", frame)
    assert not queue.wants_keyframe
    decoder = CameraDecoder(queue, lambda: 0, lambda width, height: (80, 60))
    decoder._decode(queue.due(450))
    assert decoder.latest is not None
    assert (decoder.latest.key, decoder.latest.width) == ("400", 80)
    dark = np.frombuffer(decoder.latest.rgb, np.uint8).mean()
    decoder._decode(queue.due(5000))
    assert decoder.latest.key == "1100"
    assert np.frombuffer(decoder.latest.rgb, np.uint8).mean() > dark + 40


def test_camera_begins_anew_after_a_broken_picture() -> None:
    queue = CameraQueue()
    queue.open()
    frames = film(6)
    decoder = CameraDecoder(queue, lambda: 0, lambda width, height: (80, 60))
    queue.put("vp8", EncodedFrame(0, 0, b"broken", int(Flag.KEYFRAME)))
    decoder._decode(queue.due(0))
    assert queue.wants_keyframe
    for frame in frames:
        queue.put("vp8", frame)
    decoder._decode(queue.due(10_000))
    assert decoder.latest is not None


def test_camera_queue_is_bounded_and_closed_ones_keep_nothing() -> None:
    queue = CameraQueue()
    queue.put("vp8", EncodedFrame(0, 0, b"x", int(Flag.KEYFRAME)))
    assert queue.due(1) == []
    assert queue.received == 1
    queue.open()
    queue.put("vp8", EncodedFrame(0, 0, b"not a keyframe"))
    assert queue.due(1) == []
    queue.put("vp8", EncodedFrame(0, 0, b"key", int(Flag.KEYFRAME)))
    for number in range(2000):
        queue.put("vp8", EncodedFrame(number, 0, b"x" * 100))
    assert queue.wants_keyframe
    assert queue.due(1 << 30) == []


def test_an_old_face_goes_and_does_not_come_back() -> None:
    freshness = Freshness(4.0)
    first, second = (Raw(str(t_ms), 1, 1, b"rgb") for t_ms in (0, 200))
    assert freshness.look(None, 0.0) is None
    assert freshness.look(first, 1.0) is first
    assert freshness.look(first, 5.0) is first
    assert [freshness.look(first, now) for now in (5.1, 6.0, 60.0)] == [None, None, None]
    assert freshness.look(second, 61.0) is second


@given(st.integers(300, 1200), st.integers(200, 900), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_ink_and_pointer_lie_at_their_place_of_the_page_and_never_beside_it(
    wide: int, high: int, x: float, y: float
) -> None:
    surface = pygame.Surface((wide, high))
    box = Layout(wide, high).page(160, 90)
    stroke = Stroke("#00ff00", 0.02, ((x, y), (0.0, y), (x, y)))
    paint_drawing(surface, box, Drawing((stroke,)))
    place = round(box.x + x * box.width), round(box.y + y * box.height)
    assert surface.get_at(place)[:3] == (0, 255, 0)
    paint_drawing(surface, box, Drawing((stroke,), (x, y)))
    assert surface.get_at(place)[:3] == (255, 40, 40)
    pixels = pygame.surfarray.array3d(surface).any(axis=2)
    pixels[box.x : box.x + box.width, box.y : box.y + box.height] = False
    assert not pixels.any()


def test_a_page_can_be_resized_when_the_copy_is_closed_and_what_cannot_be_loaded_harms_no_other() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "white").save(file, "PNG")
    closed = threading.Event()
    tried = threading.Event()

    def load(digest: str) -> tuple[bytes, str]:
        if closed.is_set():
            tried.set()
            raise LectureFileError("disk_failed", "The file is closed.")
        return file.getvalue(), "image/png"

    sizes = {"a": (64, 36)}
    decoded = threading.Event()

    def place(width: int, height: int) -> tuple[int, int]:
        decoded.set()
        return sizes["a"]

    with PageDecoder(load, place) as decoder:
        decoder.want("a", 1)
        assert decoded.wait(10)
        closed.set()
        decoder.want("b", 1)
        assert tried.wait(10)
        decoded.clear()
        sizes["a"] = (32, 18)
        decoder.want("a", 2)
        assert decoded.wait(10)
    assert decoder.ready is not None
    assert (decoder.ready.key, decoder.ready.width) == ("a", 32)
