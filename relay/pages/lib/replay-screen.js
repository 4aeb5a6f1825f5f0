/**
 * Follows a recorded shared screen: fetches its updates piece by piece and applies those up to a moment.
 */

import { SCREEN_SEGMENT_MS } from "./replay-source.js";
import { ScreenCanvas, ScreenError, parseUpdate, takes } from "./screen.js";

/** @typedef {{t_ms: number, update: import("./screen.js").ScreenUpdate}} Step */

export class ScreenFollower {
  /**
   * @param {import("./replay-source.js").Replay["screen"]} shared
   * @param {Pick<import("./replay-source.js").ReplaySource, "screen">} source
   * @param {import("./screen.js").Decode} decode
   */
  constructor(shared, source, decode) {
    this._shared = shared;
    this._source = source;
    this._decode = decode;
    this.picture = new ScreenCanvas(decode);
    /** Up to here all updates are in the picture. */
    this._at_ms = -1;
    this._segment = NaN;
    /** @type {Step[]} of the segment, still to come */
    this._steps = [];
  }

  /** @param {number} t_ms */
  isShared(t_ms) {
    return this._shared.some(([start_ms, end_ms]) => start_ms <= t_ms && t_ms < end_ms);
  }

  /**
   * Bring the picture to a moment; one call at a time.
   * @param {number} t_ms
   * @returns {Promise<import("./screen.js").Box | null>} what has changed of it
   */
  async goTo(t_ms) {
    const wanted = Math.floor(t_ms / SCREEN_SEGMENT_MS);
    const goesOn = t_ms >= this._at_ms && (wanted === this._segment || wanted === this._segment + 1);
    /** @type {import("./screen.js").Box | null} */
    let changed = null;
    if (!goesOn) {
      const steps = stepsOf(await this._source.screen(wanted, true));
      this.picture = new ScreenCanvas(this._decode);
      [this._segment, this._steps] = [wanted, steps];
    } else if (wanted !== this._segment) {
      const steps = stepsOf(await this._source.screen(wanted, false));
      [this._segment, this._steps] = [wanted, [...this._steps, ...steps]];
    }
    while (this._steps.length && this._steps[0].t_ms <= t_ms) {
      const { update } = /** @type {Step} */ (this._steps.shift());
      if (!takes(this.picture.position, update)) continue;
      try {
        changed = union(changed, await this.picture.apply(update));
      } catch (error) {
        if (!(error instanceof ScreenError)) throw error;
      }
    }
    this._at_ms = t_ms;
    return changed;
  }
}

/**
 * @param {Uint8Array} data each update after its lecture time (8 bytes) and length (4 bytes)
 * @returns {Step[]}
 */
export function stepsOf(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const steps = [];
  for (let at = 0; at + 12 <= data.length; ) {
    const [t_ms, length] = [Number(view.getBigUint64(at)), view.getUint32(at + 8)];
    const update = parseUpdate(data.slice(at + 12, at + 12 + length));
    if (update) steps.push({ t_ms, update });
    at += 12 + length;
  }
  return steps;
}

/**
 * @param {import("./screen.js").Box | null} one
 * @param {import("./screen.js").Box} other
 */
function union(one, other) {
  if (!one) return other;
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}
