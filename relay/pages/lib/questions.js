/**
 * Questions of a hall on their way to the lecturer, one at a time: each is sent again over the next line until the relay
 * says that it has it ("asked"), and has an id by which the relay takes it once (docs/protocol.md, "question").
 */

import { randomId } from "./random-id.js";

/** A relay refuses more than one a second. */
const APART_MS = 1200;
/** An answer that has not come by then is not waited for. */
const AGAIN_MS = 10_000;
const TOO_SOON = "too_many_questions";
/** More than that nobody asks in an outage: the oldest goes. */
const MAX_WAITING = 20;

export class Questions {
  /** @param {(kind: string, fields: Record<string, any>) => boolean} send */
  constructor(send) {
    this._send = send;
    /** @type {{id: string, text: string}[]} oldest first */
    this._waiting = [];
    this._isUnderWay = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {string} text */
  ask(text) {
    this._waiting.push({ id: randomId(), text });
    // The one that is under way is not asked in vain: its answer may be on the way.
    if (this._waiting.length > MAX_WAITING) this._waiting.splice(this._isUnderWay ? 1 : 0, 1);
    this._next();
  }

  connected() {
    clearTimeout(this._timer);
    this._isUnderWay = false;
    this._next();
  }

  /**
   * @param {import("./protocol.js").Message} asked
   * @returns {string | null} empty: the relay has the question; else the id of why it will not have it; null: neither
   */
  answered({ id, error = "" }) {
    if (this._waiting[0]?.id !== id) return null;
    this._nextIn(APART_MS);
    if (error === TOO_SOON) return null;
    this._waiting.shift();
    return error;
  }

  _next() {
    if (this._isUnderWay || this._waiting.length === 0) return;
    this._isUnderWay = this._send("question", this._waiting[0]);
    if (this._isUnderWay) this._nextIn(AGAIN_MS);
  }

  /** @param {number} ms */
  _nextIn(ms) {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._isUnderWay = false;
      this._next();
    }, ms);
  }
}
