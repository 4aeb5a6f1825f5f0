/**
 * Brings the relay what its recording lacks, from the copies kept here (docs/protocol.md, section 14).
 */

import { Backoff } from "./backoff.js";
import { readSegment } from "./own-copy.js";
import { RequestError, parseErrorBody } from "./protocol.js";
import { SEGMENT_TYPE, packSegment, sha256 } from "./segment.js";
import { sleep } from "./sleep.js";

/** A relay that misses something says so by the socket: this is for where that got lost. */
const ASK_EVERY_MS = 10_000;
const WAIT_MS = 500;
/** Beside live voice a segment is what the spare rate carries in a second, and has that many bytes at least. */
const LIVE_SEGMENT_S = 1;
const LIVE_SEGMENT_BYTES = 12_288;
const TIMEOUT_MS = 60_000;
/** Refusals that asking again cannot mend: of everything, and of one segment. */
const FINAL_STATUSES = new Set([401, 403, 404, 405, 410]);
const UNFIT_STATUSES = new Set([400, 413, 422]);

/**
 * @typedef {import("./own-copy.js").Facts} Facts
 * @typedef {{kind: string, language: string, start_ms: number, end_ms: number}} Wanted
 * @typedef {{wanted: Wanted[], language: string, missing_ms: number, repaired_ms: number, segment_bytes: number, state: string}} Recording
 * @typedef {{
 *   base: string, lecture: string, role: string, token: string,
 *   store: import("./own-copy.js").Store,
 *   rate: () => import("./spare-rate.js").SpareRate | null,
 *   spoken?: () => string,
 *   onRecording: (recording: Recording) => void,
 * }} RepairOptions
 *   base: the page's address; rate: of what is spare beside live voice, null while none is sent from here;
 *   spoken: the language that is given here, empty where the relay knows it by the token
 */

export class RepairClient {
  /** @param {RepairOptions} options */
  constructor(options) {
    this._options = options;
    this._url = new URL(`/lectures/${encodeURIComponent(options.lecture)}/repair`, options.base).href;
    /** @type {string} id of the error for which the relay will have nothing of it */
    this.unavailable = "";
    /** Whether the lecture has ended, and its recording wants nothing that is kept here. */
    this.finished = false;
    /** The voice that this token gives; empty until the relay has told it. */
    this.language = "";
    /** @type {Set<string>} wanted spans of which the relay did not take what it was sent */
    this._refused = new Set();
    /** @type {(() => void) | null} */
    this._wake = null;
  }

  /** Ask now: there is news. */
  wake() {
    this._wake?.();
  }

  /** Repair until the lecture has ended and nothing is wanted any more, or the relay will not have it. */
  async run() {
    const backoff = new Backoff();
    while (!this.finished && !this.unavailable) {
      let delay_ms = ASK_EVERY_MS;
      try {
        await this.repairOnce();
        backoff.reset();
      } catch (error) {
        // A DOMException is the browser's storage, which may be full or busy for a while.
        if (!(error instanceof RequestError || error instanceof DOMException)) throw error;
        if (error instanceof RequestError && FINAL_STATUSES.has(error.status)) this.unavailable = error.id;
        // The relay may be a new one, which takes what the former did not.
        this._refused.clear();
        delay_ms = backoff.next_ms();
      }
      if (!this.finished && !this.unavailable) await this._rest(delay_ms);
    }
  }

  /**
   * Send what is wanted until nothing is that is kept here.
   * @throws {RequestError}
   */
  async repairOnce() {
    const { store, lecture, role } = this._options;
    const spoken = this._options.spoken?.() ?? "";
    const { state, language } = await this._request("GET", spoken ? `${this._url}?${new URLSearchParams({ language: spoken })}` : this._url);
    this.language = language;
    if (state === "ended") this._refused.clear();
    for (const facts of await store.copies(lecture)) {
      if (facts.role !== role) continue;
      const { wanted } = await this._repairFrom(facts, facts.language || language);
      if (state !== "ended" || wanted.length > 0 || facts.whole_at_ms !== null) continue;
      await store.keep({ ...facts, whole_at_ms: Date.now() });
    }
    this.finished = state === "ended";
  }

  /**
   * @param {Facts} facts
   * @param {string} language
   * @returns {Promise<Recording>} as it is then
   */
  async _repairFrom(facts, language) {
    const query = new URLSearchParams({ copy: facts.copy, language });
    let recording = await this._request("GET", `${this._url}?${query}`);
    // What has been answered as a whole and is wanted still, or was refused, waits for the next time.
    const answered = new Set(this._refused);
    let sent_to_ms = -1;
    for (;;) {
      const wanted = recording.wanted.find((one) => one.kind === "voice" && !answered.has(nameOf(one)));
      if (!wanted) return recording;
      const goes_on = wanted.start_ms === sent_to_ms;
      const options = { language, max_bytes: this._maxBytes(recording), goes_on };
      const segment = await readSegment(this._options.store, facts, wanted, options);
      if (!segment) return recording;
      await this._untilSpare();
      if (segment.end_ms === wanted.end_ms) answered.add(nameOf(wanted));
      try {
        recording = await this._put(packSegment(segment));
        sent_to_ms = segment.end_ms;
      } catch (error) {
        if (!(error instanceof RequestError && UNFIT_STATUSES.has(error.status))) throw error;
        answered.add(nameOf(wanted));
        this._refused.add(nameOf(wanted));
      }
    }
  }

  /** @param {Recording} recording */
  _maxBytes({ segment_bytes }) {
    const rate = this._options.rate();
    if (!rate) return segment_bytes;
    return Math.min(segment_bytes, Math.max(LIVE_SEGMENT_BYTES, (rate.kbps * 1000 * LIVE_SEGMENT_S) / 8));
  }

  async _untilSpare() {
    while (this._options.rate()?.mayBegin(performance.now()) === false) await sleep(WAIT_MS);
  }

  /** @param {Uint8Array<ArrayBuffer>} body */
  async _put(body) {
    const began_ms = performance.now();
    const recording = await this._request("PUT", `${this._url}/${await sha256(body)}`, body);
    const rate = this._options.rate();
    if (rate) await sleep((body.length * 8) / rate.kbps - (performance.now() - began_ms));
    return recording;
  }

  /**
   * @param {"GET" | "PUT"} method
   * @param {string} url
   * @param {Uint8Array<ArrayBuffer>} [body]
   * @returns {Promise<Recording>}
   */
  async _request(method, url, body) {
    const headers = { Authorization: `Bearer ${this._options.token}`, ...(body ? { "Content-Type": SEGMENT_TYPE } : {}) };
    let response, text;
    try {
      response = await fetch(url, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      text = await response.text();
    } catch {
      throw new RequestError(0, { id: "unreachable", text: "" });
    }
    if (!response.ok) throw new RequestError(response.status, parseErrorBody(text, response.status));
    const recording = readRecording(text);
    // Not the relay: a login page of the network's, which stands in its place for a while.
    if (!recording) throw new RequestError(0, { id: "unreachable", text: "" });
    this._options.onRecording(recording);
    return recording;
  }

  /**
   * Until it is time to ask again, or somebody wakes it.
   * @param {number} ms
   */
  async _rest(ms) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this._wake = () => {
        clearTimeout(timer);
        resolve(null);
      };
    });
    this._wake = null;
  }
}

/**
 * @param {string} text
 * @returns {Recording | null}
 */
function readRecording(text) {
  try {
    const recording = JSON.parse(text);
    return Array.isArray(recording?.wanted) ? recording : null;
  } catch {
    return null;
  }
}

/** @param {Wanted} wanted */
function nameOf({ language, start_ms, end_ms }) {
  return `${language} ${start_ms} ${end_ms}`;
}
