/**
 * Replay: pages' images, each fetched once, and nothing but the page of the moment while the voice needs the line.
 */

import { AHEAD_BUSY_MS, AHEAD_MS } from "../lib/replay-plan.js";
import { sleep } from "../lib/sleep.js";

const AGAIN_MS = 2000;
/** Sharp images are large; so many stay in memory. */
const SHARP_KEPT = 12;

/** @typedef {Map<string, Promise<string | null>>} Urls addresses for an <img> by name; null where it does not come */

export class ReplayImages {
  /**
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   * @param {Urls} begun what was asked for before this was here
   */
  constructor(source, player, begun) {
    this._source = source;
    this._player = player;
    /** @type {Urls} */
    this._urls = new Map(begun);
    for (const [name, url] of begun) void url.then((address) => address || this._urls.delete(name));
    /** @type {string[]} sharp ones that are here, the oldest first */
    this._sharp = [];
    /** What waits for room goes one after the other: what belongs to the page first, then thumbnails. */
    this._queues = { page: Promise.resolve(), thumbnail: Promise.resolve() };
    this._pagesWaiting = 0;
    this._running = 0;
  }

  /**
   * The image of the page that is shown: as soon as the voice is safe, and again and again until it comes.
   * @param {string} name
   * @param {() => boolean} isWanted asked when its turn has come
   * @returns {Promise<string | null>} null if it is no longer wanted, or not to be had
   */
  async now(name, isWanted) {
    if (!this._urls.has(name)) await this._player.safe();
    while (isWanted()) {
      const url = await this._get(name);
      if (url || this._urls.has(name)) return url;
      await sleep(AGAIN_MS);
    }
    return null;
  }

  /** @param {string} name */
  _get(name) {
    let url = this._urls.get(name);
    if (!url) {
      this._busy(1);
      url = this._source
        .image(name, new AbortController().signal)
        .catch((/** @type {import("../lib/replay-source.js").SourceError} */ { gone }) => {
          if (!gone) this._urls.delete(name);
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
    if (this._urls.has(name)) return this._get(name);
    if (queue === "page") this._pagesWaiting += 1;
    const turn = this._queues[queue].then(async () => {
      try {
        while (isWanted() && !(this._player.hasRoom && (queue === "page" || this._pagesWaiting === 0))) {
          await Promise.race([this._player.room(), sleep(AGAIN_MS)]);
          if (queue === "thumbnail" && this._pagesWaiting) await this._queues.page;
        }
        if (!isWanted()) return null;
        const url = await this._get(name);
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
