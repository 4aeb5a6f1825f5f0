/**
 * Replay: the page of the moment. The legible image first, the sharp one when it has come; the next page in advance.
 */

import { element, say } from "./dom.js";
import { number, text } from "./texts.js";

/** @typedef {import("../lib/replay.js").ReplayPage} ReplayPageData */

export class ReplayPage {
  constructor() {
    this._image = element("page", HTMLImageElement);
    /** @type {ReplayPageData | null} */
    this._page = null;
    this._shown = 0;
    /** @type {Map<string, Promise<boolean>>} images being loaded or in the browser's cache, by address */
    this._loaded = new Map();
  }

  /**
   * @param {ReplayPageData | null} page
   * @param {ReplayPageData | null} next
   */
  show(page, next) {
    if (page === this._page) return;
    this._page = page;
    this._shown = 0;
    if (!page) {
      this._image.hidden = true;
      element("no-page").hidden = false;
      say(element("no-page-title"), text("replay_no_page"));
      return;
    }
    void this._load(page, next);
  }

  /**
   * @param {ReplayPageData} page
   * @param {ReplayPageData | null} next
   */
  async _load(page, next) {
    for (const { tier, url } of [...page.tiers].sort((a, b) => a.tier - b.tier)) {
      const here = await this._fetch(url);
      // Whoever jumps through the lecture on a thin line shall not wait for pages that are no longer wanted.
      if (this._page !== page) return;
      if (here && tier > this._shown) this._put(page, tier, url);
    }
    const [first] = [...(next?.tiers ?? [])].sort((a, b) => a.tier - b.tier);
    if (first) await this._fetch(first.url);
  }

  /**
   * @param {ReplayPageData} page
   * @param {number} tier
   * @param {string} url
   */
  _put(page, tier, url) {
    this._shown = tier;
    this._image.src = url;
    this._image.dataset.tier = String(tier);
    this._image.alt = page.title || text("page_number", { page: number(page.page) });
    this._image.hidden = false;
    element("no-page").hidden = true;
    say(element("page-announcement"), `${text("page_number", { page: number(page.page) })} ${page.title}`);
  }

  /** @param {string} url */
  _fetch(url) {
    let loaded = this._loaded.get(url);
    if (!loaded) {
      const image = new Image();
      image.src = url;
      loaded = image.decode().then(
        () => true,
        () => {
          this._loaded.delete(url);
          return false;
        },
      );
      this._loaded.set(url, loaded);
    }
    return loaded;
  }
}
