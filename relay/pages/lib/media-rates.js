/**
 * What a hall reports of its media connection, from the running totals of getStats.
 */

/**
 * @typedef {{
 *   fraction_lost: number, rtt_ms: number, received_kbps: number, playout_delay_ms: number, voice_heard_ms: number
 * }} MediaStats
 *   received_kbps: over the media connection alone; voice_heard_ms: voice played since the page was opened, concealment not counted
 */

/** Turns the running totals of getStats into rates since the last look. */
export class MediaRates {
  constructor() {
    this._earlier_heard_ms = 0;
    this._heard_ms = 0;
    /** @type {Map<string, number>} */
    this._last = new Map();
  }

  newConnection() {
    this._earlier_heard_ms += this._heard_ms;
    this._heard_ms = 0;
    this._last.clear();
  }

  /**
   * @param {Map<string, any> | RTCStatsReport} report
   * @returns {MediaStats}
   */
  update(report) {
    const stats = { fraction_lost: 0, rtt_ms: 0, received_kbps: 0, playout_delay_ms: 0, voice_heard_ms: 0 };
    for (const one of report.values()) {
      if (one.type === "candidate-pair" && one.nominated) {
        const elapsed_ms = this._since("time", one.timestamp);
        stats.rtt_ms = Math.round((one.currentRoundTripTime ?? 0) * 1000);
        const bits = this._since("bytes", one.bytesReceived ?? 0) * 8;
        if (elapsed_ms > 0) stats.received_kbps = bits / elapsed_ms;
      } else if (one.type === "inbound-rtp" && one.kind === "audio") {
        const lost = this._since("lost", one.packetsLost ?? 0);
        const received = this._since("packets", one.packetsReceived ?? 0);
        if (lost > 0) stats.fraction_lost = lost / (lost + received);
        const emitted = this._since("emitted", one.jitterBufferEmittedCount ?? 0);
        const delay_s = this._since("delay", one.jitterBufferDelay ?? 0);
        if (emitted > 0) stats.playout_delay_ms = Math.round((delay_s / emitted) * 1000);
        this._heard_ms = Math.max(0, Math.round(((one.totalSamplesReceived ?? 0) - (one.concealedSamples ?? 0)) / 48));
      }
    }
    stats.voice_heard_ms = this._earlier_heard_ms + this._heard_ms;
    return stats;
  }

  /**
   * @param {string} name
   * @param {number} total
   * @returns {number} growth since the last look, 0 at the first (packets that come late take lost ones back)
   */
  _since(name, total) {
    const before = this._last.get(name) ?? total;
    this._last.set(name, total);
    return Math.max(0, total - before);
  }
}
