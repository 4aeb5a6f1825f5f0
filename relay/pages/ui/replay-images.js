/**
 * Replay: pages' images, each fetched once, and nothing but the page of the moment while the voice needs the line.
 */

import { AHEAD_BUSY_MS, AHEAD_MS } from "../lib/replay-plan.js";

const AGAIN_MS = 2000;
/** Sharp images are large; so many stay in memory. */
const SHARP_KEPT = 12;

export class ReplayImages {
  /**
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   */
  constructor(source, player) {
    this._source = source;
    this._player = player;
    /** @type {Map<string, Promise<string | null>>} addresses by name; null where it does not come */
    this._urls = new Map();
    /** @type {string[]} sharp ones that are here, the oldest first */
    this._sharp = [];
    /** What waits for room goes one after the other: what belongs to the page first, then thumbnails. */
    this._queues = { page: Promise.resolve(), thumbnail: Promise.resolve() };
    this._pagesWaiting = 0;
    this._running = 0;
  }

  /**
   * The image, at once.
   * @param {string} name
   * @param {AbortSignal} [signal]
   */
  get(name, signal = new AbortController().signal) {
    let url = this._urls.get(name);
    if (!url) {
      this._busy(1);
      url = this._source
        .image(name, signal)
        .catch(() => {
          this._urls.delete(name);
          return null;
        })
        .finally(() => this._busy(-1));
      this._urls.set(name, url);
    }
    return url;
  }

  /** @param {1 | -1} step one image more or less is on its way */
  _busy(step) {
    this._running += step;
    this._player.wanted_ms = this._running ? AHEAD_BUSY_MS : AHEAD_MS;
  }

  /**
   * The image when the line has room for it.
   * @param {string} name
   * @param {{isWanted: () => boolean, queue?: "page" | "thumbnail", sharp?: boolean}} options isWanted: asked when its
   *   turn has come
   * @returns {Promise<string | null>} null if it is no longer wanted or does not come
   */
  later(name, { isWanted, queue = "page", sharp = false }) {
    if (this._urls.has(name)) return this.get(name);
    if (queue === "page") this._pagesWaiting += 1;
    const turn = this._queues[queue].then(async () => {
      try {
        while (isWanted() && !(this._player.hasRoom && (queue === "page" || this._pagesWaiting === 0))) {
          await Promise.race([this._player.room(), sleep(AGAIN_MS)]);
          if (queue === "thumbnail" && this._pagesWaiting) await this._queues.page;
        }
        if (!isWanted()) return null;
        const url = await this.get(name);
        if (sharp && url) this._remember(name);
        return url;
      } finally {
        if (queue === "page") this._pagesWaiting -= 1;
      }
    });
    this._queues[queue] = turn.then(() => {}, () => {});
    return turn;
  }

  /** @param {string} name */
  _remember(name) {
    this._sharp.push(name);
    if (this._sharp.length <= SHARP_KEPT) return;
    const oldest = /** @type {string} */ (this._sharp.shift());
    const url = this._urls.get(oldest);
    this._urls.delete(oldest);
    void url?.then((address) => address?.startsWith("blob:") && URL.revokeObjectURL(address));
  }
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
