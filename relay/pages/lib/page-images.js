/**
 * Pages' images from the relay for a lecturer, who reads them with a token (an <img> cannot send one).
 */

/** Two at a time: the pages of the whole deck must not stand in the way of the one that is needed now. */
const PARALLEL = 2;

export class PageImages {
  /**
   * @param {string} lecture
   * @param {string} token
   */
  constructor(lecture, token) {
    this._lecture = lecture;
    this._token = token;
    /** @type {Map<string, Promise<string | null>>} object URLs by digest */
    this._urls = new Map();
    this._running = 0;
    /** @type {(() => void)[]} bounded by the deck's pages: a digest is fetched once */
    this._queue = [];
  }

  /**
   * @param {string} digest
   * @param {{urgent?: boolean}} [options] urgent: before all that wait
   * @returns {Promise<string | null>} an object URL; null when the relay does not give it now (ask again later)
   */
  get(digest, { urgent = false } = {}) {
    let url = this._urls.get(digest);
    if (!url) {
      url = this._turn(urgent).then(() => this._fetch(digest));
      this._urls.set(digest, url);
    }
    return url;
  }

  /** @param {boolean} urgent */
  async _turn(urgent) {
    if (this._running >= PARALLEL) {
      await new Promise((resolve) => {
        if (urgent) this._queue.unshift(() => resolve(null));
        else this._queue.push(() => resolve(null));
      });
    }
    this._running += 1;
  }

  /** @param {string} digest */
  async _fetch(digest) {
    try {
      const response = await fetch(`/library/${encodeURIComponent(this._lecture)}/blob/${digest}`, {
        headers: { Authorization: `Bearer ${this._token}` },
      });
      if (response.ok) return URL.createObjectURL(await response.blob());
    } catch {
      // The line is down; whoever needs the page asks again.
    } finally {
      this._running -= 1;
      this._queue.shift()?.();
    }
    this._urls.delete(digest);
    return null;
  }
}
