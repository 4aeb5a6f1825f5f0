/**
 * What lecture time the times of a copy are. A copy counts with this machine's clock, whatever the line does, and
 * learns now and then how far lecture time is from it; between two such points the difference goes over evenly.
 */

/** A difference that changed so much is no drift: the relay's clock began anew, and rules from there on. */
const JUMP_MS = 500;
const LEAST_CHANGE_MS = 10;
/** Beyond it every second point is dropped: drift needs few. */
const MAX_POINTS = 500;
/** A point that was asked for over a line slower by this is worse. */
const WORSE_RTT_MS = 20;
const FORGET_WORSE_MS = 60_000;
/** News of a round trip so much longer than the shortest lately are late. */
const LATE_MS = 40;
const REMEMBERED = 24;

/**
 * @typedef {import("./segment.js").Span} Span
 * @typedef {{t_ms: number, offset_ms: number, rtt_ms: number}} Point offset_ms: lecture time minus the copy's
 */

export class CopyTime {
  /** @param {Point[]} [points] in order of time */
  constructor(points = []) {
    this.points = [...points];
    /** @type {number[]} of the newest pings */
    this._rtts = [];
  }

  /**
   * @param {number} t_ms of the copy, when a ping was sent
   * @param {number} lecture_ms lecture time when it came to the relay, as the voice of that moment does
   * @param {number} rtt_ms how long the answer took
   * @returns {boolean} whether that is news
   */
  learn(t_ms, lecture_ms, rtt_ms) {
    this._rtts = [...this._rtts.slice(1 - REMEMBERED), rtt_ms];
    const point = { t_ms, offset_ms: Math.round(lecture_ms - t_ms), rtt_ms };
    const last = this.points.at(-1);
    if (last && t_ms <= last.t_ms) return false;
    // Either ping may have been on its way for all of its round trip: one that an outage held back is no jump.
    const doubt_ms = last === undefined ? 0 : Math.max(rtt_ms, last.rtt_ms);
    const jumped = last !== undefined && Math.abs(point.offset_ms - last.offset_ms) > JUMP_MS + doubt_ms;
    if (last && !jumped) {
      if (rtt_ms > Math.min(...this._rtts) + LATE_MS) return false;
      while (this.points.length > 0 && this._isWorse(this.points[this.points.length - 1], point)) this.points.pop();
      const kept = this.points.at(-1);
      if (kept && Math.abs(point.offset_ms - kept.offset_ms) < LEAST_CHANGE_MS) return false;
    }
    this.points.push(point);
    if (this.points.length > MAX_POINTS) this.points = this.points.filter((_, at) => at % 2 === 0);
    return true;
  }

  /**
   * @param {number} t_ms of the copy
   * @returns {number | null} lecture time; null where it is not known, or before the lecture
   */
  lectureTime(t_ms) {
    const { points } = this;
    if (points.length === 0) return null;
    const after = points.findIndex((point) => point.t_ms > t_ms);
    let { offset_ms } = after < 0 ? points[points.length - 1] : points[Math.max(0, after - 1)];
    if (after > 0) {
      const [from, to] = [points[after - 1], points[after]];
      const change_ms = to.offset_ms - from.offset_ms;
      if (Math.abs(change_ms) <= JUMP_MS) offset_ms += (change_ms * (t_ms - from.t_ms)) / (to.t_ms - from.t_ms);
    }
    const lecture_ms = Math.round(t_ms + offset_ms);
    return lecture_ms < 0 ? null : lecture_ms;
  }

  /**
   * @param {Span} span of lecture time
   * @returns {Span[]} stretches of the copy where it may lie, in order of lecture time
   */
  ownSpans({ start_ms, end_ms }) {
    const found = this._pieces().map(({ from_ms, to_ms, offsets }) => ({
      start_ms: Math.max(from_ms, start_ms - Math.max(...offsets)),
      end_ms: Math.min(to_ms, end_ms - Math.min(...offsets)),
      lecture_ms: Math.max(from_ms, start_ms - Math.max(...offsets)) + offsets[0],
    }));
    return found.filter((own) => own.start_ms < own.end_ms).sort((one, other) => one.lecture_ms - other.lecture_ms);
  }

  /** Stretches between the jumps, with all differences in each. */
  _pieces() {
    /** @type {{from_ms: number, to_ms: number, offsets: number[]}[]} */
    const pieces = [];
    for (const { t_ms, offset_ms } of this.points) {
      const piece = pieces.at(-1);
      if (piece && Math.abs(offset_ms - piece.offsets[piece.offsets.length - 1]) <= JUMP_MS) {
        piece.offsets.push(offset_ms);
        continue;
      }
      if (piece) piece.to_ms = t_ms;
      pieces.push({ from_ms: piece ? t_ms : 0, to_ms: Number.MAX_SAFE_INTEGER, offsets: [offset_ms] });
    }
    return pieces;
  }

  /**
   * @param {Point} former
   * @param {Point} point
   */
  _isWorse(former, point) {
    return former.rtt_ms > point.rtt_ms + WORSE_RTT_MS && point.t_ms - former.t_ms < FORGET_WORSE_MS;
  }
}
