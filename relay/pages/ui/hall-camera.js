/**
 * Hall page: the camera, where it hides no word of what the projector shows.
 */

import { placeInset } from "../lib/inset.js";
import { element } from "./dom.js";

/** At most, of the stage's width and height. */
const [WIDTH, HEIGHT] = [0.2, 0.28];
/** Of the stage's width. */
const MARGIN = 0.015;
/** Pages are looked at no closer than this, in pixels. */
const MOST_WIDTH = 1366;
/** A shared screen that changes is looked at this often. */
const LOOK_EVERY_MS = 1000;

export class HallCamera {
  constructor() {
    this._stage = element("projector");
    this._page = element("page", HTMLImageElement);
    this._still = element("screen", HTMLCanvasElement);
    this._video = element("camera", HTMLVideoElement);
    this._pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    /** What was looked at. */
    this._seen = "";
    this._looked_ms = -Infinity;
    this._hasChanged = false;
    /** @type {import("../lib/inset.js").Inset | null} */
    this._place = null;
    this._isWanted = false;
    this._page.addEventListener("load", () => this.show(this._isWanted));
  }

  /** The shared screen's picture is another one. */
  stillChanged() {
    this._hasChanged = true;
  }

  /** @param {boolean} wanted whether there is a picture that should be shown */
  show(wanted) {
    this._isWanted = wanted;
    if (wanted) this._look(performance.now());
    const shown = wanted && this._place !== null;
    if (this._video.hidden === shown) this._video.hidden = !shown;
  }

  /** @param {number} now_ms */
  _look(now_ms) {
    const { _page: page, _still: still, _video: video } = this;
    const source = still.hidden ? page : still;
    const what = source === page ? page.dataset.digest : still.width;
    const seen = [source.id, what, this._stage.clientWidth, this._stage.clientHeight, video.videoWidth, video.videoHeight].join();
    const isDue = this._hasChanged && source === still && now_ms - this._looked_ms >= LOOK_EVERY_MS;
    if (seen === this._seen && !isDue) return;
    this._place = null;
    if (source === page && !page.hidden && !page.complete) return; // its "load" asks again
    [this._seen, this._looked_ms, this._hasChanged] = [seen, now_ms, false];
    const picture = this._drawn(source);
    if (!picture) return;
    const { width, height } = picture;
    const scale = Math.min((width * WIDTH) / video.videoWidth, (height * HEIGHT) / video.videoHeight);
    this._place = placeInset(picture, video.videoWidth * scale, video.videoHeight * scale, Math.round(width * MARGIN));
    if (!this._place) return;
    const sides = { left: width, top: height, width, height };
    for (const [side, of] of Object.entries(sides)) {
      video.style.setProperty(side, `${(this._place[/** @type {keyof typeof sides} */ (side)] / of) * 100}%`);
    }
  }

  /**
   * @param {HTMLImageElement | HTMLCanvasElement} source
   * @returns {ImageData | null} the stage with this on it
   */
  _drawn(source) {
    const { clientWidth, clientHeight } = this._stage;
    const pen = this._pen;
    if (!pen || !clientWidth || !clientHeight) return null;
    const scale = Math.min(1, MOST_WIDTH / clientWidth);
    const [width, height] = [Math.ceil(clientWidth * scale), Math.ceil(clientHeight * scale)];
    [pen.canvas.width, pen.canvas.height] = [width, height]; // and black
    if (!source.hidden) {
      const [wide, high] = source instanceof HTMLImageElement ? [source.naturalWidth, source.naturalHeight] : [source.width, source.height];
      const fit = Math.min(width / wide, height / high);
      pen.drawImage(source, (width - wide * fit) / 2, (height - high * fit) / 2, wide * fit, high * fit);
    }
    return pen.getImageData(0, 0, width, height);
  }
}
