/** What a lecturer does over a line that is down, or dead without anybody knowing: all of it arrives, at its moment. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LecturerSession } from "../../../../relay/pages/lib/lecturer-session.js";
import { SOON_MS, net, sent, tick } from "./mocked-net.mjs";

const [INK, MARK] = [7, 9];

/** The relay's clock is a second ahead of ours. */
const welcome = () => {
  net().onopen();
  net().say({ kind: "welcome", v: "1.0", t_ms: 1000 + performance.now(), lecture: { id: "waves", languages: ["ko"], state: "live" } });
};
const breaks = () => net().onclose({ code: 1006 });
const comes = () => {
  tick(SOON_MS);
  welcome();
};
/** The relay answers all that it was asked. */
const answer = () => {
  const pings = sent("ping");
  for (const { id } of pings) net().say({ kind: "pong", id, sent_ms: 0, t_ms: 1000 + performance.now() });
  if (sent("ping").length > pings.length) answer();
};
const tell = (seq, entry_kind, fields, t_ms = 0) => net().say({ kind: "entry", seq, t_ms, entry_kind, fields });

function lecturer() {
  const session = new LecturerSession({
    base: "http://relay/", lecture: "waves", token: "secret", role: "lecturer", version: "1", onChange: () => {},
  });
  session.connect();
  return session;
}

const part = (first, count, more = true, stroke = "a", page = 1) => ({
  deck: "d", page, stroke, first, points: Array.from({ length: count }, (_, at) => [(first + at) / 1000, 0.5]), colour: "#112233", width: 0.004, more,
});
const strokes = (session, page = 1) => session.drawing("d", page).strokes.map(({ stroke, points }) => `${stroke}${points.length}`);

test("what is drawn in an outage waits with its moment, in order with turns, and is seen here meanwhile", () => {
  const session = lecturer();
  welcome();
  breaks();
  tick(100);
  session.draw("ink", part(0, 3));
  tick(100);
  session.draw("ink", part(3, 3)); // joined: a relay writes no finer
  tick(300);
  session.draw("ink", part(6, 1, false));
  session.turn("d", 2);
  tick(100);
  session.draw("ink", part(0, 2, false, "b", 2));
  session.draw("erase", { deck: "d", page: 1, stroke: "a" });
  assert.deepEqual([strokes(session), strokes(session, 2)], [[], ["b2"]]);
  comes();
  const said = sent("ink", "turn", "erase").map(({ kind, at_ms, first, points }) => [kind, at_ms, first, points?.length]);
  assert.deepEqual(said, [
    ["ink", 1100, 0, 6], ["ink", 1500, 6, 1], ["turn", 1500, undefined, undefined], ["ink", 1600, 0, 2],
    ["erase", 1600, undefined, undefined],
  ]);
});

test("what went into a dead line goes again, and what was answered does not", () => {
  const session = lecturer();
  welcome();
  session.draw("ink", part(0, 2));
  answer();
  session.draw("ink", part(2, 2));
  tick(4000);
  session.draw("ink", part(4, 2, false));
  breaks();
  comes();
  assert.deepEqual(sent("ink").map(({ first, at_ms }) => [first, at_ms]), [[2, 1000], [4, 5000]]);
  answer();
  breaks();
  comes();
  assert.deepEqual(sent("ink"), []);
});

test("a stroke stays on the page from the hand to the relay's word of it, and an erasing holds as long", () => {
  const session = lecturer();
  welcome();
  session.draw("ink", part(0, 2));
  session.draw("ink", part(2, 2, false));
  assert.deepEqual(strokes(session), ["a4"]);
  answer();
  assert.deepEqual(strokes(session), ["a4"]);
  tell(1, INK, { number: 1, ...part(0, 3), first: undefined });
  assert.deepEqual(strokes(session), ["a4"], "nothing is drawn twice");
  tell(2, INK, { number: 2, ...part(3, 1), first: undefined });
  session.draw("erase", { deck: "d", page: 1, stroke: "" });
  session.draw("ink", part(0, 2, false, "b"));
  assert.deepEqual(strokes(session), ["b2"]);
  tell(3, INK, { number: 3, deck: "d", page: 1, stroke: "", erase: true });
  assert.deepEqual(strokes(session), ["b2"], "what was drawn before does not come back");
  tell(4, INK, { number: 4, ...part(0, 2, false, "b"), first: undefined });
  assert.deepEqual(strokes(session), ["b2"]);
  answer();
  tick(10_000);
  assert.deepEqual(strokes(session), ["b2"]);
});

test("what the relay answers and does not take is shown no longer", () => {
  const session = lecturer();
  welcome();
  session.draw("ink", part(0, 2, false));
  answer();
  tick(3000);
  assert.deepEqual(strokes(session), ["a2"]);
  tick(2000);
  assert.deepEqual(strokes(session), []);
});

test("an outage's drawing comes in pieces that no relay takes for a flood; the pointer does not wait behind it", () => {
  const session = lecturer();
  welcome();
  breaks();
  for (let at = 0; at < 150; at += 1) session.draw("ink", part(at * 64, 64, at < 149));
  comes();
  session.point({ deck: "d", page: 1, x: 0.1, y: 0.1, shown: true });
  assert.deepEqual([sent("ink").length, sent("pointer").length], [60, 1]);
  tick(5000);
  assert.equal(sent("ink").length, 60, "nothing before the relay has answered");
  for (let second = 0; second < 4; second += 1) {
    const before = net().sent.length;
    answer();
    tick(999);
    assert.ok(net().sent.length - before < 5);
    tick(1);
    assert.ok(net().sent.length - before < 80);
  }
  assert.deepEqual(sent("ink").map(({ first }) => first), Array.from({ length: 150 }, (_, at) => at * 64));
});

test("each kind has its own bound: no drawing costs a turn or a note", () => {
  const session = lecturer();
  welcome();
  breaks();
  session.turn("d", 2);
  session.note("exam", 500);
  for (let at = 0; at < 2005; at += 1) session.draw("ink", part(at * 64, 64));
  comes();
  assert.deepEqual(sent("turn", "mark", "ink").slice(0, 3).map(({ kind, first }) => [kind, first]), [
    ["turn", undefined], ["mark", undefined], ["ink", 5 * 64],
  ]);
});

for (const [kind, most, put] of [
  ["turn", 2000, (session, number) => session.turn("d", number)],
  ["ink", 2000, (session, number) => session.draw("ink", part(0, 1, false, String(number)))],
  ["erase", 200, (session, number) => session.draw("erase", { deck: "d", page: 1, stroke: String(number) })],
  ["mark", 64, (session, number) => session.note(String(number), number)],
]) {
  test(`of a kind that waits the oldest is dropped beyond its bound: ${kind}`, () => {
    const session = lecturer();
    welcome();
    breaks();
    for (let number = 1; number <= most + 5; number += 1) put(session, number);
    comes();
    for (let gone = 0; gone < most; gone += 20) {
      answer();
      tick(1000);
    }
    const numbers = sent(kind).map(({ page, stroke, text }) => Number(text ?? stroke ?? page));
    assert.deepEqual(numbers, Array.from({ length: most }, (_, at) => at + 6));
  });
}

test("of the pointer the last place alone goes over the next line, and it is told again while it is shown", () => {
  const session = lecturer();
  const place = (x, shown = true) => ({ deck: "d", page: 1, x, y: 0.5, shown });
  welcome();
  breaks();
  for (const x of [0.1, 0.2, 0.3]) session.point(place(x));
  comes();
  assert.deepEqual(sent("pointer").map(({ x, at_ms }) => [x, at_ms]), [[0.3, undefined]]);
  breaks();
  comes();
  assert.deepEqual(sent("pointer").map(({ x }) => x), [0.3]);
  session.point(place(0.3, false));
  breaks();
  comes();
  assert.deepEqual(sent("pointer"), []);
});

test("the end of the lecture comes after what was drawn, and nothing of it after the end", () => {
  const session = lecturer();
  welcome();
  breaks();
  for (let at = 0; at < 70; at += 1) session.draw("ink", part(at * 64, 64));
  session.end();
  comes();
  assert.equal(sent("end").length, 0);
  answer();
  tick(SOON_MS);
  assert.deepEqual(sent("ink", "end").at(-1).kind, "end");
  net().say({ kind: "ended", t_ms: 9000 });
  breaks();
  comes();
  assert.deepEqual(sent("ink", "end"), []);
});

test("a clock that was far ahead and is set right rules no moment after that", () => {
  const session = lecturer();
  assert.equal(session.moment(), null);
  welcome();
  assert.equal(session.moment(), 1000);
  net().say({ kind: "clock", t_ms: 3_600_000 });
  assert.equal(session.moment(), 3_600_000);
  net().say({ kind: "clock", t_ms: 2000 });
  assert.equal(session.moment(), 2000);
});

test("a note is sent until the relay tells of it, with one id and one moment", () => {
  const session = lecturer();
  welcome();
  session.note("exam", 500);
  breaks();
  assert.ok(session.isNoting);
  comes();
  const [note] = sent("mark");
  assert.deepEqual([note.text, note.at_ms], ["exam", 500]);
  breaks();
  comes();
  assert.deepEqual(sent("mark"), [note]);
  tell(5, MARK, { text: note.text, id: note.id }, 500);
  assert.ok(session.isNoting, "the relay that told of it may die before it is on the disk");
  breaks();
  comes();
  assert.deepEqual(sent("mark"), [note]);
  answer();
  assert.ok(!session.isNoting);
  breaks();
  comes();
  assert.deepEqual(sent("mark"), []);
});

test("a note waits for the relay's word of it, too; one that found no room any more is not waited for", () => {
  const session = lecturer();
  welcome();
  session.note("lost", 500);
  answer();
  assert.ok(session.isNoting, "answered, but in no recording yet");
  breaks();
  for (let at = 0; at < 64; at += 1) session.note(`note ${at}`, 600 + at);
  comes();
  for (const second of [1, 2]) {
    answer();
    tick(1000 * second);
  }
  const notes = sent("mark");
  assert.deepEqual([notes.length, notes[0].text], [64, "note 0"]);
  notes.forEach(({ text, at_ms, id }, at) => tell(1 + at, MARK, { text, id }, at_ms));
  assert.ok(!session.isNoting);
});
