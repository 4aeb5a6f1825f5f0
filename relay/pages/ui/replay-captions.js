/**
 * Replay: captions below the page. Off until they are asked for.
 */

import { captionAt, captionLanguage } from "../lib/replay.js";
import { sleep } from "../lib/sleep.js";
import { element, say } from "./dom.js";
import { keep, read, text } from "./texts.js";

const WISH_KEY = "hallcast.replay-captions";
const AGAIN_MS = 2000;

export class Captions {
  /**
   * @param {string[]} languages of which there are captions
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   */
  constructor(languages, source, player) {
    this._languages = languages;
    this._source = source;
    this._player = player;
    this._line = element("caption");
    this._switch = element("captions-switch", HTMLButtonElement);
    this._on = languages.length > 0 && read(localStorage, WISH_KEY) === "on";
    this._t_ms = 0;
    /** @type {Map<string, import("../lib/replay-source.js").ReplayCaption[] | null>} by language; null while they are fetched */
    this._captions = new Map();
    this._switch.hidden = languages.length === 0;
    this._switch.onclick = () => this.toggle();
  }

  toggle() {
    if (this._languages.length === 0) return;
    this._on = !this._on;
    keep(localStorage, WISH_KEY, this._on ? "on" : "off");
    this.draw();
  }

  draw() {
    this._switch.ariaPressed = String(this._on);
    say(this._switch, text("captions"));
    this.show(this._t_ms);
  }

  /** @param {number} t_ms */
  show(t_ms) {
    this._t_ms = t_ms;
    // The line stays where it is between two captions, so that the page does not change its size.
    this._line.hidden = !this._on;
    const language = captionLanguage(this._languages, this._player.language);
    if (!this._on || language === null) return;
    if (!this._captions.has(language)) void this._load(language);
    this._line.lang = language;
    say(this._line, captionAt(this._captions.get(language) ?? [], t_ms));
  }

  /** @param {string} language */
  async _load(language) {
    for (this._captions.set(language, null); this._on; await sleep(AGAIN_MS)) {
      await this._player.safe();
      try {
        this._captions.set(language, await this._source.captions(language));
        this.show(this._t_ms);
        return;
      } catch (error) {
        if (/** @type {import("../lib/replay-source.js").SourceError} */ (error).gone) return;
      }
    }
    this._captions.delete(language);
  }
}
