import assert from "node:assert/strict";
import { test } from "node:test";

import { placeInset } from "../../../../relay/pages/lib/inset.js";

const [WIDTH, HEIGHT, MARGIN] = [320, 180, 8];
const CORNERS = { "lower right": [952, 532], "lower left": [8, 532], "upper right": [952, 8], "upper left": [8, 8] };

function blank(width = 1280, height = 720) {
  return { data: new Uint8ClampedArray(width * height * 4).fill(250), width, height };
}

function fill({ data, width }, left, top, columns, rows, level) {
  for (let y = top; y < top + rows; y += 1) data.fill(level, (y * width + left) * 4, (y * width + left + columns) * 4);
}

/** Something like a line of text: thin dark strokes. */
function write(page, left, top, columns = 12) {
  for (let column = 0; column < columns; column += 1) fill(page, left + column * 14, top, 3, 24, 20);
}

const placed = (page) => placeInset(page, WIDTH, HEIGHT, MARGIN);
const at = ([left, top]) => ({ left, top, width: WIDTH, height: HEIGHT });

test("an empty page has the camera where people expect it", () => {
  assert.deepEqual(placed(blank()), at(CORNERS["lower right"]));
});

for (const [free, place] of Object.entries(CORNERS)) {
  test(`the one free corner is found: ${free}`, () => {
    const page = blank();
    for (const [name, [left, top]] of Object.entries(CORNERS)) {
      if (name === free) continue;
      write(page, left + 20, top + 40);
      write(page, left + 20, top + 120);
      write(page, left + 150, top + 80);
    }
    assert.deepEqual(placed(page), at(place));
  });
}

test("a smaller inset is taken where the full one would hide a word", () => {
  const page = blank();
  for (const [left, top] of Object.values(CORNERS)) write(page, left + (left > 600 ? 0 : 250), top + (top > 400 ? 0 : 150), 5);
  const found = placed(page);
  assert.ok(found && found.width < WIDTH);
  for (let y = found.top; y < found.top + found.height; y += 1) {
    const row = page.data.subarray((y * page.width + found.left) * 4, (y * page.width + found.left + found.width) * 4);
    assert.ok(row.every((level) => level === 250));
  }
});

test("a page full of words has no camera", () => {
  const page = blank();
  for (let top = 0; top < 690; top += 36) write(page, 0, top, 90);
  assert.equal(placed(page), null);
});

test("shading is no word", () => {
  const page = blank();
  for (let x = 0; x < page.width; x += 1) fill(page, x, 0, 1, page.height, (x * 255) / page.width);
  assert.ok(placed(page));
});

test("not even the end of one word is hidden", () => {
  const page = blank();
  write(page, 952 - 150, 532 + HEIGHT - 10); // two strokes of it would lie under the lower right corner's inset
  assert.deepEqual(placed(page), at(CORNERS["lower left"]));
});

test("the border of the page is no word", () => {
  const page = blank(1400, 768);
  fill(page, 0, 0, 1400, 768, 0);
  for (let y = 20; y < 740; y += 1) fill(page, 60, y, 1280, 1, 250);
  assert.deepEqual(placed(page), at([1400 - 8 - WIDTH, 768 - 8 - HEIGHT]));
});

test("an inset larger than the picture is not placed", () => {
  assert.equal(placed(blank(100, 100)), null);
});
