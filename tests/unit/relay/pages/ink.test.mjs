import assert from "node:assert/strict";
import { test } from "node:test";

import { LectureModel } from "../../../../relay/pages/lib/deck.js";
import { parseEntryFrame } from "../../../../relay/pages/lib/frames.js";

const INK = 7;
const part = (number, t_ms, stroke, points) => ({
  seq: number * 10, t_ms, entry_kind: INK, fields: { number, deck: "d", page: 1, stroke, points, colour: "#112233", width: 0.01 },
});
const erasing = (number, t_ms, stroke) => ({
  seq: number * 10, t_ms, entry_kind: INK, fields: { number, deck: "d", page: 1, stroke, erase: true },
});
const pointing = (seq, t_ms, x, shown = true) => ({
  seq, t_ms, entry_kind: 6, fields: { deck: "d", page: 1, x, y: 0.5, shown },
});
const LECTURE = [
  part(1, 100, "a", [[0, 0]]), part(2, 200, "b", [[0.5, 0]]), part(3, 300, "a", [[0.1, 0]]),
  erasing(4, 400, "b"), erasing(5, 500, ""), part(6, 500, "a", [[0.9, 0]]),
];
const points = (model, t_ms) => model.ink.at(t_ms, "d", 1).strokes.map((stroke) => stroke.points);

test("any order gives the picture of the moment, also after events that came later", () => {
  for (let turned = 0; turned < LECTURE.length; turned += 1) {
    const model = new LectureModel();
    model.apply({ seq: 1000, t_ms: 0, entry_kind: 5, fields: { deck: "d", page: 1 } });
    const entries = [...LECTURE.slice(turned), ...LECTURE.slice(0, turned)].reverse();
    for (const entry of entries) assert.equal(model.apply(entry), true);
    for (const entry of entries) assert.equal(model.apply(entry), false);
    assert.equal(model.last_seq, 1000);
    assert.deepEqual(points(model, 99), []);
    assert.deepEqual(points(model, 300), [[[0, 0], [0.1, 0]], [[0.5, 0]]]);
    assert.deepEqual(points(model, 400), [[[0, 0], [0.1, 0]]]);
    assert.deepEqual(points(model, 500), [[[0.9, 0]]]);
    assert.deepEqual(model.ink.spans(), [[1, 6]]);
  }
});

test("the pointer is where the newest entry up to the moment says, on its page only", () => {
  const model = new LectureModel();
  for (const entry of [pointing(30, 300, 0.3, false), pointing(10, 100, 0.1), pointing(20, 200, 0.2)]) model.apply(entry);
  const at = (t_ms, page = 1) => model.ink.at(t_ms, "d", page).pointer;
  assert.deepEqual([at(99), at(150), at(299), at(300), at(150, 2)], [null, [0.1, 0.5], [0.2, 0.5], null, null]);
});

test("runs of numbers tell what is here", () => {
  const model = new LectureModel();
  for (const number of [5, 1, 2, 9]) model.apply(part(number, 0, "a", [[0, 0]]));
  assert.deepEqual(model.ink.spans(), [[1, 2], [5, 5], [9, 9]]);
});

test("an entry frame is read, a damaged one is not", () => {
  const fields = new TextEncoder().encode('{"number":1}');
  const data = new Uint8Array([1, 7, 7, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9, ...fields]);
  assert.deepEqual(parseEntryFrame(data.buffer), { seq: 258, t_ms: 9, entry_kind: 7, fields: { number: 1 } });
  assert.equal(parseEntryFrame(data.slice(0, -1).buffer), null);
  assert.equal(parseEntryFrame(data.slice(0, 18).buffer), null);
  assert.equal(parseEntryFrame(new Uint8Array([1, 2, ...data.slice(2)]).buffer), null);
});

test("of a long lecture's pointer the old places go, and are not taken for new when they are told again", () => {
  const model = new LectureModel();
  const told = Array.from({ length: 4500 }, (_, at) => pointing(at + 1, at * 100, at / 4500));
  assert.ok(told.every((entry) => model.apply(entry)));
  assert.ok(told.every((entry) => !model.apply(entry)));
  assert.deepEqual(model.ink.at(Infinity, "d", 1).pointer, [4499 / 4500, 0.5]);
  assert.equal(model.ink.at(50_000, "d", 1).pointer, null);
});
