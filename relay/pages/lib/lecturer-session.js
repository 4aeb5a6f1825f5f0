/**
 * The lecturer's socket: page turns, halls, the deck's progress, the end of the lecture.
 */

import { LectureModel } from "./deck.js";
import { LectureClock } from "./lecture-clock.js";
import { PROTOCOL_VERSION, socketUrl } from "./protocol.js";
import { RelaySocket } from "./socket.js";

const PING_EVERY_MS = 5000;
const SILENCE_ALLOWED_MS = 16_000;

/**
 * @typedef {import("./socket.js").SocketState} SocketState
 * @typedef {import("./socket.js").CloseReason} CloseReason
 * @typedef {"socket" | "lecture" | "pages" | "shown" | "halls" | "progress" | "question" | "error"} Change
 * @typedef {{name: string, connected: boolean, behind_ms: number, page: number, heads: number, rung: string,
 *   fraction_lost: number, rtt_ms: number, received_kbps: number}} HallStatus
 */

export class LecturerSession {
  /**
   * @param {{base: string, lecture: string, token: string, role: string, version: string,
   *   onChange: (change: Change, detail?: any) => void}} options
   *   base: the page's address; onChange: what to draw anew
   */
  constructor({ base, lecture, token, role, version, onChange }) {
    this._onChange = onChange;
    this.model = new LectureModel();
    this.clock = new LectureClock();
    this.lecture = { id: lecture, title: "", course: "", state: "planned" };
    this.publisher = "none";
    /** @type {HallStatus[]} */
    this.halls = [];
    /** @type {{deck: string, done: number, pages: number} | null} */
    this.progress = null;
    /** @type {{deck: string, page: number} | null} the page on the lecturer's screen */
    this.shown = null;
    /** @type {{deck: string, page: number} | null} the one turn that waits for the socket; a later turn replaces it */
    this._unsent = null;
    this._pings = 0;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._timer = undefined;
    this._socket = new RelaySocket({
      url: socketUrl(`/ws/lecturer/${encodeURIComponent(lecture)}`, base),
      hello: () => ({ v: PROTOCOL_VERSION, token, role, client: { name: "studio", version } }),
      onMessage: (message) => this._take(message),
      onState: (state, reason) => this._socketState(state, reason),
      silence_ms: () => SILENCE_ALLOWED_MS,
    });
  }

  connect() {
    this._socket.connect();
    this._timer = setInterval(() => this._ping(), PING_EVERY_MS);
  }

  /** Try at once: the browser has noticed that the network is back. */
  retryNow() {
    this._socket.retryNow();
  }

  close() {
    clearInterval(this._timer);
    this._socket.close();
  }

  get connected() {
    return this._socket.state === "open";
  }

  /**
   * Show a page: here at once, in the halls as soon as the relay hears of it.
   * @param {string} deck
   * @param {number} page
   */
  turn(deck, page) {
    this.shown = { deck, page };
    this._unsent = this._socket.send("turn", { deck, page }) ? null : { deck, page };
    this._onChange("shown");
  }

  /** @returns {boolean} whether the relay could be told */
  end() {
    return this._socket.send("end");
  }

  _ping() {
    this._pings += 1;
    this._socket.send("ping", { id: this._pings, sent_ms: Math.round(performance.now()) });
  }

  /** @param {import("./protocol.js").Message} message */
  _take(message) {
    const now_ms = performance.now();
    switch (message.kind) {
      case "welcome":
        this.lecture = { ...this.lecture, ...message.lecture };
        this.clock.run(this.lecture.state === "live", now_ms);
        this.clock.told(message.t_ms, now_ms);
        // The history that follows begins with the deck. Where a page is shown already, it is known before that:
        // a page opened in mid-lecture must not turn the halls back to the deck's beginning.
        if (this._unsent) this.turn(this._unsent.deck, this._unsent.page);
        else if (message.deck && message.page > 0) this.shown = { deck: message.deck, page: message.page };
        this._onChange("lecture");
        break;
      case "entry":
        this._takeEntry(/** @type {any} */ (message));
        break;
      case "clock":
        this.clock.told(message.t_ms, now_ms);
        break;
      case "pong":
        this.clock.told(message.t_ms + (now_ms - message.sent_ms) / 2, now_ms);
        break;
      case "state":
        this.publisher = message.publisher;
        this.lecture.state = message.lecture;
        this.clock.run(message.lecture === "live", now_ms);
        this._onChange("lecture");
        break;
      case "halls":
        this.halls = message.halls;
        this._onChange("halls");
        break;
      case "deck_progress":
        this.progress = { deck: message.deck, done: message.done, pages: message.pages };
        this._onChange("progress");
        break;
      case "ended":
        this.lecture.state = "ended";
        this.clock.run(false, now_ms);
        this._onChange("lecture");
        break;
      case "error":
        this._onChange("error", { id: message.id, text: message.text });
        break;
      default: // A newer relay's message.
    }
  }

  /** @param {import("./deck.js").EntryMessage} message */
  _takeEntry(message) {
    const turns = this.model.turns.length;
    const questions = this.model.questions.length;
    if (!this.model.apply(message)) return;
    if (this.model.questions.length > questions) this._onChange("question");
    if (this.model.turns.length > turns && !this._unsent) {
      const turn = this.model.lastTurn();
      if (turn) this.shown = { deck: turn.deck, page: turn.page };
      this._onChange("shown");
    } else {
      this._onChange("pages");
    }
  }

  /**
   * @param {SocketState} state
   * @param {CloseReason | null} reason
   */
  _socketState(state, reason) {
    if (state === "open") this._ping();
    if (state === "closed") clearInterval(this._timer);
    this._onChange("socket", reason);
  }

  /** @returns {SocketState} */
  get socketState() {
    return this._socket.state;
  }
}
