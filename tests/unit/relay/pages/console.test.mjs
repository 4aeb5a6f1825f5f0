import assert from "node:assert/strict";
import { test } from "node:test";

import { Console, curve, judge, repairOf } from "../../../../relay/pages/lib/console.js";

const LIVE = { id: "waves", title: "Waves", course: "", state: "live", publisher: "live", t_ms: 60_000 };
const hall = (fields = {}) => ({
  name: "Busan", connected: true, behind_ms: 3000, page: 2, page_due: 2, heads: 30, rung: "12", carrier: "rtp",
  fraction_lost: 0.02, rtt_ms: 600, received_kbps: 40, playout_delay_ms: 3000, gaps: 0, silent_s: 1,
  link: { budget_kbps: 60, used_kbps: 42, queue_ms: 20 }, ...fields,
});
const snapshot = (halls, lecture = LIVE) => ({
  lecture, halls, publishers: [], players: 0, questions: [], voices: {}, deck: { page: 2, page_count: 5 }, recorder: { trouble: null, dropped_entries: 0 },
});
const states = (console_) => console_.boards.map((board) => board.rows.map((row) => [row.hall.name, row.state]));

test("each trouble has its word, the worst first", () => {
  const told = (fields, lecture = LIVE, page_missing_ms = 0) => judge(hall(fields), lecture, page_missing_ms).slice(0, 2);
  assert.deepEqual(told({}), ["good", 0]);
  assert.deepEqual(told({ connected: false, silent_s: 40 }), ["gone", 3]);
  assert.deepEqual(told({ silent_s: 9, behind_ms: 60_000 }), ["silent", 3]);
  assert.deepEqual(told({ link: { text: true } }), ["text", 2]);
  assert.deepEqual(told({ behind_ms: 50_000 }), ["very_late", 2]);
  assert.deepEqual(told({ behind_ms: 9000 }), ["late", 1]);
  assert.deepEqual(told({}, LIVE, 20_000), ["page_late", 2]);
  assert.deepEqual(told({}, LIVE, 6000), ["page_late", 1]);
  assert.deepEqual(told({ fraction_lost: 0.2 }), ["loss", 1]);
  assert.deepEqual(told({ link: { queue_ms: 900 } }), ["queue", 1]);
  assert.deepEqual(told({ carrier: "" }), ["no_voice", 1]);
});

test("before and after a lecture a hall that is not there is no alarm", () => {
  for (const state of ["planned", "ended"]) {
    assert.deepEqual(judge(hall({ connected: false }), { ...LIVE, state }, 0).slice(0, 2), ["left", 0]);
  }
  assert.equal(judge(hall({ behind_ms: 0, gaps: 2 }), { ...LIVE, state: "ended" }, 0)[0], "fetching");
  assert.equal(judge(hall({ behind_ms: 0 }), { ...LIVE, state: "ended" }, 0)[0], "done");
  assert.equal(judge(hall({ carrier: "" }), { ...LIVE, state: "planned" }, 0)[0], "waiting");
});

test("a hall's line says so for as long as the line says so: a minute late is told as such", () => {
  assert.deepEqual(judge(hall({ behind_ms: 12_000 }), LIVE, 0), ["late", 1, 12]);
  assert.deepEqual(judge(hall({ connected: false, silent_s: 75 }), LIVE, 0), ["gone", 3, 75]);
});

test("halls are in order of their trouble, then of their names; lectures that are live come first", () => {
  const console_ = new Console();
  const names = (list) => list.map(([name, fields]) => hall({ name, ...fields }));
  console_.take(
    [
      snapshot(names([["Z", {}]]), { ...LIVE, id: "b", title: "B", state: "planned" }),
      snapshot(names([["Room 10", {}], ["Room 9", {}], ["Ulsan", { connected: false }], ["Jeju", { behind_ms: 9000 }]])),
    ],
    0,
  );
  assert.deepEqual(states(console_)[0], [["Ulsan", "gone"], ["Jeju", "late"], ["Room 9", "good"], ["Room 10", "good"]]);
  assert.deepEqual(console_.boards.map(({ level }) => level), [3, 0]);
});

test("a lecture without its lecturer comes before one that is well", () => {
  const console_ = new Console();
  console_.take([snapshot([hall()]), snapshot([hall()], { ...LIVE, id: "x", title: "X", publisher: "down" })], 0);
  assert.deepEqual(console_.boards.map(({ lecture }) => lecture.id), ["x", "waves"]);
});

test("a page is late only once it has been missing for a while", () => {
  const console_ = new Console();
  const late = hall({ page: 1 });
  for (const [at_ms, state] of [[0, "good"], [4000, "good"], [6000, "page_late"]]) {
    console_.take([snapshot([late])], at_ms);
    assert.deepEqual(states(console_), [[["Busan", state]]], `after ${at_ms} ms`);
  }
  console_.take([snapshot([hall()])], 8000);
  console_.take([snapshot([late])], 10_000);
  assert.deepEqual(states(console_), [[["Busan", "good"]]]);
});

test("what the recording lacks is that of all voices, in whole seconds, and goes with the lecture's board", () => {
  assert.deepEqual(repairOf({}), { missing_s: 0, repaired_s: 0 });
  const voices = { en: { missing_ms: 12_300, repaired_ms: 0 }, ko: { missing_ms: 400, repaired_ms: 40_000 } };
  const console_ = new Console();
  console_.take([{ ...snapshot([hall()]), voices }], 0);
  assert.deepEqual(repairOf(console_.boards[0].voices), { missing_s: 13, repaired_s: 40 });
});

test("curves keep five minutes, break where a hall was away, and forget halls that are no longer told of", () => {
  const console_ = new Console();
  for (let second = 0; second < 400; second += 2) console_.take([snapshot([hall({ connected: second < 300 || second > 320 })])], second * 1000);
  const [{ history }] = console_.boards[0].rows;
  assert.equal(history.length, 150);
  assert.deepEqual(history.filter(({ behind_ms }) => behind_ms === null).length, 11);
  assert.deepEqual([history[0].budget_kbps, history[0].used_kbps], [60, 42]);
  console_.take([], 0);
  console_.take([snapshot([hall()])], 2000);
  assert.equal(console_.boards[0].rows[0].history.length, 1);
});

test("a curve ends at the right edge, stays inside and is broken by what is missing", () => {
  const box = { width: 10, height: 10, max: 10, points: 11 };
  assert.equal(curve([0, 5, 20], box), "M8.0 10.0L9.0 5.0L10.0 0.0");
  assert.equal(curve([5, null, 5, 5], box), "M7.0 5.0M9.0 5.0L10.0 5.0");
  assert.equal(curve([5, 5], { ...box, filled: true }), "M9.0 5.0L10.0 5.0L10.0 10L9.0 10Z");
  assert.equal(curve([], box), "");
});
