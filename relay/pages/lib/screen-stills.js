/**
 * The lecturer's shared screen in a hall: put together from parts, kept in order, each still shown when its voice is heard.
 */

import { NO_SCREEN, ScreenCanvas, parseTimed, parseUpdate, positionAfter, takes } from "./screen.js";

/** Incomplete updates, and complete ones that wait for another; beyond it the oldest goes. */
const OPEN_UPDATES = 32;
/** Of stills whose voice is not heard yet. Beyond it the oldest is shown early, so that none after it is lost. */
const WAITING_BYTES = 8_000_000;

/**
 * @typedef {{t_ms: number, bytes: number, update: import("./screen.js").ScreenUpdate}} TimedUpdate
 * @typedef {{data: Uint8Array, missing: number, offsets: Set<number>}} Parts
 */

export class ScreenStills {
  /** @param {import("./screen.js").Decode} decode */
  constructor(decode) {
    this.picture = new ScreenCanvas(decode);
    /** @type {Map<string, Parts>} */
    this._parts = new Map();
    /** @type {Set<string>} bounded: the oldest goes */
    this._complete = new Set();
    /** @type {Map<string, TimedUpdate>} complete, but one before them is still under way */
    this._early = new Map();
    /** @type {TimedUpdate[]} */
    this._waiting = [];
    this._waiting_bytes = 0;
    this._received = NO_SCREEN;
    this._applying = false;
  }

  /** Whether a screen is shown instead of the page. */
  get shown() {
    const { share, stopped } = this.picture.position;
    return share !== 0 && !stopped;
  }

  /** What `hello.have` says of the screen. */
  get have() {
    return { screen_share: this._received.share, screen_number: this._received.number };
  }

  /** @param {import("./frames.js").ScreenPart} part */
  add({ number, offset, total, payload }) {
    const key = `${number} ${total}`;
    if (this._complete.has(key)) return;
    const parts = this._parts.get(key) ?? { data: new Uint8Array(total), missing: total, offsets: new Set() };
    this._parts.set(key, parts);
    dropOldest(this._parts);
    if (parts.offsets.has(offset)) return;
    parts.offsets.add(offset);
    parts.data.set(payload, offset);
    parts.missing -= payload.length;
    if (parts.missing > 0) return;
    this._parts.delete(key);
    this._complete.add(key);
    dropOldest(this._complete);
    const timed = parseTimed(parts.data);
    const update = timed && parseUpdate(timed.data);
    if (!update) return;
    this._early.set(`${update.share} ${update.number}`, { t_ms: timed.t_ms, bytes: total, update });
    this._inOrder();
  }

  /** What was under way will come from its beginning. */
  disconnected() {
    this._parts.clear();
    this._complete.clear();
    this._early.clear();
  }

  /**
   * The voice of `heard_ms` is heard: apply what is due.
   * @param {number} heard_ms
   * @param {(changed: import("./screen.js").Box) => void} onChange draws what has changed of `picture`, or hides it once it
   *   is not `shown`
   */
  async show(heard_ms, onChange) {
    if (this._applying) return; // the next call finds what is left
    this._applying = true;
    try {
      while (this._waiting.length && (this._waiting[0].t_ms <= heard_ms || this._waiting_bytes > WAITING_BYTES)) {
        const [{ update, bytes }] = this._waiting.splice(0, 1);
        this._waiting_bytes -= bytes;
        onChange(await this.picture.apply(update));
      }
    } catch {
      // The browser could not decode it: what follows builds on it, so the next connection shall bring all of it.
      this._waiting = [];
      this._waiting_bytes = 0;
      this._received = NO_SCREEN;
    } finally {
      this._applying = false;
    }
  }

  _inOrder() {
    const byNumber = [...this._early].sort(([, a], [, b]) => a.update.number - b.update.number);
    for (const [key, timed] of byNumber) {
      if (takes(this._received, timed.update)) {
        this._received = positionAfter(timed.update);
        this._waiting.push(timed);
        this._waiting_bytes += timed.bytes;
      } else if (timed.update.share !== this._received.share || timed.update.number > this._received.number) {
        continue; // one before it is still under way
      }
      this._early.delete(key);
    }
    dropOldest(this._early);
  }
}

/** @param {Map<string, any> | Set<string>} some */
function dropOldest(some) {
  const [oldest] = some.keys();
  if (some.size > OPEN_UPDATES) some.delete(oldest);
}
