/**
 * The lecturer's socket: page turns, halls, the deck's progress, the end of the lecture.
 */

import { EntryKind, PROTOCOL_VERSION } from "./protocol.js";
import { LectureSession } from "./session.js";

const PING_EVERY_MS = 5000;
const SILENCE_ALLOWED_MS = 16_000;
/** A pong that took longer tells of an outage, and nothing of the clock. */
const PONG_SOON_MS = 3000;
/** Turns of an outage: fewer at once than a relay takes for a flood. */
const MAX_WAITING = 64;
/** How a relay refuses a turn. */
const TURN_REFUSED = new Set(["deck_unknown", "page_unknown"]);

/**
 * @typedef {import("./socket.js").SocketState} SocketState
 * @typedef {import("./socket.js").CloseReason} CloseReason
 * @typedef {"socket" | "lecture" | "pages" | "shown" | "halls" | "progress" | "question" | "ink" | "pong" | "repair" | "error"} Change
 * @typedef {{deck: string, page: number, at_ms: number, sent: boolean}} WaitingTurn
 *   at_ms: lecture time at which it was made; sent: over the present connection
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
      hello: () => ({ v: PROTOCOL_VERSION, token, role, client: { name: "studio", version }, after_seq: this.model.last_seq }),
      silence_ms: () => SILENCE_ALLOWED_MS,
      onChange,
    });
    /** @type {HallStatus[]} */
    this.halls = [];
    /** @type {{deck: string, done: number, pages: number} | null} */
    this.progress = null;
    /** @type {{deck: string, page: number} | null} the page on the lecturer's screen */
    this.shown = null;
    /** What the token allows, as far as is known. */
    this.role = role;
    /** Whether the lecturer has ended the lecture, and the relay has not said so yet. */
    this.ending = false;
    /** @type {WaitingTurn[]} those that the relay has not told of yet, in order */
    this._waiting = [];
    /** Half of the shortest round trip: the relay's time at which a word that is spoken now arrives there. */
    this._way_ms = Infinity;
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
    const way_ms = Number.isFinite(this._way_ms) ? this._way_ms : 0;
    // Never before a turn that was made earlier, whatever a late message has made of the clock: that one would rule.
    const before_ms = Math.max(this.model.lastTurn()?.t_ms ?? 0, this._waiting.at(-1)?.at_ms ?? 0);
    const at_ms = Math.max(before_ms, Math.round(this.clock.relayTime(performance.now()) + way_ms));
    this._waiting.push({ deck, page, at_ms, sent: false });
    if (this._waiting.length > MAX_WAITING) this._waiting.shift();
    this._sendWaiting();
    this._onChange("shown");
  }

  /**
   * @param {"ink" | "erase" | "pointer"} kind
   * @param {Record<string, any>} fields
   */
  send(kind, fields) {
    return this._socket.send(kind, fields);
  }

  /** End the lecture: now, or as soon as the relay hears of it. */
  end() {
    this.ending = this.lecture.state !== "ended";
    this._socket.send("end");
    this._onChange("lecture");
  }

  /** What the line may have swallowed goes once over each connection, in order, until the relay tells of it. */
  _sendWaiting() {
    for (const turn of this._waiting) {
      const { deck, page, at_ms } = turn;
      turn.sent ||= this._socket.send("turn", { deck, page, at_ms });
    }
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
        if (this._waiting.length === 0 && message.deck && message.page > 0) this.shown = { deck: message.deck, page: message.page };
        if (message.role) this.role = message.role;
        super._take(message);
        this._followEnd();
        this._sendWaiting();
        if (this.ending) this._socket.send("end");
        return;
      case "state":
      case "ended":
        super._take(message);
        this._followEnd();
        return;
      case "error":
        if (TURN_REFUSED.has(message.id)) this._forgetTurns(this._waiting.findIndex(({ sent }) => sent));
        super._take(message);
        return;
      case "entry":
        this._takeEntry(/** @type {any} */ (message));
        return;
      case "pong": {
        const now_ms = performance.now();
        const way_ms = (now_ms - message.sent_ms) / 2;
        this._way_ms = Math.min(this._way_ms, way_ms);
        if (2 * way_ms < PONG_SOON_MS) this.clock.told(message.t_ms + way_ms, now_ms);
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
    if (this.model.turns.length > turns) {
      const { deck, page } = message.fields;
      this._forgetTurns(this._waiting.findIndex((turn) => turn.sent && turn.deck === deck && turn.page === page));
      const turn = this.model.lastTurn();
      // The lecturer's own page does not flip back to where the halls still are.
      if (turn && this._waiting.length === 0) this.shown = { deck: turn.deck, page: turn.page };
      this._onChange("shown");
    } else {
      this._onChange("pages");
    }
  }

  /**
   * The relay has dealt with this turn, and works in order: with those before it, too.
   * @param {number} at its place among those that wait, -1 for none
   */
  _forgetTurns(at) {
    this._waiting.splice(0, at + 1);
  }

  _followEnd() {
    if (this.lecture.state !== "ended") return;
    this.ending = false;
    this._waiting = [];
  }

  /**
   * @param {SocketState} state
   * @param {CloseReason | null} reason
   */
  _socketState(state, reason) {
    if (state !== "open") for (const turn of this._waiting) turn.sent = false;
    if (state === "open") this._ping();
    if (state === "closed") clearInterval(this._timer);
    super._socketState(state, reason);
  }
}
