import assert from "node:assert/strict";
import { test } from "node:test";

import { LectureModel } from "../../../../relay/pages/lib/deck.js";
import { LectureClock } from "../../../../relay/pages/lib/lecture-clock.js";

const entry = (seq, t_ms, entry_kind, fields) => ({ seq, t_ms, entry_kind, fields });
const page = (seq, number, tier) => entry(seq, 0, 4, { deck: "d", page: number, tier, digest: `${number}.${tier}` });
const turn = (seq, t_ms, number) => entry(seq, t_ms, 5, { deck: "d", page: number });

test("decks and pages grow with their entries, sharpest image first", () => {
  const model = new LectureModel();
  model.apply(entry(1, 0, 3, { deck: "d", title: "Ownership", page_count: 3, pages: [{ page: 1, title: "Stack", text: "" }] }));
  model.apply(page(2, 1, 1));
  model.apply(page(3, 1, 2));
  model.apply(entry(4, 0, 3, { deck: "d", title: "Ownership", page_count: 3, pages: [{ page: 2, title: "Heap", text: "" }] }));
  const deck = model.currentDeck();
  assert.equal(deck.page_count, 3);
  assert.deepEqual([1, 2].map((number) => deck.pages.get(number).title), ["Stack", "Heap"]);
  assert.deepEqual(model.tiers("d", 1).map(({ tier }) => tier), [2, 1]);
  assert.deepEqual(model.tiers("d", 3), []);
});

test("history that is told again after a reconnection changes nothing", () => {
  const model = new LectureModel();
  assert.equal(model.apply(turn(7, 100, 1)), true);
  assert.equal(model.apply(turn(7, 100, 1)), false);
  assert.equal(model.turns.length, 1);
  assert.equal(model.last_seq, 7);
});

test("the page of a moment is that of the last turn before it, in whatever order turns were logged", () => {
  const model = new LectureModel();
  for (const [seq, t_ms, number] of [[1, 0, 1], [2, 9000, 3], [3, 5000, 2]]) model.apply(turn(seq, t_ms, number));
  assert.deepEqual([4999, 5000, 8999, 9000].map((t_ms) => model.turnAt(t_ms).page), [1, 2, 2, 3]);
  assert.equal(new LectureModel().turnAt(10), null);
});

test("lecture time runs with the relay's clock and never back for a late message", () => {
  const clock = new LectureClock();
  clock.run(true, 0);
  clock.told(50_000, 1000);
  assert.equal(clock.relayTime(2500), 51_500);
  clock.told(50_900, 2500);
  assert.equal(clock.relayTime(2500), 51_500);
  clock.told(51_900, 2500);
  assert.equal(clock.relayTime(2500), 51_900);
  clock.told(9000, 3000);
  assert.equal(clock.relayTime(3000), 9000);
});

test("while planned and once ended lecture time stands", () => {
  const clock = new LectureClock();
  clock.told(0, 0);
  assert.equal(clock.relayTime(60_000), 0);
  clock.run(true, 60_000);
  assert.equal(clock.relayTime(61_000), 1000);
  clock.run(false, 62_000);
  assert.equal(clock.relayTime(90_000), 2000);
});

for (const lecture_ms of [7000, 89_478_000, 89_479_000, 200_000_000]) {
  test(`what is heard is told by RTP timestamps, also past their wrap (${lecture_ms} ms)`, () => {
    const clock = new LectureClock({ playout_delay_ms: 2300 });
    clock.run(true, 0);
    clock.told(lecture_ms, 0);
    assert.equal(clock.position(0), lecture_ms - 2300);
    clock.heard(((lecture_ms - 1500) * 48) % 2 ** 32, 0);
    assert.equal(Math.round(clock.position(100)), lecture_ms - 1400);
    assert.equal(clock.isHearing(5000), false);
    assert.equal(Math.round(clock.position(5000)), lecture_ms + 2700);
  });
}

test("pages never turn back because the playout delay has grown", () => {
  const clock = new LectureClock({ playout_delay_ms: 1000 });
  clock.run(true, 0);
  clock.told(60_000, 0);
  assert.equal(clock.position(0), 59_000);
  clock.heard(57_000 * 48, 100);
  assert.equal(clock.position(100), 59_000);
});

