/**
 * Replay: the camera, kept at the voice's time. The first to be left out on a thin line.
 */

import { element, say } from "./dom.js";
import { text } from "./texts.js";

/** A smaller difference than this nobody sees; correcting it would make the picture jump. */
const DRIFT_ALLOWED_S = 0.3;

export class Camera {
  /**
   * @param {{url: string, offset_ms: number} | null} camera offset_ms: lecture time at which the video begins
   * @param {HTMLAudioElement} voice
   */
  constructor(camera, voice) {
    this._camera = camera;
    this._voice = voice;
    this._video = element("camera", HTMLVideoElement);
    this._switch = element("camera-switch", HTMLButtonElement);
    this._on = camera !== null && !savesData();
    if (!camera) return;
    this._switch.hidden = false;
    this._switch.onclick = () => this.toggle();
    this._video.onerror = () => {
      this._on = false;
      this.draw();
    };
    this._video.onloadedmetadata = () => this._follow();
    for (const event of ["play", "pause", "seeking", "seeked", "timeupdate", "ratechange"]) {
      voice.addEventListener(event, () => this._follow());
    }
  }

  toggle() {
    if (!this._camera) return;
    this._on = !this._on;
    this.draw();
    this._follow();
  }

  draw() {
    this._switch.ariaPressed = String(this._on);
    say(this._switch, text(this._on ? "camera_off" : "camera_on"));
    if (this._on && this._camera && !this._video.src) this._video.src = this._camera.url;
    if (!this._on) this._video.pause();
    this._follow();
  }

  _follow() {
    if (!this._camera) return;
    const wanted_s = this._voice.currentTime - this._camera.offset_ms / 1000;
    const within = wanted_s >= 0 && !(wanted_s > this._video.duration);
    this._video.hidden = !this._on || !within || this._video.readyState === 0;
    if (!this._on || !within || this._video.readyState === 0) return;
    this._video.playbackRate = this._voice.playbackRate;
    if (Math.abs(this._video.currentTime - wanted_s) > DRIFT_ALLOWED_S && !this._video.seeking) {
      this._video.currentTime = wanted_s;
    }
    if (this._voice.paused !== this._video.paused) {
      if (this._voice.paused) this._video.pause();
      // Refused only where the browser allows no video at all: the voice goes on without it.
      else this._video.play().catch(() => {});
    }
  }
}

/** @returns {boolean} whether this line is thin or the reader asks for little data */
function savesData() {
  const connection = /** @type {any} */ (navigator).connection;
  return Boolean(connection?.saveData) || ["slow-2g", "2g"].includes(connection?.effectiveType);
}
