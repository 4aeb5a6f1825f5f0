/**
 * Which piece of the voice a replay fetches next, and in which rung.
 */

/** @typedef {[start_ms: number, end_ms: number]} Range */

/** So much is fetched ahead of what is heard. */
export const AHEAD_MS = 120_000;
/** So much while something else needs the line. */
export const AHEAD_BUSY_MS = 20_000;
/** What was heard longer ago than this leaves the player's memory. */
export const BEHIND_MS = 120_000;
/** Below this much ahead the voice has the line for itself, on any line: not even the page of the moment is asked for. */
const SAFE_MS = 3_000;
/** From this much ahead on the line may carry what is not shown at this moment. */
export const ROOM_MS = 12_000;
/** Below this much ahead the light voice comes, whatever the line: first of all it must not stop. */
const LIGHT_MS = 6_000;
/** A line that carries so much has room for the full voice (25 kbit/s) beside pages. */
const FULL_KBPS = 96;
/** Ends of ranges are frames' ends, which may lie a frame off a segment's bound. */
const FRAME_MS = 60;

/**
 * @param {Range[]} buffered
 * @param {number} t_ms
 * @returns {number} up to where the voice can be heard from here on; `t_ms` where nothing is there
 */
export function bufferedUntil(buffered, t_ms) {
  let until = t_ms;
  for (const [start, end] of buffered) if (start <= until + FRAME_MS && end > until) until = end;
  return until;
}

/**
 * @param {{position_ms: number, buffered: Range[], duration_ms: number, segment_ms: number, ahead_ms?: number}} state
 * @returns {number | null} the number of the segment to fetch; null while none is needed
 */
export function nextSegment({ position_ms, buffered, duration_ms, segment_ms, ahead_ms = AHEAD_MS }) {
  const until = bufferedUntil(buffered, position_ms);
  if (until >= Math.min(position_ms + ahead_ms, duration_ms - FRAME_MS)) return null;
  return Math.floor((until > position_ms ? until + FRAME_MS : until) / segment_ms);
}

/**
 * How much must lie ahead before the page of the moment is asked for: its image may stand in the way of the voice's next
 * piece for as long as two pieces take.
 * @param {number} took_ms how long the last piece took, from asking to its last byte
 */
export function safeMs(took_ms) {
  return Math.min(ROOM_MS, Math.max(SAFE_MS, 2 * took_ms));
}

/**
 * @param {number} ahead_ms what is buffered
 * @param {number} kbps what the line carried last, 0 if unknown
 * @returns {import("./replay-source.js").Rung}
 */
export function rungFor(ahead_ms, kbps) {
  return ahead_ms >= LIGHT_MS && kbps >= FULL_KBPS ? "full" : "light";
}

/** What a line carries, from the pieces that came over it. */
export class RateMeter {
  constructor() {
    /** Smoothed, in kbit/s; 0 while unknown. */
    this.kbps = 0;
  }

  /**
   * @param {number} bytes
   * @param {number} took_ms from the first byte to the last
   */
  add(bytes, took_ms) {
    const kbps = (bytes * 8) / Math.max(1, took_ms);
    this.kbps = this.kbps ? (this.kbps + kbps) / 2 : kbps;
  }
}
