"""A mouse that draws on the studio's page, and what a page's canvas shows of it."""

from __future__ import annotations

from tests.interop.browser import Page

PEN, POINTER = (216, 27, 96), (255, 40, 40)

SEEN = """([x, y, ...colour]) => {
  const canvas = document.querySelector('#ink');
  const image = document.querySelector('#page');
  if (!image.naturalWidth) return false;
  const [width, height] = [canvas.width, canvas.height];
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const [left, top] = [(width - image.naturalWidth * scale) / 2, (height - image.naturalHeight * scale) / 2];
  const at = [left + x * image.naturalWidth * scale, top + y * image.naturalHeight * scale];
  const [r, g, b, a] = canvas.getContext('2d').getImageData(Math.round(at[0]), Math.round(at[1]), 1, 1).data;
  return a > 200 && [r, g, b].every((value, index) => Math.abs(value - colour[index]) < 12);
}"""
"""Whether the canvas has this colour at this place of the page."""

BOX = """() => {
  const image = document.querySelector('#page');
  const {left, top, width, height} = document.querySelector('#ink').getBoundingClientRect();
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  return [left + (width - w) / 2, top + (height - h) / 2, w, h];
}"""


async def move(studio: Page, x: float, y: float) -> None:
    """Move the mouse to this place of the page."""
    left, top, width, height = await studio.page.evaluate(BOX)
    await studio.page.mouse.move(left + x * width, top + y * height, steps=12)


async def line(studio: Page, *places: tuple[float, float]) -> None:
    await move(studio, *places[0])
    await studio.page.mouse.down()
    for place in places[1:]:
        await move(studio, *place)
    await studio.page.mouse.up()


async def sees(page: Page, x: float, y: float, colour: tuple[int, int, int] = PEN) -> bool:
    return bool(await page.page.evaluate(SEEN, [x, y, *colour]))


async def gone(page: Page, x: float, y: float, colour: tuple[int, int, int] = PEN) -> bool:
    return not await sees(page, x, y, colour)
