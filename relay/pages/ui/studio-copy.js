/**
 * Studio, left column: the lecturer's own copy of the voice, and the repair of the recording from it.
 */

import { CopyStore } from "../lib/copy-store.js";
import { oggOpus } from "../lib/ogg.js";
import { CopyWriter, newCopy, placeCopies, removeOld } from "../lib/own-copy.js";
import { RepairClient } from "../lib/repair.js";
import { CHUNK_MS, parseChunk } from "../lib/segment.js";
import { SpareRate } from "../lib/spare-rate.js";
import { VoiceRecorder, canRecord, machineTime } from "../lib/voice-recorder.js";
import { element, make, say } from "./dom.js";
import { number, text } from "./texts.js";

const DRAW_EVERY_MS = 1000;
const CHECK_SPACE_EVERY_MS = 30_000;
/** What a lecture of two hours and a half takes. */
const LITTLE_BYTES = 80e6;
/** A microphone that leaves out more is told of: so much in all, and this share of what was spoken. */
const LEFT_OUT_MS = 1000;
const LEFT_OUT_SHARE = 0.01;
/** Longer than any lecture; what nobody gives back to the disk at once. */
const ALL = { start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER };

/** @typedef {import("../lib/own-copy.js").Facts} Facts */
/** @typedef {"copy_unsupported" | "copy_not_stored" | "copy_failed" | "copy_no_room" | ""} Trouble */

export class Copy {
  /**
   * @param {{base: string, lecture: string, role: string, token: string, session: import("../lib/lecturer-session.js").LecturerSession,
   *   spoken: () => string}} options spoken: the language that is given here, empty where the token says it
   */
  constructor(options) {
    this._options = options;
    this._session = options.session;
    /** @type {CopyStore | null} */
    this._store = null;
    /** @type {RepairClient | null} */
    this._repair = null;
    /** @type {CopyWriter | null} */
    this._writer = null;
    /** @type {VoiceRecorder | null} */
    this._recorder = null;
    /** @type {MediaStreamTrack | null} */
    this._track = null;
    /** @type {SpareRate | null} */
    this._rate = null;
    /** @type {import("../lib/repair.js").Recording | null} */
    this._recording = null;
    this._former_ms = 0;
    /** What the microphones that were stopped had left out. */
    this._left_out_ms = 0;
    this._spoken = "";
    /** @type {Trouble} of what comes from the microphone */
    this._recorderTrouble = canRecord() ? "" : "copy_unsupported";
    /** @type {Trouble} of the browser's storage */
    this._writerTrouble = "";
    this._triedAgain = false;
    this._little = false;
    this._isPlaced = false;
    this._save = element("copy-save", HTMLButtonElement);
    this._save.onclick = () => void this._download();
    setInterval(() => this.draw(), DRAW_EVERY_MS);
    setInterval(() => void this._checkSpace(), CHECK_SPACE_EVERY_MS);
    void this._open();
  }

  /**
   * What is given from here, and kept.
   * @param {MediaStreamTrack | null} track null: nothing
   */
  voice(track) {
    if (track === this._track) return;
    this._track = track;
    this._rate = track ? (this._rate ?? new SpareRate()) : null;
    this._triedAgain = false;
    if (track && canRecord()) this._recorderTrouble = "";
    void this._record();
  }

  /**
   * Another language is spoken from here on: it has a copy of its own.
   * @param {string} language empty where the token says it
   */
  speak(language) {
    if (language === this._spoken) return;
    const [former, isFirst] = [this._writer, this._spoken === ""];
    this._spoken = language;
    if (this._repair) this._repair.language = language;
    this.wake();
    if (isFirst) return;
    this._writer = null;
    this._former_ms += former?.kept_ms ?? 0;
    void this._record().then(() => former?.flush());
  }

  /**
   * How the voice that is sent fares.
   * @param {import("../lib/publisher.js").SendingStats | null} stats null: it does not arrive
   */
  feedback(stats) {
    this._rate?.observe(performance.now(), stats);
  }

  /**
   * The relay has answered a ping.
   * @param {{t_ms: number, sent_ms: number}} pong
   */
  told({ t_ms, sent_ms }) {
    if (this._session.lecture.state !== "live") return;
    const own_ms = performance.timeOrigin + sent_ms;
    const rtt_ms = performance.now() - sent_ms;
    this._writer?.learn(own_ms, t_ms, rtt_ms);
    if (!this._store || this._isPlaced) return;
    this._isPlaced = true;
    const others = { t_ms: own_ms, offset_ms: Math.round(t_ms - own_ms), rtt_ms };
    void placeCopies(this._store, this._options.lecture, others, this._writer?.facts.copy);
  }

  /** The recording may want something. */
  wake() {
    this._repair?.wake();
  }

  draw() {
    const kept_ms = this._former_ms + (this._writer?.kept_ms ?? 0);
    const minutes = number(Math.floor(kept_ms / 60_000));
    const seconds = number(Math.floor(kept_ms / 1000) % 60);
    say(element("copy-state"), kept_ms > 0 ? text("copy_kept", { minutes, seconds }) : "");
    say(element("copy-repair"), this._repairText());
    const trouble = this._troubleText();
    say(element("copy-trouble"), trouble);
    this._save.hidden = kept_ms === 0;
    element("copy-card").hidden = kept_ms === 0 && trouble === "";
  }

  _troubleText() {
    const trouble = this._recorderTrouble || this._writerTrouble;
    if (trouble) return text(trouble);
    if (this._little) return text("copy_space_short");
    const left_out_ms = this._left_out_ms + (this._recorder?.left_out_ms ?? 0);
    const isMuch = left_out_ms >= Math.max(LEFT_OUT_MS, LEFT_OUT_SHARE * (this._writer?.kept_ms ?? 0));
    return isMuch ? text("copy_left_out", { seconds: number(Math.round(left_out_ms / 1000)) }) : "";
  }

  _repairText() {
    const { missing_ms = 0, repaired_ms = 0, state = "" } = this._recording ?? {};
    const [done, all] = [number(Math.round(repaired_ms / 1000)), number(Math.round((repaired_ms + missing_ms) / 1000))];
    if (missing_ms >= 500) return text(this._repair?.finished ? "copy_lacking" : "copy_repairing", { done, all });
    if (repaired_ms > 0) return text("copy_repaired", { done });
    return state === "ended" ? text("copy_whole") : "";
  }

  async _open() {
    try {
      this._store = await CopyStore.open();
    } catch {
      this._writerTrouble = "copy_not_stored";
      this.draw();
      return;
    }
    const { lecture } = this._options;
    await removeOld(this._store, Date.now()).catch(() => {}); // the next page tries again; this one has a voice to keep
    for (const { copy } of await this._copies(this._store)) this._former_ms += (await this._store.count(copy)) * CHUNK_MS;
    this._repair = new RepairClient({
      ...this._options,
      lecture,
      store: this._store,
      rate: () => this._rate,
      onRecording: (recording) => {
        this._recording = recording;
        this.draw();
      },
    });
    await this._record();
    this.draw();
    await this._repair.run();
    this.draw();
  }

  /** @param {CopyStore} store */
  async _copies(store) {
    const { lecture, role } = this._options;
    return (await store.copies(lecture)).filter((facts) => facts.role === role);
  }

  /**
   * Keep what the track says from now on, in the copy that this page has begun or begins now.
   * @param {boolean} [goesOn] false: no longer
   */
  async _record(goesOn = true) {
    const former = this._recorder;
    this._left_out_ms += former?.left_out_ms ?? 0;
    this._recorder = null;
    if (goesOn && this._store && this._track && canRecord()) this._begin(this._store, this._track);
    await former?.stop();
    if (!this._track) this._writer?.flush();
  }

  /**
   * @param {CopyStore} store
   * @param {MediaStreamTrack} track
   */
  _begin(store, track) {
    const { lecture, role } = this._options;
    if (!this._writer) {
      // Asked for when there is something to lose; a browser that refuses may drop the copy when its disk is full.
      void navigator.storage?.persist?.();
      void this._checkSpace();
      const facts = newCopy(lecture, role, Math.round(machineTime()));
      this._writer = new CopyWriter(store, facts, (error) => this._written(error));
    }
    const writer = this._writer;
    const spoken = this._spoken;
    const recorder = new VoiceRecorder(
      track,
      (frame) => {
        // The last frames of a microphone may come when another language is spoken already, which is not theirs.
        writer.setLanguage(spoken || (writer === this._writer && this._repair?.language) || "");
        writer.add(frame);
      },
      () => this._recorder === recorder && this._recorderFailed(),
    );
    this._recorder = recorder;
  }

  /** An encoder that failed once may do with a new one; one that fails again is told. */
  _recorderFailed() {
    if (this._triedAgain) this._recorderTrouble = "copy_failed";
    this._triedAgain = true;
    void this._record(this._recorderTrouble === "");
    this.draw();
  }

  /** @param {unknown} error */
  _written(error) {
    const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
    const trouble = error === null ? "" : isFull ? "copy_no_room" : "copy_not_stored";
    if (trouble === this._writerTrouble) return;
    this._writerTrouble = trouble;
    this.draw();
  }

  async _checkSpace() {
    if (!this._track || !navigator.storage?.estimate) return;
    const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
    this._little = quota - usage < LITTLE_BYTES;
  }

  async _download() {
    if (!this._store) return;
    this._writer?.flush();
    const frames = [];
    for (const { copy } of await this._copies(this._store)) {
      const chunks = await this._store.read(copy, ALL, undefined);
      frames.push(...chunks.map(({ chunk }) => parseChunk(chunk)));
    }
    const url = URL.createObjectURL(oggOpus(frames.flat()));
    make("a", { href: url, download: `${this._options.lecture}.opus` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}
