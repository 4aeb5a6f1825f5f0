/**
 * Replay: the shared screen, in place of the page while one was shared.
 */

import { ScreenFollower } from "../lib/replay-screen.js";
import { element } from "./dom.js";
import { decodeWebp, paint } from "./screen-picture.js";

export class ReplayScreen {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   */
  constructor({ screen }, source, player) {
    this._player = player;
    this._canvas = element("screen", HTMLCanvasElement);
    this._follower = screen.length ? new ScreenFollower(screen, source, decodeWebp) : null;
    this._wanted_ms = 0;
    this._busy = false;
  }

  /** @param {number} t_ms */
  show(t_ms) {
    this._wanted_ms = t_ms;
    if (!this._follower) return;
    if (!this._follower.isShared(t_ms)) this._canvas.hidden = true;
    else if (!this._busy) void this._follow(this._follower);
  }

  /** @param {ScreenFollower} follower */
  async _follow(follower) {
    this._busy = true;
    try {
      for (let at_ms = -1; at_ms !== this._wanted_ms && follower.isShared(this._wanted_ms); ) {
        await this._player.safe();
        at_ms = this._wanted_ms;
        const changed = await follower.goTo(at_ms);
        if (changed) paint(this._canvas, follower.picture, changed);
        this._canvas.hidden = !follower.picture.position.number || !follower.isShared(this._wanted_ms);
      }
    } catch {
      // The line is down; the next moment asks again.
    } finally {
      this._busy = false;
    }
  }
}
