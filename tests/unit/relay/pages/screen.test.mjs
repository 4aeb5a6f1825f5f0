import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { NO_SCREEN, ScreenCanvas, ScreenError, parseUpdate, positionAfter, takes } from "../../../../relay/pages/lib/screen.js";

/** Updates, pictures and decoded images made by lecture.screen_canvas, the protocol's own implementation. */
const vectors = JSON.parse(readFileSync(process.env.HALLCAST_SCREEN_VECTORS, "utf8"));

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
const update = (index) => parseUpdate(bytes(vectors.steps[index].data));

/** Images as they were decoded there: node has no decoder of WebP. */
async function decode(image, width, height) {
  const pixels = vectors.images[`${hex(image)} ${width}x${height}`];
  if (!pixels) throw new Error("damaged, or another size");
  return new Uint8ClampedArray(bytes(pixels));
}

test("updates make the same pictures as in every other hall", async () => {
  const canvas = new ScreenCanvas(decode);
  for (const { data, pixels, number, since, width, height } of vectors.steps) {
    const parsed = parseUpdate(bytes(data));
    assert.deepEqual([parsed.number, parsed.since, parsed.width, parsed.height], [number, since, width, height]);
    await canvas.apply(parsed);
    assert.equal(hex(canvas.pixels), pixels, `after update ${number}`);
  }
  assert.equal(canvas.position.stopped, true);
});

test("it is told which part of the picture has changed", async () => {
  const canvas = new ScreenCanvas(decode);
  assert.deepEqual(await canvas.apply(update(0)), { left: 0, top: 0, right: 100, bottom: 52 });
  assert.deepEqual(await canvas.apply(update(1)), { left: 0, top: 0, right: 64, bottom: 52 });
});

test("an update that does not follow, or is damaged, changes nothing", async () => {
  const canvas = new ScreenCanvas(decode);
  await assert.rejects(canvas.apply(update(1)), ScreenError);
  await canvas.apply(update(0));
  await assert.rejects(canvas.apply(update(2)), ScreenError);
  const damaged = update(1);
  damaged.copies.push({ left: 0, top: 0, width: 100, height: 16, from_top: 16 });
  damaged.mosaics[0].image[20] ^= 0xff;
  await assert.rejects(canvas.apply(damaged), ScreenError);
  assert.equal(hex(canvas.pixels), vectors.steps[0].pixels);
  assert.equal(canvas.position.number, 1);
});

test("what comes again, or belongs elsewhere, is not taken", () => {
  const first = update(0);
  const place = positionAfter(first);
  assert.equal(takes(NO_SCREEN, first), true);
  assert.equal(takes(NO_SCREEN, update(1)), false);
  assert.equal(takes(place, first), false);
  assert.equal(takes(place, update(1)), true);
  assert.equal(takes(place, { ...update(1), width: 101 }), false);
  assert.equal(takes(place, { ...first, share: 10 }), true);
  const end = positionAfter(update(5));
  assert.equal(takes(end, { ...update(1), number: 10 }), false);
  assert.equal(takes(end, { ...first, number: 9 }), true);
});

test("updates that break a rule are not read", () => {
  const good = bytes(vectors.steps[2].data);
  assert.notEqual(parseUpdate(good), null);
  const broken = (at, value) => {
    const data = good.slice();
    data[at] = value;
    return parseUpdate(data);
  };
  const tilesAt = 18 + 2 * 11;
  const cases = { version: [0, 2], since: [13, 3], width: [14, 17], section: [18, 9], copy: [20, 200], mosaic: [tilesAt, 1], image: [tilesAt + 1, 4], tile: [tilesAt + 10, 60] };
  for (const [name, [at, value]] of Object.entries(cases)) assert.equal(broken(at, value), null, name);
  for (let length = 0; length < good.length; length += 1) {
    // A section that was left out whole makes an update of its own.
    const isWhole = [18, 29, tilesAt].includes(length);
    assert.equal(parseUpdate(good.slice(0, length)) === null, !isWhole, `${length} bytes`);
  }
});
