/**
 * Replay of a recording: voice leads, pages and camera follow.
 */

import { Pages, indexAt } from "../lib/replay.js";
import { element, isForControl, make, say } from "./dom.js";
import { Camera } from "./replay-camera.js";
import { clockTime, keep, languageName, read, startTexts, text } from "./texts.js";
import { ReplayPage } from "./replay-page.js";

const SPEED_KEY = "hallcast.speed";
const STEP_MS = 10_000;
const SHAPES = { play: "M5 3l12 7-12 7z", pause: "M4 3h4v14H4zM12 3h4v14h-4z" };

class Player {
  /** @param {import("../lib/replay.js").Replay} replay */
  constructor(replay) {
    this._replay = replay;
    this._pages = new Pages(replay);
    this._screen = new ReplayPage();
    this._voice = element("voice", HTMLAudioElement);
    this._seek = element("seek", HTMLInputElement);
    this._speed = element("speed", HTMLSelectElement);
    this._camera = new Camera(replay.camera, this._voice);
    this._seeking = false;
    this._controls();
    this._drawChapters();
    this._speed.value = read(localStorage, SPEED_KEY) ?? "1";
    if (!this._speed.value) this._speed.value = "1";
    this._chooseVoice(replay.voice[0]?.url);
  }

  get position_ms() {
    return this._voice.currentTime * 1000;
  }

  draw() {
    const paused = this._voice.paused;
    element("play").ariaLabel = text(paused ? "play" : "pause");
    document.getElementById("play-shape")?.setAttribute("d", SHAPES[paused ? "play" : "pause"]);
    say(element("title"), this._replay.title);
    document.title = `${this._replay.title} · Hallcast`;
    this._camera.draw();
    this._drawPosition();
  }

  _drawPosition() {
    const t_ms = this._seeking ? Number(this._seek.value) : this.position_ms;
    const { duration_ms, chapters } = this._replay;
    if (!this._seeking) this._seek.value = String(t_ms);
    const chapter = indexAt(chapters, t_ms);
    this._seek.ariaValueText = [clockTime(t_ms), chapters[chapter]?.title].filter(Boolean).join(", ");
    say(element("time"), `${clockTime(t_ms)} / ${clockTime(duration_ms)}`);
    this._screen.show(this._pages.at(t_ms), this._pages.after(t_ms));
    for (const [at, item] of Array.from(element("chapters").children).entries()) {
      const button = /** @type {HTMLElement} */ (item.firstElementChild);
      const current = String(at === chapter);
      if (button.ariaCurrent === current) continue;
      button.ariaCurrent = current;
      if (at === chapter) item.scrollIntoView({ block: "nearest" });
    }
  }

  _drawChapters() {
    const { chapters, duration_ms } = this._replay;
    element("chapters").replaceChildren(
      ...chapters.map(({ t_ms, title, page }) => {
        const label = title || text("page_number", { page });
        const button = make("button", { type: "button", onclick: () => this._goTo(t_ms) }, make("time", {}, clockTime(t_ms)), label);
        return make("li", {}, button);
      }),
    );
    element("ticks").replaceChildren(
      ...chapters.map(({ t_ms }) => {
        const tick = make("i");
        tick.style.left = `${(t_ms / Math.max(1, duration_ms)) * 100}%`;
        return tick;
      }),
    );
  }

  /** @param {number} t_ms */
  _goTo(t_ms) {
    this._voice.currentTime = Math.min(this._replay.duration_ms, Math.max(0, t_ms)) / 1000;
    this._drawPosition();
  }

  /** @param {number} step chapters forward or back; back goes first to the beginning of the present one */
  _chapter(step) {
    const { chapters } = this._replay;
    const at = indexAt(chapters, this.position_ms);
    const restart = step < 0 && at >= 0 && this.position_ms - chapters[at].t_ms > 3000;
    const target = chapters[Math.max(0, restart ? at : at + step)];
    if (target) this._goTo(target.t_ms);
  }

  async _toggle() {
    if (!this._voice.paused) {
      this._voice.pause();
      return;
    }
    try {
      await this._voice.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) banner(text("replay_cannot_play"));
    }
  }

  /** @param {string | undefined} url */
  _chooseVoice(url) {
    if (!url) {
      banner(text("replay_no_voice"));
      return;
    }
    const { currentTime, paused } = this._voice;
    this._voice.src = url;
    if (currentTime > 0) this._voice.addEventListener("loadedmetadata", () => (this._voice.currentTime = currentTime), { once: true });
    this._setSpeed();
    if (!paused) void this._toggle();
  }

  _setSpeed() {
    const speed = Number(this._speed.value);
    this._voice.defaultPlaybackRate = speed;
    this._voice.playbackRate = speed;
    keep(localStorage, SPEED_KEY, this._speed.value);
  }

  _controls() {
    const { voice, duration_ms } = this._replay;
    this._seek.max = String(duration_ms);
    this._seek.oninput = () => {
      this._seeking = true;
      this._drawPosition();
    };
    this._seek.onchange = () => {
      this._seeking = false;
      this._goTo(Number(this._seek.value));
    };
    element("play").onclick = () => void this._toggle();
    this._speed.onchange = () => this._setSpeed();
    const languages = element("voice-language", HTMLSelectElement);
    languages.hidden = voice.length < 2;
    languages.replaceChildren(...voice.map(({ language, url }) => make("option", { value: url }, languageName(language))));
    languages.onchange = () => this._chooseVoice(languages.value);
    for (const event of ["timeupdate", "seeked"]) this._voice.addEventListener(event, () => this._drawPosition());
    for (const event of ["play", "pause", "ended"]) this._voice.addEventListener(event, () => this.draw());
    this._voice.addEventListener("error", () => banner(text("replay_cannot_play")));
    this._voice.addEventListener("playing", () => banner(""));
    document.addEventListener("keydown", (event) => this._key(event));
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.target !== this._seek && isForControl(event)) return;
    const speeds = Array.from(this._speed.options, ({ value }) => value);
    const faster = (/** @type {number} */ step) => {
      const at = speeds.indexOf(this._speed.value) + step;
      if (speeds[at]) this._speed.value = speeds[at];
      this._setSpeed();
    };
    /** @type {Record<string, () => void>} */
    const keys = {
      " ": () => void this._toggle(),
      k: () => void this._toggle(),
      ArrowLeft: () => this._goTo(this.position_ms - STEP_MS),
      ArrowRight: () => this._goTo(this.position_ms + STEP_MS),
      j: () => this._goTo(this.position_ms - STEP_MS),
      l: () => this._goTo(this.position_ms + STEP_MS),
      PageUp: () => this._chapter(-1),
      PageDown: () => this._chapter(1),
      Home: () => this._goTo(0),
      End: () => this._goTo(this._replay.duration_ms),
      "<": () => faster(-1),
      ">": () => faster(1),
      c: () => this._camera.toggle(),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** @param {string} words */
function banner(words) {
  say(element("banner"), words);
  element("banner").hidden = words === "";
}

/** @type {Player | null} */
let player = null;
await startTexts(() => player?.draw());
say(element("no-page-title"), text("loading"));
const lecture = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
try {
  const response = await fetch(`/library/${lecture}/replay.json`);
  if (!response.ok) throw new Error(String(response.status));
  player = new Player(await response.json());
  player.draw();
} catch {
  say(element("no-page-title"), text("replay_missing"));
}
