/**
 * Plays a replay's voice: fetches it piece by piece ahead of what is heard and joins the pieces without a seam.
 */

import { AHEAD_MS, BEHIND_MS, RateMeter, ROOM_MS, bufferedUntil, nextSegment, rungFor, safeMs } from "../lib/replay-plan.js";

const TYPE = 'audio/webm; codecs="opus"';
const AGAIN_AFTER_MS = 1000;
const AGAIN_AT_MOST_MS = 10_000;
const ROOM_AGAIN_MS = 2000;
const GONE_PAUSE_MS = 600_000;
const MORE = ["buffer", "line"];

/**
 * A voice that has begun already: its buffer gets pieces until `done`, the last of which took `took_ms`; after `take` no
 * further one is begun.
 * @typedef {{media: MediaSource, buffer: SourceBuffer, done: Promise<unknown>, took_ms: number, take: () => void}} Opened
 */

/**
 * Tells by events: "buffer" when more can be heard than before, "line" when `line` has changed.
 */
export class VoicePlayer extends EventTarget {
  /**
   * @param {HTMLAudioElement} audio
   * @param {import("../lib/replay-source.js").ReplaySource} source
   * @param {{language: string, position_ms?: number, opened?: Opened}} options either where to begin, or what has begun
   */
  constructor(audio, source, { language, position_ms = 0, opened }) {
    super();
    this.audio = audio;
    this.language = language;
    this.rate = new RateMeter();
    /** How the line does: "down" while the voice does not come, "gone" when asking again is vain. */
    this.line = /** @type {"up" | "down" | "gone"} */ ("up");
    this._source = source;
    this._segment_ms = 6000;
    this._duration_ms = Infinity;
    this._media = opened?.media ?? new MediaSource();
    /** @type {SourceBuffer | null} */
    this._buffer = opened?.buffer ?? null;
    /** How far ahead the voice is fetched; less while something else needs the line. */
    this.wanted_ms = AHEAD_MS;
    this._failures = 0;
    /** How long the last piece took, from asking to its last byte. */
    this._took_ms = opened?.took_ms ?? 0;
    /** @type {{n: number, abort: AbortController} | null} */
    this._loading = null;
    this._anew = false;
    this._news = false;
    this._wake = (_heard = false) => {
      this._news = true;
    };
    audio.addEventListener("seeking", () => this._sought());
    audio.addEventListener("timeupdate", () => this._wake(true));
    globalThis.addEventListener("online", () => this._wake());
    void this._open(opened, position_ms).then(() => this._run());
  }

  get position_ms() {
    return this.audio.currentTime * 1000;
  }

  /** @returns {import("../lib/replay-plan.js").Range[]} */
  get buffered() {
    const { buffered } = this.audio;
    return Array.from({ length: buffered.length }, (_, at) => [buffered.start(at) * 1000, buffered.end(at) * 1000]);
  }

  /** How much can be heard from here on without the line, in ms. */
  get ahead_ms() {
    return bufferedUntil(this.buffered, this.position_ms) - this.position_ms;
  }

  /** Whether the line may carry what is shown at this moment: the voice is safe, or does not come anyway. */
  get isSafe() {
    return this.line !== "up" || this._has(safeMs(this._took_ms));
  }

  /** Whether the line may carry something else now. */
  get hasRoom() {
    return this.line === "gone" || this._has(ROOM_MS);
  }

  /** Resolves when the line may carry what is shown at this moment. */
  async safe() {
    while (!this.isSafe) await this._more();
  }

  /** Resolves when the line may carry something else. */
  async room() {
    while (!this.hasRoom) await this._more();
  }

  /** @param {number} ms */
  _has(ms) {
    return this.ahead_ms >= Math.min(ms, this._duration_ms - this.position_ms - 200);
  }

  /** Resolves when more may lie ahead. */
  _more() {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        for (const event of MORE) this.removeEventListener(event, wake);
        resolve(undefined);
      };
      const timer = setTimeout(wake, ROOM_AGAIN_MS);
      for (const event of MORE) this.addEventListener(event, wake);
    });
  }

  /**
   * @param {{duration_ms: number, segment_ms: number}} replay
   */
  setBounds({ duration_ms, segment_ms }) {
    this._duration_ms = duration_ms;
    this._segment_ms = segment_ms;
    this._wake();
  }

  /** @param {string} language goes on at the same moment */
  setLanguage(language) {
    if (language === this.language) return;
    this.language = language;
    this._anew = true;
    this._loading?.abort.abort();
    this._wake();
  }

  /**
   * @param {Opened | undefined} opened
   * @param {number} position_ms
   */
  async _open(opened, position_ms) {
    opened?.take();
    if (opened?.buffer) {
      await opened.done;
      this.dispatchEvent(new Event("buffer"));
      return;
    }
    const open = new Promise((resolve) => this._media.addEventListener("sourceopen", resolve, { once: true }));
    this.audio.src = URL.createObjectURL(this._media);
    this.audio.currentTime = position_ms / 1000;
    await open;
    this._buffer = this._media.addSourceBuffer(TYPE);
  }

  async _run() {
    for (;;) {
      this._news = false;
      if (this._anew) await this._empty();
      await this._setDuration();
      const state = { position_ms: this.position_ms, buffered: this.buffered, duration_ms: this._duration_ms, segment_ms: this._segment_ms, ahead_ms: this.wanted_ms };
      const n = nextSegment(state);
      if (n !== null) {
        await this._fetch(n);
        continue;
      }
      if (bufferedUntil(state.buffered, state.position_ms) >= this._duration_ms - 200) this._end();
      await this._dropOld();
      await this._event();
    }
  }

  /** @param {number} n */
  async _fetch(n) {
    const abort = new AbortController();
    this._loading = { n, abort };
    const rung = rungFor(this.ahead_ms, this.rate.kbps);
    const asked_ms = performance.now();
    let bytes_later = 0;
    let began_ms = 0;
    try {
      const take = async (/** @type {Uint8Array} */ piece) => {
        if (began_ms) bytes_later += piece.length;
        else began_ms = performance.now();
        await this._append(piece);
        abort.signal.throwIfAborted();
      };
      await this._source.voiceSegment(this.language, rung, n, take, abort.signal);
      // A piece that came at once was never on the line.
      if (bytes_later) this.rate.add(bytes_later, performance.now() - began_ms);
      this._took_ms = performance.now() - asked_ms;
      this._failures = 0;
      this._setLine("up");
    } catch (error) {
      await this._idle();
      if (this._media.readyState === "open") this._buffer?.abort();
      if (abort.signal.aborted) return;
      const { gone, id } = /** @type {import("../lib/replay-source.js").SourceError} */ (error);
      // How long the lecture is may not be known yet.
      if (id === "segment_missing" && this._duration_ms === Infinity) {
        await this._event(GONE_PAUSE_MS);
        return;
      }
      this._failures += 1;
      this._setLine(gone ? "gone" : "down");
      const pause_ms = Math.min(AGAIN_AT_MOST_MS, AGAIN_AFTER_MS * 2 ** (this._failures - 1));
      await this._event(gone ? GONE_PAUSE_MS : pause_ms);
    } finally {
      this._loading = null;
    }
  }

  /** @param {Uint8Array} bytes */
  async _append(bytes) {
    await this._idle();
    this._buffer?.appendBuffer(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
    await this._idle();
    this.dispatchEvent(new Event("buffer"));
  }

  async _empty() {
    this._anew = false;
    await this._idle();
    if (this._media.readyState === "open") this._buffer?.abort();
    this._buffer?.remove(0, Infinity);
    await this._idle();
    // Forgets also what is decoded already of the other language.
    this.audio.currentTime = this.audio.currentTime;
  }

  async _dropOld() {
    const until_s = (this.position_ms - BEHIND_MS) / 1000;
    const { buffered } = this.audio;
    if (!this._buffer || buffered.length === 0 || buffered.start(0) >= until_s - 30) return;
    await this._idle();
    this._buffer.remove(0, until_s);
    await this._idle();
  }

  async _setDuration() {
    const { buffered } = this.audio;
    const seconds = Math.max(this._duration_ms / 1000, buffered.length ? buffered.end(buffered.length - 1) : 0);
    await this._idle();
    if (this._media.readyState === "open" && seconds < Infinity && this._media.duration !== seconds) this._media.duration = seconds;
  }

  _end() {
    if (this._media.readyState === "open") this._media.endOfStream();
  }

  _sought() {
    const { position_ms, _loading: loading } = this;
    if (loading && bufferedUntil(this.buffered, position_ms) === position_ms && loading.n !== Math.floor(position_ms / this._segment_ms)) {
      loading.abort.abort();
    }
    this._wake();
  }

  /** @param {"up" | "down" | "gone"} line */
  _setLine(line) {
    if (line === this.line) return;
    this.line = line;
    this.dispatchEvent(new Event("line"));
  }

  /** Resolves when the buffer can be changed. */
  async _idle() {
    while (this._buffer?.updating) {
      await new Promise((resolve) => this._buffer?.addEventListener("updateend", resolve, { once: true }));
    }
  }

  /**
   * Resolves when something has happened that may call for another segment.
   * @param {number} [pause_ms] at the latest then; before it only a jump, another language or the line's return count
   */
  _event(pause_ms) {
    return new Promise((resolve) => {
      const timer = pause_ms === undefined ? undefined : setTimeout(resolve, pause_ms);
      this._wake = (heard = false) => {
        if (heard && pause_ms !== undefined) return;
        this._news = true;
        clearTimeout(timer);
        resolve(undefined);
      };
      if (this._news) this._wake();
    });
  }
}
