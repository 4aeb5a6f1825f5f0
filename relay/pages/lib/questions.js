/**
 * Questions of a hall on their way to the lecturer: each is sent again over the next line until the relay has taken it.
 *
 * Nothing answers a question. But a relay works in order, and answers at once who wants the voice of no time at all: so
 * its `filled` tells that what was sent before has been taken (docs/protocol.md, section 8).
 */

/** A relay refuses more than one a second. */
const APART_MS = 1200;
/** More than that nobody asks in an outage. */
const MAX_WAITING = 20;

export class Questions {
  /**
   * @param {(kind: string, fields: Record<string, any>) => boolean} send
   * @param {() => string} language of the voice that is heard here: asking for another would choose it
   */
  constructor(send, language) {
    this._send = send;
    this._language = language;
    /** @type {{number: number, text: string}[]} oldest first */
    this._waiting = [];
    this._number = 0;
    /** Number of the newest that was sent over the present line. */
    this._sent = 0;
    this._isConnected = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {string} text */
  ask(text) {
    this._number += 1;
    this._waiting.push({ number: this._number, text });
    if (this._waiting.length > MAX_WAITING) this._waiting.shift();
    this._next();
  }

  connected() {
    this._isConnected = true;
    this._next();
  }

  disconnected() {
    clearTimeout(this._timer);
    this._timer = undefined;
    this._isConnected = false;
    this._sent = 0;
  }

  /**
   * @param {import("./protocol.js").Message} filled
   * @returns {boolean} whether it tells that questions have been taken
   */
  taken({ start_ms, end_ms }) {
    if (start_ms !== end_ms || start_ms > this._sent) return false;
    const before = this._waiting.length;
    this._waiting = this._waiting.filter(({ number }) => number > start_ms);
    return this._waiting.length < before;
  }

  _next() {
    const question = this._waiting.find(({ number }) => number > this._sent);
    if (!question || !this._isConnected || this._timer !== undefined) return;
    const { number, text } = question;
    if (!this._send("question", { text })) return;
    this._send("want", { language: this._language(), start_ms: number, end_ms: number });
    this._sent = number;
    this._timer = setTimeout(() => {
      this._timer = undefined;
      this._next();
    }, APART_MS);
  }
}
