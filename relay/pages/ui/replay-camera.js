/**
 * Replay: the camera, kept at the voice's time. Off until it is asked for, and what it costs is said before.
 */

import { element, say } from "./dom.js";
import { keep, number, read, text } from "./texts.js";

/** A smaller difference than this nobody sees; correcting it would make the picture jump. */
const DRIFT_ALLOWED_S = 0.3;
const WISH_KEY = "hallcast.replay-camera";

export class Camera {
  /**
   * @param {{offset_ms: number, kbps: number} | null} camera offset_ms: lecture time at which the film begins
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {HTMLAudioElement} voice
   */
  constructor(camera, source, voice) {
    this._camera = camera;
    this._source = source;
    this._voice = voice;
    this._video = element("camera", HTMLVideoElement);
    this._switch = element("camera-switch", HTMLButtonElement);
    this._on = camera !== null && read(localStorage, WISH_KEY) === "on" && !isThin();
    if (!camera) return;
    this._switch.hidden = false;
    this._switch.onclick = () => this.toggle();
    this._video.onerror = () => this._failed();
    this._video.onloadedmetadata = () => this._follow();
    for (const event of ["play", "pause", "seeking", "seeked", "timeupdate", "ratechange"]) {
      voice.addEventListener(event, () => this._follow());
    }
    if (this._on) void this._load();
  }

  toggle() {
    if (!this._camera) return;
    this._on = !this._on;
    keep(localStorage, WISH_KEY, this._on ? "on" : "off");
    if (this._on) void this._load();
    this.draw();
  }

  draw() {
    if (!this._camera) return;
    this._switch.ariaPressed = String(this._on);
    say(this._switch, this._on ? text("camera_off") : text("replay_camera_on", { kbps: number(this._camera.kbps) }));
    this._switch.title = text("replay_camera_cost", { kbps: number(this._camera.kbps), mb: number((this._camera.kbps * 3600) / 8000) });
    if (!this._on) this._video.pause();
    this._follow();
  }

  async _load() {
    if (this._video.src) return;
    try {
      this._video.src = await this._source.camera();
    } catch {
      this._failed();
    }
  }

  _failed() {
    this._on = false;
    this._video.removeAttribute("src");
    this.draw();
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
function isThin() {
  const connection = /** @type {any} */ (navigator).connection;
  return Boolean(connection?.saveData) || ["slow-2g", "2g"].includes(connection?.effectiveType);
}
