/**
 * How fast a copy may be sent beside live voice, which must never suffer: faster while the voice's feedback is as
 * usual, half as fast when it is not. All `now_ms` are one local monotonic clock.
 */

const LEAST_KBPS = 16;
const MOST_KBPS = 1000;
const GROWTH = 1.5;
/** A round trip longer than the shortest by this share and this time has a queue in it. */
const GROWN_SHARE = 0.25;
const GROWN_MS = 40;
/** More loss than usual by this much is ours. */
const LOSS_MORE = 0.04;
/** After trouble nothing is begun for so long. */
const QUIET_MS = 3000;
const REMEMBERED = 30;

export class SpareRate {
  constructor() {
    this.kbps = LEAST_KBPS;
    /** @type {number[]} */
    this._rtts = [];
    /** @type {number[]} */
    this._losses = [];
    this._trouble_ms = -Infinity;
  }

  /**
   * @param {number} now_ms
   * @param {{rtt_ms: number | null, fraction_lost: number} | null} feedback of the voice; null: there is no line
   */
  observe(now_ms, feedback) {
    if (!feedback) {
      // The line that comes back may be another.
      this._rtts = [];
      this._trouble(now_ms);
      return;
    }
    const { rtt_ms, fraction_lost } = feedback;
    this._losses = [...this._losses.slice(1 - REMEMBERED), fraction_lost];
    if (rtt_ms !== null) this._rtts = [...this._rtts.slice(1 - REMEMBERED), rtt_ms];
    const grown = rtt_ms !== null && rtt_ms > Math.min(...this._rtts) * (1 + GROWN_SHARE) + GROWN_MS;
    if (grown || fraction_lost > Math.min(...this._losses) + LOSS_MORE) this._trouble(now_ms);
    else this.kbps = Math.min(MOST_KBPS, this.kbps * GROWTH);
  }

  /** @param {number} now_ms */
  mayBegin(now_ms) {
    return now_ms - this._trouble_ms >= QUIET_MS;
  }

  /** @param {number} now_ms */
  _trouble(now_ms) {
    this._trouble_ms = now_ms;
    this.kbps = Math.max(LEAST_KBPS, this.kbps / 2);
  }
}
