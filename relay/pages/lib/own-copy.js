/**
 * The lecturer's own copy of what was spoken here: every packet kept, found again by its lecture time.
 */

import { CopyTime } from "./copy-time.js";
import { CHUNK_MS, countThatFit, packChunk, parseChunk, sizeOf } from "./segment.js";

/** Chunks on their way to the disk; a disk that is slower than that (10 s) loses what comes next. */
const MAX_PENDING = 20;
/** Chunks read at once for a segment. */
const READ_CHUNKS = 200;
/** What lies around a span, of which so much tells the relay where in its recording the voice belongs. */
const MARGIN_MS = 1500;
/** So much of what lies behind a span the relay needs at least: by it the last of the span finds its place. */
const BEHIND_MS = 600;

/**
 * @typedef {import("./segment.js").Segment} Segment
 * @typedef {import("./segment.js").Span} Span
 * @typedef {import("./segment.js").VoiceFrame} VoiceFrame
 * @typedef {{copy: string, lecture: string, role: string, language: string, began_ms: number,
 *   points: import("./copy-time.js").Point[], whole_at_ms: number | null}} Facts
 *   language: empty until the relay has told it; began_ms and whole_at_ms (when it was found that the recording
 *   of the lecture, which has ended, wants nothing of it): ms since 1970
 * @typedef {{copy: string, t_ms: number, chunk: Uint8Array}} KeptChunk
 * @typedef {{
 *   copies: (lecture?: string) => Promise<Facts[]>,
 *   keep: (facts: Facts) => Promise<void>,
 *   write: (chunk: KeptChunk) => Promise<void>,
 *   read: (copy: string, span: Span, limit?: number) => Promise<KeptChunk[]>,
 *   count: (copy: string) => Promise<number>,
 *   remove: (copy: string) => Promise<void>,
 * }} Store read: the chunks that begin in the span, in order
 */

/**
 * @param {string} lecture
 * @param {string} role
 * @param {number} now_ms since 1970
 * @returns {Facts}
 */
export function newCopy(lecture, role, now_ms) {
  return { copy: crypto.randomUUID(), lecture, role, language: "", began_ms: now_ms, points: [], whole_at_ms: null };
}

/** Writes a copy. */
export class CopyWriter {
  /**
   * @param {Store} store
   * @param {Facts} facts
   * @param {(error: unknown) => void} onTrouble a chunk could not be written; null: one could again
   */
  constructor(store, facts, onTrouble) {
    this.facts = facts;
    this.kept_ms = 0;
    this._store = store;
    this._onTrouble = onTrouble;
    this._time = new CopyTime(facts.points);
    /** @type {VoiceFrame[]} */
    this._open = [];
    this._pending = 0;
    this._isKnown = false;
  }

  /** @param {VoiceFrame} frame with the time of this machine's clock, in whole ms */
  add(frame) {
    const [first, last] = [this._open[0], this._open[this._open.length - 1]];
    if (last && frame.t_ms < last.t_ms + last.duration_ms / 2) return;
    if (first && frame.t_ms - first.t_ms >= CHUNK_MS) this.flush();
    this._open.push(frame);
  }

  /** Write what is held. */
  flush() {
    const frames = this._open;
    this._open = [];
    if (frames.length > 0) void this._write(frames);
  }

  /** @param {string} language of the voice, as the relay told; empty: not yet known */
  setLanguage(language) {
    if (language === "" || this.facts.language === language) return;
    this.facts.language = language;
    if (this._isKnown) void this._do(() => this._store.keep(this.facts));
  }

  /**
   * See {@link CopyTime.learn}.
   * @param {number} t_ms
   * @param {number} lecture_ms
   * @param {number} rtt_ms
   */
  learn(t_ms, lecture_ms, rtt_ms) {
    if (!this._time.learn(t_ms, lecture_ms, rtt_ms)) return;
    this.facts.points = this._time.points;
    if (this._isKnown) void this._do(() => this._store.keep(this.facts));
  }

  /** @param {VoiceFrame[]} frames */
  async _write(frames) {
    const chunk = { copy: this.facts.copy, t_ms: frames[0].t_ms, chunk: packChunk(frames) };
    const written = await this._do(async () => {
      // The facts come first, and only with some voice: no copy without its facts, no empty one.
      if (!this._isKnown) await this._store.keep(this.facts);
      this._isKnown = true;
      await this._store.write(chunk);
    });
    if (written) this.kept_ms += frames.reduce((sum, { duration_ms }) => sum + duration_ms, 0);
  }

  /** @param {() => Promise<void>} action */
  async _do(action) {
    if (this._pending >= MAX_PENDING) {
      this._onTrouble(new Error("the disk is too slow"));
      return false;
    }
    this._pending += 1;
    try {
      await action();
      this._onTrouble(null);
      return true;
    } catch (error) {
      this._onTrouble(error);
      return false;
    } finally {
      this._pending -= 1;
    }
  }
}

/**
 * What a copy has of a span, and a little of what lies around: by that the relay hears where it belongs.
 * @param {Store} store
 * @param {Facts} facts
 * @param {Span} span of lecture time
 * @param {{language: string, max_bytes: number, goes_on?: boolean}} options goes_on: it follows what was sent just now
 * @returns {Promise<Segment | null>} of the span or of its first part; without frames if it has nothing of it; null while nobody knows
 */
export async function readSegment(store, facts, span, { language, max_bytes, goes_on = false }) {
  if (facts.points.length === 0) return null;
  const around = { start_ms: Math.max(0, span.start_ms - MARGIN_MS), end_ms: span.end_ms + MARGIN_MS };
  const { frames, read_ms } = await readFrames(store, facts, around);
  let end_ms = Math.min(span.end_ms, Math.max(span.start_ms + 1, read_ms));
  const segment = { copy: facts.copy, language, start_ms: span.start_ms };
  if (!frames.some(({ t_ms }) => t_ms >= span.start_ms && t_ms < end_ms)) return { ...segment, end_ms, frames: [] };
  const lead = goes_on ? [] : frames.filter(({ t_ms }) => t_ms < span.start_ms).reverse();
  const before = lead.slice(0, countThatFit(lead, max_bytes / 2)).reverse();
  const rest = frames.filter(({ t_ms }) => t_ms >= span.start_ms);
  const inside = rest.filter(({ t_ms }) => t_ms < end_ms).length;
  const needed = rest.filter(({ t_ms }) => t_ms < end_ms + BEHIND_MS).length;
  let count = countThatFit(rest, max_bytes - sizeOf(before));
  if (count < needed && inside > 1) {
    // The other half has room for what lies behind.
    count = Math.min(count, Math.ceil(inside / 2));
    const { t_ms, duration_ms } = rest[count - 1];
    end_ms = Math.min(end_ms, t_ms + duration_ms);
  }
  return { ...segment, end_ms, frames: [...before, ...rest.slice(0, count)] };
}

/**
 * @param {Store} store
 * @param {Facts} facts
 * @param {Span} span of lecture time
 * @returns {Promise<{frames: VoiceFrame[], read_ms: number}>} frames with lecture time; up to when the span was read
 */
async function readFrames(store, facts, span) {
  const time = new CopyTime(facts.points);
  /** @type {VoiceFrame[]} */
  const frames = [];
  for (const own of time.ownSpans(span)) {
    // A frame of the span may be in a chunk that begins before it.
    const chunks = await store.read(facts.copy, { start_ms: own.start_ms - CHUNK_MS - 120, end_ms: own.end_ms }, READ_CHUNKS);
    for (const frame of chunks.flatMap(({ chunk }) => parseChunk(chunk))) {
      const t_ms = time.lectureTime(frame.t_ms);
      const last = frames[frames.length - 1];
      if (t_ms === null || t_ms < span.start_ms || t_ms >= span.end_ms) continue;
      if (frame.t_ms < own.start_ms || frame.t_ms >= own.end_ms) continue;
      if (!last || t_ms >= last.t_ms + last.duration_ms / 2) frames.push({ ...frame, t_ms });
    }
    if (chunks.length === READ_CHUNKS) return { frames, read_ms: time.lectureTime(chunks[chunks.length - 1].t_ms) ?? 0 };
  }
  return { frames, read_ms: span.end_ms };
}

/**
 * Give copies that never reached the relay the difference that is known now: this machine's clock has gone on since.
 * @param {Store} store
 * @param {string} lecture
 * @param {import("./copy-time.js").Point} point
 * @param {string} [except] a copy that is being written: it learns by itself
 */
export async function placeCopies(store, lecture, point, except) {
  for (const facts of await store.copies(lecture)) {
    if (facts.points.length === 0 && facts.copy !== except) await store.keep({ ...facts, points: [point] });
  }
}

/**
 * Remove copies of lectures whose recording has been whole for some days, and what nobody came back for.
 * @param {Store} store
 * @param {number} now_ms since 1970
 * @param {{whole_days?: number, days?: number}} [options]
 */
export async function removeOld(store, now_ms, { whole_days = 3, days = 90 } = {}) {
  const day_ms = 24 * 3600 * 1000;
  for (const { copy, whole_at_ms, began_ms } of await store.copies()) {
    const isWhole = whole_at_ms !== null && now_ms - whole_at_ms > whole_days * day_ms;
    if (isWhole || now_ms - began_ms > days * day_ms) await store.remove(copy);
  }
}
