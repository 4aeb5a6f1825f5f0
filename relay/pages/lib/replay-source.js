/**
 * Where the replay page gets a recording from. Everything that it shows or plays comes through one `ReplaySource`.
 */

/**
 * @typedef {"light" | "full"} Rung light: for thin lines (12 kbit/s of Opus); full: the archive's rung (16 kbit/s)
 * @typedef {{language: string, rungs: Partial<Record<Rung, number>>}} ReplayVoice rungs: kbit/s of each that there is
 * @typedef {{deck: string, page: number, title: string, images: string[], drawn?: boolean}} ReplayPage page counts from
 *   1; images: names for `image`, the legible tier first, the sharp one last, none if it was never rendered; drawn:
 *   whether `drawing` has something on it
 * @typedef {[t_ms: number, page: number]} ReplayTurn page: index in `pages`
 * @typedef {[t_ms: number, words: string]} ReplayNote
 * @typedef {[start_ms: number, end_ms: number, words: string]} ReplayCaption lines of words are separated by newlines
 * @typedef {{
 *   lecture: string, title: string, course: string, revision: string, duration_ms: number, segment_ms: number,
 *   voice: ReplayVoice[], pages: ReplayPage[], turns: ReplayTurn[], questions: ReplayNote[], marks: ReplayNote[],
 *   camera: {offset_ms: number, kbps: number} | null, screen: [start_ms: number, end_ms: number][],
 *   captions?: string[],
 * }} Replay voice: the lecturer's language first; all lists in order of lecture time; camera.offset_ms: lecture time at
 *   which its film begins; captions: the languages that have some
 * @typedef {{t_ms: number, order: number, fields: Record<string, any>}} DrawnMark order: `number` of an ink entry, `seq`
 *   of a pointer entry; fields: the entry's (docs/protocol.md, section 6) without `deck` and `page`
 * @typedef {{ink: DrawnMark[], pointer: DrawnMark[]}} ReplayDrawing in order of lecture time
 * @typedef {{segments: Record<string, number[]>, images: string[]}} Kept segments: numbers by language
 */

/**
 * What a source must give. One implementation reads from a relay (`HttpSource`), another may read from files that lie
 * beside the page, without any server. Methods that give promises reject with a `SourceError` when what is asked for is
 * not to be had: with `gone` set if asking again is vain, else the page asks again later.
 *
 * @typedef {object} ReplaySource
 * @property {string} lecture id of the lecture, for what the browser remembers of it
 * @property {() => Promise<Replay>} manifest
 * @property {(language: string, rung: Rung, n: number, take: (bytes: Uint8Array) => Promise<void>, signal: AbortSignal)
 *   => Promise<void>} voiceSegment
 *   Segment n of the voice: lecture time [n × segment_ms, (n + 1) × segment_ms), the last one up to duration_ms, as a
 *   WebM file with one Opus track whose times are lecture time, silence where nothing was recorded. `take` is called
 *   with its bytes in order, in one piece or in many, each call awaited. Language "-" is the lecture's first. A source
 *   without that rung gives the other one.
 * @property {(name: string, signal: AbortSignal) => Promise<string>} image
 *   An address for an <img>; names as in `ReplayPage.images`.
 * @property {(page: number) => Promise<ReplayDrawing>} drawing ink and pointer of `pages[page]`
 * @property {(language: string) => Promise<Uint8Array>} waveform
 *   Loudness from 0 to 255 of equal parts of the lecture, as many as the source likes.
 * @property {(n: number, whole: boolean) => Promise<Uint8Array>} screen
 *   Updates of the shared screen of segment n (SCREEN_SEGMENT_MS long): each 8 bytes lecture time, 4 bytes length, then
 *   the update (docs/protocol.md, section 13). With `whole` the first one shows the screen as it stood when the segment
 *   began and needs none before it; without, they follow those of segment n - 1.
 * @property {() => Promise<string>} camera an address for a <video>
 * @property {(language: string) => Promise<ReplayCaption[]>} captions in order of their beginnings
 * @property {string} momentUrl
 *   Address of this page without a fragment, for links to a moment; "" where a link would lead nobody else here.
 * @property {Offline | null} offline what is kept for reading without a line; null where everything lies here anyway
 *
 * @typedef {object} Offline
 * @property {Promise<void>} ready settles when something can be kept, rejects where nothing can
 * @property {() => Promise<Kept>} kept
 * @property {(replay: Replay, language: string, told: (done: number, of: number) => void, signal: AbortSignal) => Promise<void>} keep
 *   Fetch the whole lecture (light voice of this language, all pages) at low priority.
 */

export const SCREEN_SEGMENT_MS = 60_000;

/** Something that is not to be had. */
export class SourceError extends Error {
  /**
   * @param {string} id stable: a relay's error id, or "offline"
   * @param {boolean} gone whether asking again is vain
   */
  constructor(id, gone) {
    super(id);
    this.id = id;
    this.gone = gone;
  }
}

/**
 * Reads from a relay, over HTTP.
 * @implements {ReplaySource}
 */
export class HttpSource {
  /**
   * @param {string} lecture
   * @param {string} token "" where the library is open
   */
  constructor(lecture, token) {
    this.lecture = lecture;
    this.momentUrl = `${location.origin}/library/${encodeURIComponent(lecture)}`;
    /** @type {Offline | null} */
    this.offline = null;
    this.authorization = token ? `Bearer ${token}` : "";
    /** Without it the relay answers for what is there now; with it the browser may keep the answer for ever. */
    this.revision = "";
  }

  /** @param {Promise<Response>} [asked] the answer, if it was asked for already */
  async manifest(asked) {
    /** @type {Replay} */
    const replay = await (await (asked ? this._checked(asked) : this._get("replay.json"))).json().catch(lineDown);
    this.revision = replay.revision;
    return replay;
  }

  /** @type {ReplaySource["voiceSegment"]} */
  async voiceSegment(language, rung, n, take, signal) {
    const response = await this._get(this.voicePath(language, rung, n), { signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(lineDown);
      if (done) return;
      await take(value);
    }
  }

  /** @type {ReplaySource["image"]} */
  async image(name, signal) {
    const response = await this._get(this.imagePath(name), { signal });
    return URL.createObjectURL(await response.blob().catch(lineDown));
  }

  /** @type {ReplaySource["drawing"]} */
  async drawing(page) {
    return (await this._get(this.drawingPath(page))).json().catch(lineDown);
  }

  /** @type {ReplaySource["waveform"]} */
  async waveform(language) {
    const response = await this._get(this.waveformPath(language));
    return new Uint8Array(await response.arrayBuffer().catch(lineDown));
  }

  /** @type {ReplaySource["screen"]} */
  async screen(n, whole) {
    const response = await this._get(this._versioned(`screen/${n}${whole ? "/whole" : ""}`));
    return new Uint8Array(await response.arrayBuffer().catch(lineDown));
  }

  /** @type {ReplaySource["captions"]} */
  async captions(language) {
    return (await this._get(this.captionsPath(language))).json().catch(lineDown);
  }

  /** A <video> sends no token: where one is needed the film is fetched whole. */
  async camera() {
    const path = this._versioned("camera.webm");
    if (!this.authorization) return this._url(path);
    return URL.createObjectURL(await (await this._get(path)).blob().catch(lineDown));
  }

  /**
   * @param {string} language
   * @param {Rung} rung
   * @param {number} n
   */
  voicePath(language, rung, n) {
    return this._versioned(`voice/${encodeURIComponent(language)}/${rung}/${n}.webm`);
  }

  /** @param {number} page */
  drawingPath(page) {
    return this._versioned(`drawing/${page}.json`);
  }

  /** @param {string} language */
  waveformPath(language) {
    return this._versioned(`waveform/${encodeURIComponent(language)}`);
  }

  /** @param {string} language */
  captionsPath(language) {
    return this._versioned(`captions/${encodeURIComponent(language)}.json`);
  }

  /**
   * Fetch something only to have it kept, after everything else.
   * @param {string} path
   * @param {AbortSignal} signal
   */
  async fetchWhole(path, signal) {
    await (await this._get(path, { signal, priority: "low" })).arrayBuffer().catch(lineDown);
  }

  /** @param {string} name */
  imagePath(name) {
    return `blob/${name}`;
  }

  /**
   * @param {string} path below the lecture's address
   * @param {RequestInit} [options]
   * @returns {Promise<Response>}
   */
  async _get(path, options) {
    const headers = this.authorization ? { Authorization: this.authorization } : undefined;
    return this._checked(fetch(this._url(path), { headers, ...options }));
  }

  /** @param {Promise<Response>} asked */
  async _checked(asked) {
    const response = await asked.catch(lineDown);
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({}));
    throw new SourceError(error?.id ?? String(response.status), response.status < 500 && response.status !== 429);
  }

  /** @param {string} path */
  _url(path) {
    return `/library/${encodeURIComponent(this.lecture)}/${path}`;
  }

  /** @param {string} path */
  _versioned(path) {
    return this.revision ? `${path}?v=${this.revision}` : path;
  }
}

/**
 * @param {unknown} error what fetch or a broken body was rejected with
 * @returns {never}
 */
function lineDown(error) {
  if (error instanceof DOMException && error.name === "AbortError") throw error;
  throw new SourceError("offline", false);
}
