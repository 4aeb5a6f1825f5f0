/**
 * The page on the projector: an image that stays until the next one can be shown whole.
 */

import { element, say } from "./dom.js";

export class PageScreen {
  constructor() {
    this._image = element("page", HTMLImageElement);
    this._digest = "";
    this._turn = "";
    this.showing = false;
    /** @type {{deck: string, page: number} | null} the page that is seen */
    this.seen = null;
  }

  /**
   * @param {{deck: string, page: number}} turn the page that should be seen now
   * @returns {boolean} whether that is another page than before
   */
  turn({ deck, page }) {
    const turn = `${deck}/${page}`;
    if (turn === this._turn) return false;
    this._turn = turn;
    return true;
  }

  /**
   * @param {string} digest
   * @param {{mediaType: string, data: Uint8Array<ArrayBuffer>}} blob
   * @param {string} title
   * @param {{deck: string, page: number}} page
   */
  show(digest, blob, title, page) {
    if (digest === this._digest) return;
    this._digest = digest;
    const url = URL.createObjectURL(new Blob([blob.data], { type: blob.mediaType }));
    const next = new Image();
    next.src = url;
    // Decoded before it replaces the former page: no flash of black between the two.
    next.decode().then(
      () => this._put(digest, url, title, page),
      () => URL.revokeObjectURL(url),
    );
  }

  /**
   * @param {string} digest
   * @param {string} url
   * @param {string} title
   * @param {{deck: string, page: number}} page
   */
  _put(digest, url, title, page) {
    if (digest !== this._digest) {
      URL.revokeObjectURL(url);
      return;
    }
    const former = this._image.src;
    this._image.src = url;
    this._image.alt = title;
    this._image.dataset.digest = digest;
    this._image.hidden = false;
    this.showing = true;
    this.seen = page;
    if (former.startsWith("blob:")) URL.revokeObjectURL(former);
    say(element("page-announcement"), title);
  }
}
