/**
 * Lecture time at the relay, and the lecture time being heard here. All `now_ms` are one local monotonic clock.
 */

/** RTP timestamps of voice are lecture time in the codec's clock rate, modulo 2^32. */
const RTP_WRAP = 2 ** 32;
const VOICE_TICKS_PER_MS = 48;

/** Without news of the playout for so long, voice has paused and the clock alone leads. */
const HEARD_FRESH_MS = 2000;

export class LectureClock {
  /** @param {{playout_delay_ms?: number}} [options] how far behind the relay the playout is presumed while nothing is heard */
  constructor({ playout_delay_ms = 0 } = {}) {
    this.playout_delay_ms = playout_delay_ms;
    /** @type {{t_ms: number, at_ms: number} | null} */
    this._relay = null;
    /** @type {{t_ms: number, at_ms: number, ticks: number} | null} */
    this._heard = null;
    this._position_ms = 0;
    this._running = false;
  }

  /**
   * Lecture time goes on (the lecture is live) or stands still.
   * @param {boolean} running
   * @param {number} now_ms
   */
  run(running, now_ms) {
    if (running === this._running) return;
    if (this._relay) this._relay = { t_ms: this.relayTime(now_ms), at_ms: now_ms };
    this._running = running;
  }

  /**
   * The relay said what time it is. Messages that were delayed on the way say too early a time: the latest
   * time ever told rules, unless it differs by more than a jump of the lecture's clock explains.
   * @param {number} t_ms
   * @param {number} now_ms
   */
  told(t_ms, now_ms) {
    const expected_ms = this.relayTime(now_ms);
    if (this._relay && this._running && Math.abs(t_ms - expected_ms) < 3000 && t_ms < expected_ms) return;
    this._relay = { t_ms, at_ms: now_ms };
  }

  /**
   * The RTP timestamp of the voice that is now leaving the speaker.
   * @param {number} ticks
   * @param {number} now_ms
   */
  heard(ticks, now_ms) {
    if (!this._relay || ticks === this._heard?.ticks) return;
    const expected_ticks = this.relayTime(now_ms) * VOICE_TICKS_PER_MS;
    const wraps = Math.round((expected_ticks - ticks) / RTP_WRAP);
    this._heard = { t_ms: (ticks + wraps * RTP_WRAP) / VOICE_TICKS_PER_MS, at_ms: now_ms, ticks };
  }

  /** Playout begins anew (another connection): it may be anywhere. */
  forgetHeard() {
    this._heard = null;
  }

  /** @param {number} now_ms */
  isHearing(now_ms) {
    return this._heard !== null && now_ms - this._heard.at_ms < HEARD_FRESH_MS;
  }

  /**
   * @param {number} now_ms
   * @returns {number} lecture time at the relay, as well as it is known here
   */
  relayTime(now_ms) {
    if (!this._relay) return 0;
    return this._relay.t_ms + (this._running ? now_ms - this._relay.at_ms : 0);
  }

  /**
   * @param {number} now_ms
   * @returns {number} lecture time that people here hear; never runs backwards but with the relay's own clock
   */
  position(now_ms) {
    const relay_ms = this.relayTime(now_ms);
    const heard = this._heard;
    const estimate_ms =
      heard && this.isHearing(now_ms) ? heard.t_ms + now_ms - heard.at_ms : relay_ms - this.playout_delay_ms;
    this._position_ms = Math.min(relay_ms, Math.max(this._position_ms, estimate_ms, 0));
    return this._position_ms;
  }
}
