/** Time and network in the hand of a session's test: importing this replaces both for each test of the file. */

import { afterEach, beforeEach, mock } from "node:test";

import { NetWebSocket } from "./net-web-socket.mjs";

/** More than any pause before a reconnection. */
export const SOON_MS = 1000;
let now_ms = 0;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  now_ms = 0;
  mock.method(performance, "now", () => now_ms);
  NetWebSocket.made = [];
  globalThis.WebSocket = NetWebSocket;
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Let time pass. */
export function tick(ms) {
  now_ms += ms;
  mock.timers.tick(ms);
}

/** The newest socket. */
export const net = () => NetWebSocket.made.at(-1);

/** What was sent over it, of these kinds. */
export const sent = (...kinds) => net().sent.filter(({ kind }) => kinds.includes(kind));
