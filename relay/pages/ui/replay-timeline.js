/**
 * Replay: the timeline, drawn: how loud the voice is, what was heard, chapters, questions, and what lies here already.
 */

import { element, say } from "./dom.js";
import { clockTime } from "./texts.js";

const STRIP = 4;
const BAR = 3;

export class Timeline {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay.js").Chapter[]} chapters
   * @param {import("./replay-voice.js").VoicePlayer} player
   */
  constructor(replay, chapters, player) {
    this._replay = replay;
    this._chapters = chapters;
    this._player = player;
    this._canvas = element("waveform", HTMLCanvasElement);
    this._seek = element("seek", HTMLInputElement);
    this._waveform = new Uint8Array(0);
    /** @type {Set<number>} segments that can be read without a line */
    this._kept = new Set();
    this._t_ms = 0;
    this._asked = 0;
    new ResizeObserver(() => this._paint()).observe(this._canvas);
    player.addEventListener("buffer", () => this._paint());
    this._hover();
  }

  /** @param {import("../lib/replay-source.js").ReplaySource} source */
  async loadWaveform(source) {
    const asked = ++this._asked;
    const { language } = this._player;
    try {
      await this._player.room();
      const waveform = await source.waveform(language);
      if (asked !== this._asked) return;
      this._waveform = waveform;
      this._paint();
    } catch {
      // An ornament: the timeline works without it, and the next visit asks again.
    }
  }

  /**
   * @param {number} t_ms
   * @param {boolean} isFree whether nobody holds it
   * @param {string} words
   */
  show(t_ms, isFree, words) {
    if (isFree) this._seek.value = String(t_ms);
    this._seek.ariaValueText = words;
    this._t_ms = t_ms;
    this._paint();
  }

  /**
   * @param {import("../lib/replay-source.js").Kept} kept
   * @param {string} language
   */
  showKept(kept, language) {
    this._kept = new Set(kept.segments[language] ?? []);
    this._paint();
  }

  _paint() {
    const { _canvas: canvas, _replay: replay } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    if (!pen || !width) return;
    const colour = (/** @type {string} */ name) => getComputedStyle(canvas).getPropertyValue(name);
    const x = (/** @type {number} */ t_ms) => (t_ms / Math.max(1, replay.duration_ms)) * width;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [soft, strong] = [colour("--wave"), colour("--accent")];
    const floor = height - STRIP - 2;
    const parts = this._waveform.length;
    const loudest = this._waveform.reduce((most, one) => Math.max(most, one), 1);
    for (let left = 0; left < width; left += BAR) {
      const from = Math.floor((left / width) * parts);
      const until = Math.max(from + 1, Math.floor(((left + BAR) / width) * parts));
      let loud = 0;
      for (let at = from; at < until && at < parts; at += 1) loud = Math.max(loud, this._waveform[at]);
      // Squared: what is a little louder shall be seen to be.
      const bar = Math.max(2, (loud / loudest) ** 2 * (floor - 8));
      pen.fillStyle = left + BAR / 2 < x(this._t_ms) ? strong : soft;
      pen.fillRect(left, 5 + (floor - 5 - bar) / 2, BAR - 1, bar);
    }
    pen.fillStyle = colour("--line");
    pen.fillRect(0, height - STRIP, width, STRIP);
    pen.fillStyle = colour("--kept");
    for (const n of this._kept) pen.fillRect(x(n * replay.segment_ms), height - STRIP, Math.max(0.5, x(replay.segment_ms)), STRIP);
    pen.fillStyle = strong;
    for (const [start, end] of this._player.buffered) pen.fillRect(x(start), height - STRIP, x(end - start), STRIP);
    pen.fillStyle = colour("--ink-soft");
    for (const { t_ms } of this._chapters) pen.fillRect(x(t_ms), 0, 1, 5);
    pen.font = "700 11px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const [sign, notes, name] of /** @type {[string, [number, string][], string][]} */ ([["?", replay.questions, "--live"], ["•", replay.marks, "--warn"]])) {
      pen.fillStyle = colour(name);
      for (const [t_ms] of notes) pen.fillText(sign, Math.min(width - 5, Math.max(5, x(t_ms))), 11);
    }
    pen.fillStyle = colour("--ink");
    pen.fillRect(x(this._t_ms) - 1, 0, 2, height);
  }

  /** Under the mouse: the moment, and the question or chapter that is there. */
  _hover() {
    const shown = element("hover");
    const timeline = element("timeline");
    timeline.addEventListener("pointermove", ({ clientX }) => {
      const { left, width } = timeline.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (clientX - left) / width));
      const { duration_ms, questions, marks } = this._replay;
      const t_ms = share * duration_ms;
      const near_ms = (6 / width) * duration_ms;
      const note = [...questions, ...marks].find(([at]) => Math.abs(at - t_ms) < near_ms);
      const chapter = this._chapters.findLast((one) => one.t_ms <= t_ms);
      say(shown, [clockTime(t_ms), note ? note[1] : chapter?.title].filter(Boolean).join(" · "));
      shown.style.left = `${share * 100}%`;
      shown.hidden = false;
    });
    timeline.addEventListener("pointerleave", () => (shown.hidden = true));
  }
}
