/**
 * Replay of a recording: the voice leads; page, ink, screen and camera follow.
 */

import { recordingKey } from "../lib/kept-tokens.js";
import { SPEEDS, chapterFrom, chaptersOf, pagesAt, speedFrom } from "../lib/replay.js";
import { fragmentOf, momentOf } from "../lib/replay-moment.js";
import { element, make, say } from "./dom.js";
import { Camera } from "./replay-camera.js";
import { Captions } from "./replay-captions.js";
import { Chapters } from "./replay-chapters.js";
import { ReplayImages } from "./replay-images.js";
import { bindKeys } from "./replay-keys.js";
import { Keeping } from "./replay-keep.js";
import { ReplayPage } from "./replay-page.js";
import { ReplayScreen } from "./replay-screen.js";
import { Timeline } from "./replay-timeline.js";
import { clockTime, keep, languageName, number, read, startTexts, text } from "./texts.js";

const SPEED_KEY = "hallcast.speed";
const STEP_MS = 10_000;
const REMEMBER_MS = 5000;
const NOTE_MS = 8000;
const SHAPES = { play: "M5 3l12 7-12 7z", pause: "M4 3h4v14H4zM12 3h4v14h-4z" };

/**
 * Fill the page with a recording. `player` has begun to fetch its voice already, and `images` are those that the page has
 * shown meanwhile.
 * @param {{
 *   source: import("../lib/replay-source.js").ReplaySource, player: import("./replay-voice.js").VoicePlayer,
 *   manifest: Promise<import("../lib/replay-source.js").Replay>, images?: import("./replay-images.js").Urls,
 * }} parts
 */
export async function openReplay({ source, player, manifest, images = new Map() }) {
  /** @type {Replaying | null} */
  let replaying = null;
  /** @type {string | null} */
  let refused = null;
  const draw = () => {
    replaying?.draw();
    if (replaying) return;
    if (refused !== null) element("no-page").hidden = false;
    say(element("no-page-title"), refused === null ? text("loading") : refused === "unauthorised" ? text("replay_closed") : refused === "recording_fetching" ? text("replay_fetching") : refused === "offline" ? text("replay_line_down") : text("replay_missing"));
  };
  element("play").ariaLabel = "▶";
  element("no-page").hidden = images.size > 0;
  await startTexts(draw);
  for (let again_ms = 1000; replaying === null; again_ms = Math.min(10_000, again_ms * 2)) {
    try {
      const replay = await manifest;
      replaying = new Replaying(replay, source, player, images);
      refused = null;
    } catch (error) {
      const { id = "", gone = false } = /** @type {Partial<import("../lib/replay-source.js").SourceError>} */ (error);
      if (!id) throw error;
      refused = id;
      draw();
      if (id === "unauthorised") askForToken(source.lecture);
      if (gone) return;
      await new Promise((resolve) => setTimeout(resolve, again_ms));
      manifest = source.manifest();
    }
  }
  draw();
}

class Replaying {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {import("./replay-voice.js").VoicePlayer} player
   * @param {import("./replay-images.js").Urls} begun images
   */
  constructor(replay, source, player, begun) {
    this._replay = replay;
    this._source = source;
    this._player = player;
    this._audio = player.audio;
    this._chapterList = chaptersOf(replay);
    /** @type {number | null} where the timeline is held just now */
    this._held_ms = null;
    this._remembered_ms = 0;
    const images = new ReplayImages(source, player, begun);
    this._page = new ReplayPage(replay, source, images, player);
    this._screen = new ReplayScreen(replay, source, player);
    this._camera = new Camera(replay.camera, source, this._audio);
    this._captions = new Captions(replay.captions ?? [], source, player);
    this._chapters = new Chapters(replay, this._chapterList, images, (t_ms) => this.goTo(t_ms));
    this._timeline = new Timeline(replay, this._chapterList, player);
    this._keeping = new Keeping(replay, source, player, (kept) => this._timeline.showKept(kept, player.language));
    this._controls();
    this._chooseVoice();
    player.setBounds(replay);
  }

  get position_ms() {
    return this._held_ms ?? this._player.position_ms;
  }

  /** @param {number} t_ms */
  goTo(t_ms) {
    this._audio.currentTime = Math.min(this._replay.duration_ms - 50, Math.max(0, t_ms)) / 1000;
    this._follow();
  }

  draw() {
    const { title, course } = this._replay;
    say(element("title"), title);
    say(element("course"), course);
    document.title = `${title} · Hallcast`;
    for (const option of element("voice-language", HTMLSelectElement).options) option.textContent = languageName(option.value);
    for (const option of element("speed", HTMLSelectElement).options) {
      option.textContent = `${number(Number(option.value), Number(option.value) % 0.5 ? 2 : Number(option.value) % 1 ? 1 : 0)}×`;
    }
    this._camera.draw();
    this._captions.draw();
    this._chapters.draw();
    this._keeping.draw();
    this._drawState();
    this._follow();
  }

  _drawState() {
    const { paused, muted } = this._audio;
    element("play").ariaLabel = text(paused ? "play" : "pause");
    document.getElementById("play-shape")?.setAttribute("d", SHAPES[paused ? "play" : "pause"]);
    element("mute").ariaPressed = String(muted);
    const none = this._replay.voice.length === 0;
    banner(none ? text("replay_no_voice") : this._player.line === "down" ? text("replay_line_down") : this._player.line === "gone" ? text("replay_cannot_play") : "");
  }

  /** Everything that goes with the moment. */
  _follow() {
    const t_ms = this.position_ms;
    const { duration_ms } = this._replay;
    const { now, next } = pagesAt(this._replay.turns, t_ms);
    this._page.show(now, next, t_ms);
    this._screen.show(t_ms);
    this._captions.show(t_ms);
    const title = this._chapters.show(t_ms);
    this._timeline.show(t_ms, this._held_ms === null, [clockTime(t_ms), title].filter(Boolean).join(", "));
    say(element("time"), `${clockTime(t_ms)} / ${clockTime(duration_ms)}`);
    if (Math.abs(t_ms - this._remembered_ms) > REMEMBER_MS) this._remember();
  }

  _remember() {
    this._remembered_ms = this._player.position_ms;
    const { duration_ms } = this._replay;
    const stopped = { t_ms: Math.round(this._remembered_ms), duration_ms, language: this._player.language };
    keep(localStorage, `hallcast.replay.${this._source.lecture}`, JSON.stringify(stopped));
  }

  _chooseVoice() {
    const { voice } = this._replay;
    if (voice.length === 0) return;
    const languages = voice.map(({ language }) => language);
    const { language } = this._player;
    // What was asked for as the first one stays what it is: only its name is known now.
    if (language === "-") this._player.language = languages[0];
    else if (!languages.includes(language)) this._player.setLanguage(languages[0]);
    const choice = element("voice-language", HTMLSelectElement);
    choice.hidden = languages.length < 2;
    choice.replaceChildren(...languages.map((value) => make("option", { value }, languageName(value))));
    choice.value = this._player.language;
    choice.onchange = () => {
      this._player.setLanguage(choice.value);
      void this._timeline.loadWaveform(this._source);
      void this._keeping.look();
      this._remember();
      this._follow();
    };
    void this._timeline.loadWaveform(this._source);
  }

  async _toggle() {
    if (!this._audio.paused) {
      this._audio.pause();
      return;
    }
    if (this._audio.ended) this.goTo(0);
    try {
      await this._audio.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) banner(text("replay_cannot_play"));
    }
  }

  /** @param {1 | -1} step */
  _chapter(step) {
    const t_ms = chapterFrom(this._chapterList, this.position_ms, step);
    if (t_ms !== null) this.goTo(t_ms);
  }

  /** @param {number} speed */
  _setSpeed(speed) {
    element("speed", HTMLSelectElement).value = String(speed);
    this._audio.defaultPlaybackRate = speed;
    this._audio.playbackRate = speed;
    this._audio.preservesPitch = true;
    keep(localStorage, SPEED_KEY, String(speed));
  }

  async _share() {
    const url = this._source.momentUrl + fragmentOf(this.position_ms);
    try {
      await navigator.clipboard.writeText(url);
      note(text("replay_shared", { moment: clockTime(this.position_ms) }));
    } catch {
      // Over plain HTTP browsers give no clipboard: the address bar can be copied by hand.
      note(text("replay_share_here"));
    }
    if (location.href.startsWith(this._source.momentUrl)) history.replaceState(null, "", url);
  }

  async _fullScreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await element("stage").requestFullscreen();
    } catch {
      // Some browsers and frames allow none: the page stays as it is.
    }
  }

  _mute() {
    this._audio.muted = !this._audio.muted;
    this._drawState();
  }

  _controls() {
    const { _audio: audio, _replay: replay, _source: source } = this;
    const seek = element("seek", HTMLInputElement);
    seek.max = String(replay.duration_ms);
    seek.oninput = () => {
      this._held_ms = Number(seek.value);
      this._follow();
    };
    seek.onchange = () => {
      this._held_ms = null;
      this.goTo(Number(seek.value));
    };
    const speed = element("speed", HTMLSelectElement);
    speed.replaceChildren(...SPEEDS.map((value) => make("option", { value: String(value) })));
    speed.onchange = () => this._setSpeed(Number(speed.value));
    const kept = Number(read(localStorage, SPEED_KEY));
    this._setSpeed(SPEEDS.includes(kept) ? kept : 1);
    const share = element("share", HTMLButtonElement);
    share.hidden = source.momentUrl === "";
    share.onclick = () => void this._share();
    element("play").onclick = () => void this._toggle();
    element("mute").onclick = () => this._mute();
    element("full").onclick = () => void this._fullScreen();
    const help = element("help-dialog", HTMLDialogElement);
    element("help").onclick = () => help.showModal();
    for (const event of ["timeupdate", "seeked", "seeking"]) audio.addEventListener(event, () => this._follow());
    for (const event of ["play", "pause", "ended", "playing"]) audio.addEventListener(event, () => this._drawState());
    for (const event of ["pause", "seeked"]) audio.addEventListener(event, () => this._remember());
    audio.addEventListener("error", () => banner(text("replay_cannot_play")));
    this._player.addEventListener("line", () => this._drawState());
    addEventListener("pagehide", () => this._remember());
    addEventListener("hashchange", () => {
      const t_ms = momentOf(location.hash);
      if (t_ms !== null) this.goTo(t_ms);
    });
    bindKeys({
      play: () => void this._toggle(),
      step: (way) => this.goTo(this.position_ms + way * STEP_MS),
      chapter: (way) => this._chapter(way),
      tenth: (tenth) => this.goTo((replay.duration_ms * tenth) / 10),
      end: () => this.goTo(replay.duration_ms),
      speed: (way) => this._setSpeed(speedFrom(audio.playbackRate, way)),
      mute: () => this._mute(),
      fullScreen: () => void this._fullScreen(),
      camera: () => this._camera.toggle(),
      captions: () => this._captions.toggle(),
      share: () => void (share.hidden || this._share()),
      help: () => help.showModal(),
    });
  }
}

/** @param {string} lecture */
function askForToken(lecture) {
  const form = element("token-form", HTMLFormElement);
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    keep(sessionStorage, recordingKey(lecture), element("token", HTMLInputElement).value.trim());
    location.reload();
  };
}

/**
 * Say something that is soon read.
 * @param {string} words
 */
function note(words) {
  say(element("note"), words);
  setTimeout(() => {
    if (element("note").textContent === words) say(element("note"), "");
  }, NOTE_MS);
}

/** @param {string} words */
function banner(words) {
  say(element("banner"), words);
  element("banner").hidden = words === "";
}
