/**
 * A recording in a folder, on a USB stick: the replay page reads it without a server.
 *
 * A page opened from a folder may load scripts, images and films that lie beside it, but read no other file. So what
 * must be read comes as scripts, each of which calls `hallcastPack` (recordings/pack_scripts.py writes them).
 */

import { SourceError } from "./replay-source.js";

/** What bytes 0x80 to 0x9f are in windows-1252, the encoding of these scripts; all others are themselves. */
const HIGH = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
/** Scripts whose bytes are kept: each holds some minutes of voice or screen. */
const KEPT = 6;

/**
 * @typedef {import("./replay-source.js").ReplaySource} ReplaySource
 * @typedef {import("./replay-source.js").Replay} Replay
 * @typedef {{replay: Replay, drawings: import("./replay-source.js").ReplayDrawing[], images: Record<string, string>,
 *   camera: string, voice_group: number, screen_group: number}} Contents images: files by name; camera: its file, "" for
 *   none; voice_group, screen_group: segments in one script
 */

/**
 * The bytes that a script's string stands for.
 * @param {string} characters
 * @returns {Uint8Array}
 */
export function bytesOf(characters) {
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at += 1) {
    const code = characters.charCodeAt(at);
    bytes[at] = code < 256 ? code : 0x80 + HIGH.indexOf(characters[at]);
  }
  return bytes;
}

/**
 * Reads from files that lie beside the page.
 * @implements {ReplaySource}
 */
export class PackSource {
  /**
   * @param {string} lecture
   * @param {(file: string) => Promise<void>} load runs the script in that file
   */
  constructor(lecture, load) {
    this.lecture = lecture;
    this.momentUrl = "";
    this.offline = null;
    this._load = load;
    /** @type {Map<string, unknown>} what scripts have brought just now */
    this._brought = new Map();
    /** @type {Map<string, Promise<unknown>>} the last used last */
    this._kept = new Map();
    /** @type {Promise<Contents> | null} */
    this._lecture = null;
    /** @type {any} */ (globalThis).hallcastPack = (/** @type {string} */ name, /** @type {unknown} */ facts, /** @type {string | undefined} */ text) => {
      this._brought.set(name, text === undefined ? facts : pieces(bytesOf(text), /** @type {number[]} */ (facts)));
    };
  }

  async manifest() {
    return (await this._contents()).replay;
  }

  /** @type {ReplaySource["voiceSegment"]} */
  async voiceSegment(language, _rung, n, take, signal) {
    const { replay, voice_group } = await this._contents();
    if (n * replay.segment_ms >= replay.duration_ms) throw new SourceError("segment_missing", true);
    const at = replay.voice.findIndex((voice) => voice.language === language);
    const found = /** @type {Uint8Array[]} */ (await this._get(`voice-${Math.max(0, at)}-${Math.floor(n / voice_group)}`));
    signal.throwIfAborted();
    await take(found[n % voice_group]);
  }

  /** @type {ReplaySource["image"]} */
  async image(name) {
    const file = (await this._contents()).images[name];
    if (!file) throw new SourceError("page_missing", true);
    return file;
  }

  /** @type {ReplaySource["drawing"]} */
  async drawing(page) {
    return (await this._contents()).drawings[page];
  }

  /** @type {ReplaySource["waveform"]} */
  async waveform(language) {
    const { replay } = await this._contents();
    const at = replay.voice.findIndex((voice) => voice.language === language);
    return /** @type {Uint8Array[]} */ (await this._get(`waveform-${Math.max(0, at)}`))[0];
  }

  /**
   * The first update always shows the screen as it stood.
   * @type {ReplaySource["screen"]}
   */
  async screen(n) {
    const { screen_group } = await this._contents();
    const found = /** @type {Uint8Array[]} */ (await this._get(`screen-${Math.floor(n / screen_group)}`));
    return found[n % screen_group] ?? new Uint8Array();
  }

  /** @type {ReplaySource["captions"]} */
  async captions(language) {
    const { replay } = await this._contents();
    const at = (replay.captions ?? []).indexOf(language);
    return /** @type {import("./replay-source.js").ReplayCaption[]} */ (await this._get(`captions-${at}`));
  }

  async camera() {
    return (await this._contents()).camera;
  }

  /** @returns {Promise<Contents>} */
  _contents() {
    this._lecture ??= /** @type {Promise<Contents>} */ (this._get("lecture"));
    return this._lecture;
  }

  /**
   * What a script brings; each is run once while it is kept.
   * @param {string} name
   * @returns {Promise<unknown>}
   */
  _get(name) {
    let found = this._kept.get(name);
    this._kept.delete(name);
    found ??= this._load(`data/${name}.js`).then(
      () => {
        const brought = this._brought.get(name);
        this._brought.delete(name);
        return brought;
      },
      () => {
        this._kept.delete(name);
        throw new SourceError("file_missing", true);
      },
    );
    this._kept.set(name, found);
    if (this._kept.size > KEPT) this._kept.delete(/** @type {string} */ (this._kept.keys().next().value));
    return found;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number[]} lengths
 */
function pieces(bytes, lengths) {
  let end = 0;
  return lengths.map((length) => bytes.subarray(end, (end += length)));
}
