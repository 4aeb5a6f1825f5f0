import assert from "node:assert/strict";
import { test } from "node:test";

import { HallSession, join } from "../../../../relay/pages/lib/hall-session.js";
import { LecturerSession } from "../../../../relay/pages/lib/lecturer-session.js";
import { Publisher } from "../../../../relay/pages/lib/publisher.js";
import { SOON_MS, net, sent, tick } from "./mocked-net.mjs";
import { NetWebSocket } from "./net-web-socket.mjs";

const TURN = 5;
const BASE = "http://relay/";

function welcome(fields = {}) {
  net().onopen();
  net().say({ kind: "welcome", v: "1.0", t_ms: 1000, lecture: { id: "waves", languages: ["ko", "en"], state: "live" }, ...fields });
}

function reconnect(fields) {
  net().onclose({ code: 1006 });
  tick(SOON_MS);
  welcome(fields);
}

function lecturer() {
  const changes = [];
  const session = new LecturerSession({
    base: BASE, lecture: "waves", token: "secret", role: "lecturer", version: "1", onChange: (change) => changes.push(change),
  });
  session.connect();
  return { session, changes };
}

/** The relay has on its disk what came until now. */
const answer = () => net().say({ kind: "pong", id: sent("ping").at(-1).id, sent_ms: 0, t_ms: 1000 });
const turned = (seq, page, t_ms = 0) => ({ kind: "entry", seq, t_ms, entry_kind: TURN, fields: { deck: "d", page } });

test("page turns of an outage are all made, in order and at their time, and the lecturer's page does not flip back", () => {
  const { session } = lecturer();
  welcome();
  session.turn("d", 1);
  net().say(turned(1, 1, 1000));
  answer();
  tick(5000);
  session.turn("d", 2); // into a line that is dead already, which nobody knows yet
  net().onclose({ code: 1006 });
  tick(200);
  session.turn("d", 3);
  tick(SOON_MS);
  welcome({ deck: "d", page: 1, t_ms: 7200 });
  assert.equal(session.shown.page, 3);
  const turns = sent("turn").map(({ page, at_ms }) => [page, at_ms]);
  assert.deepEqual(turns, [[2, 6000], [3, 6200]]);
  answer();
  net().say(turned(2, 2, 6000));
  assert.equal(session.shown.page, 3);
  reconnect({ deck: "d", page: 2 });
  assert.deepEqual(sent("turn").map(({ page }) => page), [3], "the one that the relay has not told of");
  net().say(turned(3, 3, 6200));
  reconnect({ deck: "d", page: 3 });
  assert.deepEqual(sent("turn").map(({ page }) => page), [3], "the one that may be on no disk");
  assert.equal(session.shown.page, 3);
  answer();
  reconnect({ deck: "d", page: 3 });
  assert.deepEqual([sent("turn"), sent("hello")[0].after_seq], [[], 3]);
  net().say(turned(4, 7, 9000));
  assert.equal(session.shown.page, 7, "another studio's turn is followed");
});

test("a turn that the relay refuses is not tried for ever", () => {
  const { session } = lecturer();
  welcome();
  session.turn("gone", 1);
  session.turn("d", 2);
  net().say({ kind: "error", id: "deck_unknown", fatal: false });
  reconnect();
  assert.deepEqual(sent("turn").map(({ deck }) => deck), ["d"]);
  net().say({ kind: "ended", t_ms: 9000 });
  reconnect({ lecture: { id: "waves", languages: ["ko"], state: "ended" } });
  assert.deepEqual(sent("turn"), []);
});

test("more turns than a relay takes at once are all made, piece by piece", () => {
  const { session } = lecturer();
  for (let page = 1; page <= 150; page += 1) session.turn("d", page);
  welcome();
  assert.equal(sent("turn").length, 60);
  for (let piece = 0; piece < 2; piece += 1) {
    net().say({ kind: "pong", id: sent("ping").at(-1).id, sent_ms: 0, t_ms: 1000 });
    tick(SOON_MS);
  }
  assert.deepEqual(sent("turn").map(({ page }) => page), Array.from({ length: 150 }, (_, at) => at + 1));
});

test("the wish to end the lecture is said again until the relay has ended it", () => {
  const { session } = lecturer();
  welcome();
  session.end();
  assert.ok(session.ending);
  reconnect();
  assert.deepEqual(sent("end").length, 1);
  net().say({ kind: "ended", t_ms: 9000 });
  assert.equal(session.ending, false);
  reconnect({ lecture: { id: "waves", languages: ["ko"], state: "ended" } });
  assert.deepEqual(sent("end"), []);
});

test("a lecture that goes on air again is not ended by what was wished in an outage", () => {
  const { session, changes } = lecturer();
  welcome();
  net().onclose({ code: 1006 });
  session.end();
  changes.length = 0;
  session.goOn();
  assert.deepEqual([session.ending, changes], [false, ["lecture"]]);
  tick(SOON_MS);
  welcome();
  assert.deepEqual(sent("end"), []);
});

test("the relay says whose token it is; one that does not say it is believed to be what the page was opened for", () => {
  const { session } = lecturer();
  welcome();
  assert.equal(session.role, "lecturer");
  reconnect({ role: "interpreter" });
  assert.equal(session.role, "interpreter");
});

test("a pong that an outage held back moves no clock", () => {
  const { session } = lecturer();
  welcome();
  net().say({ kind: "pong", id: 1, sent_ms: 0, t_ms: 1000 });
  tick(20_000);
  net().say({ kind: "pong", id: 2, sent_ms: 500, t_ms: 20_900 });
  assert.equal(session.clock.relayTime(performance.now()), 21_000);
});

function hall(chosen = "") {
  const changes = [];
  const session = new HallSession({
    base: BASE, invitation: { lecture: "waves", title: "", ws: "/ws/hall/waves", token: "t" }, hall: "Hall 3", version: "1",
    playout_delay_ms: 2000, language: () => chosen, decodeWebp: async () => new Uint8ClampedArray(), onChange: (change) => changes.push(change), onSignal: () => {},
  });
  session.connect();
  return { session, changes };
}

test("a question is told to be with the lecturer when the relay has it, and asked again with its id until then", () => {
  const { session, changes } = hall();
  session.ask("before there is a line");
  welcome();
  session.ask("Who pays?");
  const [first] = sent("question");
  assert.deepEqual([sent("question").length, first.text], [1, "before there is a line"], "one is under way at a time");
  assert.ok(!changes.includes("question"));
  reconnect();
  assert.deepEqual(sent("question"), [first]);
  net().say({ kind: "asked", id: first.id });
  assert.ok(changes.includes("question"));
  tick(1500);
  const second = sent("question").at(-1);
  assert.equal(second.text, "Who pays?");
  assert.notEqual(second.id, first.id);
  net().say({ kind: "asked", id: second.id, error: "too_many_questions" });
  tick(1500);
  assert.deepEqual(sent("question"), [first, second, second]);
  net().say({ kind: "asked", id: second.id });
  reconnect();
  assert.deepEqual(sent("question"), []);
});

test("a question that was not answered is asked again after ten seconds, however many wait", () => {
  const { session } = hall();
  welcome();
  for (let number = 0; number < 25; number += 1) session.ask(`question ${number}`);
  const [first] = sent("question");
  for (let at = 0; at < 5; at += 1) {
    tick(2000);
    net().say({ kind: "state", publisher: "live", lecture: "live" });
  }
  assert.deepEqual(sent("question"), [first, first]);
  net().say({ kind: "asked", id: first.id });
  tick(1500);
  assert.deepEqual(sent("question").at(-1).text, "question 6", "of those that wait the oldest are given up");
});

test("a question that the relay will not have is told and not asked again", () => {
  const { session, changes } = hall();
  welcome();
  session.ask("Who pays?");
  net().say({ kind: "asked", id: sent("question")[0].id, error: "lecture_ended" });
  assert.ok(changes.includes("error") && !changes.includes("question"));
  reconnect();
  assert.deepEqual(sent("question"), []);
});

test("a hall that waits for its lecture notices a dead line", () => {
  const { session } = hall();
  welcome({ lecture: { id: "waves", languages: ["ko"], state: "planned" } });
  for (let at = 0; at < 5; at += 1) {
    tick(5000);
    net().say({ kind: "state", publisher: "none", lecture: "planned" });
  }
  assert.equal(session.socketState, "open");
  tick(14_000);
  assert.notEqual(session.socketState, "open");
  tick(SOON_MS);
  assert.equal(NetWebSocket.made.length, 2);
});

test("one whose lecture has ended stays as long as it likes", () => {
  const { session } = hall();
  welcome({ lecture: { id: "waves", languages: ["ko"], state: "ended" } });
  tick(3_600_000);
  assert.equal(session.socketState, "open");
});

test("what answers a hall code in the relay's place is told as that", async () => {
  for (const body of ["<html>Log in</html>", "{}", "null"]) {
    globalThis.fetch = async () => new Response(body);
    await assert.rejects(join("ACDE-2345"), { id: "not_the_relay" });
  }
});

test("a language chosen before going on air puts nobody on air", () => {
  const states = [];
  const publisher = new Publisher({ url: "http://relay/whip/waves", token: "t", onState: (state) => states.push(state) });
  void publisher.replace({});
  publisher.moveTo("http://relay/whip/waves?language=ja");
  assert.deepEqual([publisher.state, states], ["idle", []]);
});
