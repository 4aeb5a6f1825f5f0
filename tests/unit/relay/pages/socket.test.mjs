import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Backoff } from "../../../../relay/pages/lib/backoff.js";
import { RelaySocket } from "../../../../relay/pages/lib/socket.js";
import { NetWebSocket } from "./net-web-socket.mjs";

function begin(options = {}) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  NetWebSocket.made = [];
  const states = [];
  const messages = [];
  const socket = new RelaySocket({
    url: "ws://relay/ws",
    hello: () => ({ v: "1.0", have: { after_seq: messages.length } }),
    onMessage: (message) => messages.push(message.kind),
    onState: (state, reason) => states.push(reason ? `${state} ${reason.code} ${reason.id}` : state),
    WebSocketClass: NetWebSocket,
    backoff: new Backoff({ random: () => 0.5 }),
    ...options,
  });
  socket.connect();
  return { socket, states, messages, made: NetWebSocket.made };
}

function welcome(net) {
  net.onopen();
  net.say({ kind: "welcome" });
}

test("says hello, is open when welcomed, and sends only then", () => {
  const { socket, states, messages, made } = begin();
  assert.equal(socket.send("turn", { page: 2 }), false);
  welcome(made[0]);
  assert.equal(socket.send("turn", { page: 2 }), true);
  assert.deepEqual(made[0].sent, [{ kind: "hello", v: "1.0", have: { after_seq: 0 } }, { kind: "turn", page: 2 }]);
  assert.deepEqual(states, ["connecting", "open"]);
  assert.deepEqual(messages, ["welcome"]);
});

test("comes back for ever, later each time, at once again after a success", () => {
  const { states, made } = begin();
  for (const wait_ms of [500, 1000, 2000, 4000, 8000, 8000, 8000]) {
    made.at(-1).onclose({ code: 1006 });
    const attempts = made.length;
    mock.timers.tick(wait_ms - 1);
    assert.equal(made.length, attempts);
    mock.timers.tick(1);
    assert.equal(made.length, attempts + 1);
  }
  welcome(made.at(-1));
  made.at(-1).onclose({ code: 1006 });
  mock.timers.tick(500);
  assert.equal(states.at(-1), "connecting");
  assert.deepEqual(made.at(-1).sent, []);
  made.at(-1).onopen();
  assert.deepEqual(made.at(-1).sent[0].have, { after_seq: 1 });
});

for (const [code, state] of [[4401, "closed"], [4410, "closed"], [4426, "closed"], [4400, "waiting"], [1013, "waiting"]]) {
  test(`after close code ${code} it is ${state}`, () => {
    const { states, made } = begin();
    made[0].onopen();
    made[0].say({ kind: "error", id: "why", text: "Because.", fatal: true });
    made[0].onclose({ code });
    assert.equal(states.at(-1), `${state} ${code} why`);
    mock.timers.tick(60_000);
    assert.equal(made.length > 1, state === "waiting");
  });
}

test("a relay that says nothing for too long is left, one that may be silent is not", () => {
  let silence_ms = 5000;
  const { states, made } = begin({ silence_ms: () => silence_ms });
  welcome(made[0]);
  mock.timers.tick(4000);
  made[0].say({ kind: "clock" });
  mock.timers.tick(4000);
  assert.equal(states.at(-1), "open");
  mock.timers.tick(3000);
  assert.match(states.at(-1), /^(waiting|connecting)/);
  mock.timers.tick(1000);
  silence_ms = Infinity;
  welcome(made.at(-1));
  mock.timers.tick(3_600_000);
  assert.equal(states.at(-1), "open");
});

test("what a connection that was given up still says is not heard", () => {
  const { messages, states, made } = begin();
  made[0].onclose({ code: 1006 });
  mock.timers.tick(500);
  welcome(made[0]);
  made[0].onclose({ code: 4401 });
  assert.deepEqual(messages, []);
  assert.equal(states.at(-1), "connecting");
});

test("closed by us it says goodbye and stays closed", () => {
  const { socket, states, made } = begin();
  welcome(made[0]);
  socket.close();
  assert.equal(made[0].sent.at(-1).kind, "bye");
  assert.equal(made[0].closedWith, 1000);
  made[0].onclose({ code: 1000 });
  mock.timers.tick(60_000);
  assert.deepEqual([made.length, states.at(-1)], [1, "closed"]);
});
