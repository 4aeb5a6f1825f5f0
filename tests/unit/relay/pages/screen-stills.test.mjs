import assert from "node:assert/strict";
import { test } from "node:test";

import { parseScreenPart } from "../../../../relay/pages/lib/frames.js";
import { ScreenStills } from "../../../../relay/pages/lib/screen-stills.js";
import { bytes, decode, hex, vectors } from "./screen-vectors.mjs";

/** All parts of a step, as a relay of ours sends them. */
const parts = (index) => vectors.steps[index].parts.map((part) => parseScreenPart(bytes(part).buffer));
const give = (stills, ...indices) => indices.flatMap(parts).forEach((part) => stills.add(part));
const pixels = (stills) => hex(stills.picture.pixels);

async function at(stills, heard_ms) {
  const changes = [];
  await stills.show(heard_ms, (changed) => changes.push(changed));
  return changes.length;
}

test("each still is shown when its voice is heard, and the page again after the last", async () => {
  const stills = new ScreenStills(decode);
  assert.equal(stills.shown, false);
  give(stills, 0, 1, 2, 3, 4, 5);
  assert.equal(await at(stills, -1), 0);
  for (const { t_ms, pixels: wanted } of vectors.steps.slice(0, 5)) {
    assert.equal(await at(stills, t_ms + 10), 1);
    assert.equal(pixels(stills), wanted);
    assert.equal(stills.shown, true);
  }
  assert.equal(await at(stills, 1e9), 1);
  assert.equal(stills.shown, false);
});

test("parts come in any order and twice, updates before those that they need", async () => {
  const stills = new ScreenStills(decode);
  const mixed = [1, 0, 2].flatMap(parts).reverse();
  for (const part of [...mixed, ...mixed]) stills.add(part);
  assert.equal(await at(stills, 1e9), 3);
  assert.equal(pixels(stills), vectors.steps[2].pixels);
  assert.deepEqual(stills.have, { screen_share: 9, screen_number: 3 });
});

test("what was under way when the line broke comes from its beginning, what is here goes on", async () => {
  const stills = new ScreenStills(decode);
  assert.deepEqual(stills.have, { screen_share: 0, screen_number: 0 });
  give(stills, 0);
  stills.add(parts(1)[0]);
  stills.disconnected();
  assert.deepEqual(stills.have, { screen_share: 9, screen_number: 1 });
  // The relay counts updates anew on each connection.
  vectors.steps[1].parts.forEach((part, index) => stills.add({ ...parts(1)[index], number: 0 }));
  assert.equal(await at(stills, 1e9), 2);
  assert.equal(pixels(stills), vectors.steps[1].pixels);
});

test("who joins late gets one update for many", async () => {
  const stills = new ScreenStills(decode);
  give(stills, 0, 1, 3); // since 2, number 7: in place of 3 to 7
  assert.equal(await at(stills, 1e9), 3);
  assert.deepEqual(stills.have, { screen_share: 9, screen_number: 7 });
});

test("stills that the browser cannot decode are asked for again", async () => {
  const stills = new ScreenStills(() => Promise.reject(new Error("no memory")));
  give(stills, 0, 1);
  assert.equal(await at(stills, 1e9), 0);
  assert.deepEqual(stills.have, { screen_share: 0, screen_number: 0 });
});

test("parts that are none are not taken", () => {
  const [part] = vectors.steps[0].parts;
  for (const bad of ["", part.slice(0, 20), `02${part.slice(2)}`, `0107${part.slice(4)}`, `${part.slice(0, 8)}00ffffff${part.slice(16)}`]) {
    assert.equal(parseScreenPart(bytes(bad).buffer), null);
  }
});
