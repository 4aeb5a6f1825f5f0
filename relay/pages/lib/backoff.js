/**
 * Waiting times between attempts: doubling up to a ceiling, with jitter so that the halls of a relay
 * that was restarted do not all return in the same instant.
 */
export class Backoff {
  /**
   * @param {{first_ms?: number, ceiling_ms?: number, random?: () => number}} [options]
   */
  constructor({ first_ms = 500, ceiling_ms = 8000, random = Math.random } = {}) {
    this.first_ms = first_ms;
    this.ceiling_ms = ceiling_ms;
    this.random = random;
    this.attempts = 0;
  }

  /** @returns {number} how long to wait before the next attempt, in ms (0.75 to 1.25 of the nominal time) */
  next_ms() {
    const nominal_ms = Math.min(this.ceiling_ms, this.first_ms * 2 ** this.attempts);
    this.attempts += 1;
    return nominal_ms * (0.75 + this.random() / 2);
  }

  reset() {
    this.attempts = 0;
  }
}
