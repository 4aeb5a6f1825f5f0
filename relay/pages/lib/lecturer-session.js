/**
 * The lecturer's socket: page turns, halls, the deck's progress, the end of the lecture.
 */

import { EntryKind, PROTOCOL_VERSION } from "./protocol.js";
import { LectureSession } from "./session.js";

const PING_EVERY_MS = 5000;
const SILENCE_ALLOWED_MS = 16_000;

/**
 * @typedef {import("./socket.js").SocketState} SocketState
 * @typedef {import("./socket.js").CloseReason} CloseReason
 * @typedef {"socket" | "lecture" | "pages" | "shown" | "halls" | "progress" | "question" | "ink" | "pong" | "repair" | "error"} Change
 * @typedef {{name: string, connected: boolean, behind_ms: number, page: number, heads: number, rung: string,
 *   fraction_lost: number, rtt_ms: number, received_kbps: number}} HallStatus
 */

/** @extends {LectureSession<Change>} */
export class LecturerSession extends LectureSession {
  /**
   * @param {{base: string, lecture: string, token: string, role: string, version: string,
   *   onChange: (change: Change, detail?: any) => void}} options
   *   base: the page's address; onChange: what to draw anew
   */
  constructor({ base, lecture, token, role, version, onChange }) {
    super({
      base,
      ws: `/ws/lecturer/${encodeURIComponent(lecture)}`,
      lecture: { id: lecture, title: "" },
      hello: () => ({ v: PROTOCOL_VERSION, token, role, client: { name: "studio", version } }),
      silence_ms: () => SILENCE_ALLOWED_MS,
      onChange,
    });
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
  }

  connect() {
    super.connect();
    this._timer = setInterval(() => this._ping(), PING_EVERY_MS);
  }

  close() {
    clearInterval(this._timer);
    super.close();
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

  /**
   * @param {"ink" | "erase" | "pointer"} kind
   * @param {Record<string, any>} fields
   */
  send(kind, fields) {
    return this._socket.send(kind, fields);
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
    switch (message.kind) {
      case "welcome":
        // The history that follows begins with the deck. Where a page is shown already, it is known before that:
        // a page opened in mid-lecture must not turn the halls back to the deck's beginning.
        if (!this._unsent && message.deck && message.page > 0) this.shown = { deck: message.deck, page: message.page };
        super._take(message);
        if (this._unsent) this.turn(this._unsent.deck, this._unsent.page);
        return;
      case "entry":
        this._takeEntry(/** @type {any} */ (message));
        return;
      case "pong": {
        const now_ms = performance.now();
        this.clock.told(message.t_ms + (now_ms - message.sent_ms) / 2, now_ms);
        this._onChange("pong", message);
        return;
      }
      case "halls":
        this.halls = message.halls;
        this._onChange("halls");
        return;
      case "repair":
        this._onChange("repair");
        return;
      case "deck_progress":
        this.progress = { deck: message.deck, done: message.done, pages: message.pages };
        this._onChange("progress");
        return;
      default:
        super._take(message);
    }
  }

  /** @param {import("./deck.js").EntryMessage} message */
  _takeEntry(message) {
    const turns = this.model.turns.length;
    const questions = this.model.questions.length;
    if (!this.model.apply(message)) return;
    if (message.entry_kind === EntryKind.INK || message.entry_kind === EntryKind.POINTER) {
      this._onChange("ink");
      return;
    }
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
    super._socketState(state, reason);
  }
}
