/**
 * Replay: the page of the moment and what is drawn on it. The legible image first, the sharp one when there is room.
 */

import { ReplayInk } from "../lib/replay-ink.js";
import { sleep } from "../lib/sleep.js";
import { element, say } from "./dom.js";
import { InkCanvas } from "./ink-canvas.js";
import { number, text } from "./texts.js";

const AGAIN_MS = 2000;

export class ReplayPage {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-images.js").ReplayImages} images
   * @param {import("./replay-voice.js").VoicePlayer} player
   */
  constructor({ pages }, source, images, player) {
    this._pages = pages;
    this._source = source;
    this._images = images;
    this._player = player;
    this._image = element("page", HTMLImageElement);
    this._canvas = new InkCanvas();
    /** @type {number | null | undefined} */
    this._shown = undefined;
    /** @type {Map<number, ReplayInk | null>} null while it is fetched */
    this._ink = new Map();
    this._drawn = "";
    this._t_ms = 0;
  }

  /**
   * @param {number | null} page
   * @param {number | null} next
   * @param {number} t_ms
   */
  show(page, next, t_ms) {
    this._t_ms = t_ms;
    if (page !== this._shown) {
      this._shown = page;
      void this._load(page, next);
    }
    this._draw();
  }

  /**
   * @param {number | null} page
   * @param {number | null} next
   */
  async _load(page, next) {
    const isShown = () => this._shown === page;
    const [legible, sharp] = page === null ? [] : firstAndLast(this._pages[page].images);
    if (page === null || !legible) {
      this._image.hidden = true;
      element("no-page").hidden = false;
      say(element("no-page-title"), text("replay_no_page"));
    } else {
      this._announce(this._pages[page]);
      this._put(page, await this._images.now(legible, isShown), 1);
    }
    if (page !== null) void this._loadInk(page, isShown);
    const [legibleNext] = next === null ? [] : firstAndLast(this._pages[next].images);
    if (legibleNext) void this._images.later(legibleNext, { isWanted: isShown });
    if (page !== null && sharp) this._put(page, await this._images.later(sharp, { isWanted: isShown, sharp: true }), 2);
  }

  /**
   * @param {number} page
   * @param {string | null} url
   * @param {number} tier
   */
  _put(page, url, tier) {
    if (this._shown !== page || !url) return;
    this._image.src = url;
    this._image.dataset.tier = String(tier);
    this._image.hidden = false;
    element("no-page").hidden = true;
  }

  /** @param {import("../lib/replay-source.js").ReplayPage} page */
  _announce({ page, title }) {
    const words = text("page_number", { page: number(page) });
    this._image.alt = title || words;
    say(element("page-announcement"), `${words} ${title}`);
  }

  _draw() {
    const drawing = this._ink.get(this._shown ?? -1)?.at(this._t_ms) ?? { strokes: [], pointer: null };
    const key = JSON.stringify([this._shown, drawing.pointer, drawing.strokes.map(({ stroke, points }) => [stroke, points.length])]);
    if (key === this._drawn) return;
    this._drawn = key;
    this._canvas.show(drawing);
  }

  /**
   * @param {number} page
   * @param {() => boolean} isShown
   */
  async _loadInk(page, isShown) {
    if (!this._pages[page].drawn || this._ink.has(page)) return;
    for (this._ink.set(page, null); ; await sleep(AGAIN_MS)) {
      await this._player.safe();
      if (!isShown()) break;
      try {
        this._ink.set(page, new ReplayInk(await this._source.drawing(page)));
        this._draw();
        return;
      } catch (error) {
        if (/** @type {import("../lib/replay-source.js").SourceError} */ (error).gone) return;
      }
    }
    this._ink.delete(page);
  }
}

/**
 * @param {string[]} images
 * @returns {[string | undefined, string | undefined]} the legible one and, where there is another, the sharp one
 */
function firstAndLast(images) {
  return [images[0], images.length > 1 ? images.at(-1) : undefined];
}
