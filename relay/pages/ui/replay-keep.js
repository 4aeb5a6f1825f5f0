/**
 * Replay: what is kept for reading without a line, and the button that keeps all of it.
 */

import { element, say } from "./dom.js";
import { number, text } from "./texts.js";

const LOOK_MS = 5000;

export class Keeping {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   * @param {(kept: import("../lib/replay-source.js").Kept) => void} show
   */
  constructor(replay, { offline }, player, show) {
    this._replay = replay;
    this._offline = offline;
    this._player = player;
    this._show = show;
    this._button = element("keep", HTMLButtonElement);
    /** @type {AbortController | null} */
    this._running = null;
    this._progress = 0;
    this._kept = 0;
    this._timer = 0;
    this._noted = "";
    if (!offline) return;
    this._button.onclick = () => void this._toggle();
    player.addEventListener("buffer", () => this._lookSoon());
    void offline.ready.then(() => {
      this._button.hidden = false;
      void this.look();
    }, () => {});
  }

  draw() {
    const whole = this._kept >= 1;
    say(this._button, this._running ? text("replay_keeping", { percent: number(this._progress * 100) }) : text(whole ? "replay_is_kept" : "replay_keep"));
    this._button.disabled = whole && !this._running;
    this._button.title = text("replay_keep_hint");
    const some = this._kept > 0 && this._player.line === "down";
    const noted = some ? text("replay_kept_share", { percent: number(this._kept * 100) }) : "";
    // What else is said in this place stays, unless there is something new to say.
    if (noted || element("note").textContent === this._noted) say(element("note"), noted);
    this._noted = noted;
  }

  async look() {
    if (!this._offline) return;
    const kept = await this._offline.kept().catch(() => null);
    if (!kept) return;
    const { duration_ms, segment_ms } = this._replay;
    this._kept = (kept.segments[this._player.language]?.length ?? 0) / Math.max(1, Math.ceil(duration_ms / segment_ms));
    this._show(kept);
    this.draw();
  }

  _lookSoon() {
    if (this._timer) return;
    this._timer = setTimeout(() => {
      this._timer = 0;
      void this.look();
    }, LOOK_MS);
  }

  async _toggle() {
    if (!this._offline) return;
    if (this._running) {
      this._running.abort();
      return;
    }
    this._running = new AbortController();
    try {
      const told = (/** @type {number} */ done, /** @type {number} */ of) => {
        this._progress = done / Math.max(1, of);
        this.draw();
      };
      await this._offline.keep(this._replay, this._player.language, told, this._running.signal);
    } catch {
      // Stopped, or the line is down: what has come stays, and the button goes on from there.
    } finally {
      this._running = null;
      await this.look();
      this.draw();
    }
  }
}
