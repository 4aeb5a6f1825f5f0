/**
 * The lecturer's socket: page turns, pen and pointer, notes, halls, the deck's progress, the end of the lecture.
 */

import { Outbox } from "./outbox.js";
import { EntryKind, PROTOCOL_VERSION } from "./protocol.js";
import { randomId } from "./random-id.js";
import { LectureSession } from "./session.js";

const PING_EVERY_MS = 5000;
const SILENCE_ALLOWED_MS = 16_000;
/** A pong that took longer tells of an outage, and nothing of the clock. */
const PONG_SOON_MS = 3000;
/** The clock is set anew where it is wrong by more: what was done by the old one rules no more. */
const JUMP_MS = 3000;
/** How a relay refuses a turn. */
const TURN_REFUSED = new Set(["deck_unknown", "page_unknown"]);

/**
 * @typedef {import("./socket.js").SocketState} SocketState
 * @typedef {import("./socket.js").CloseReason} CloseReason
 * @typedef {"socket" | "lecture" | "pages" | "shown" | "halls" | "progress" | "question" | "ink" | "note" | "pong" | "repair" | "error"} Change
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
    /** Whether lecture time is known: nothing that is done before has a moment of its own. */
    this._knowsTime = false;
    /** Lecture time of what was done last. */
    this._done_ms = 0;
    this._outbox = new Outbox({
      send: (kind, fields) => this._socket.send(kind, fields),
      ping: () => this._ping(0),
    });
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
   * Lecture time at which a word that is spoken now, and what is done now, comes to the relay.
   * @returns {number | null} null while it is not known
   */
  moment() {
    if (!this._knowsTime) return null;
    const way_ms = Number.isFinite(this._way_ms) ? this._way_ms : 0;
    const now_ms = Math.round(this.clock.relayTime(performance.now()) + way_ms);
    if (this._done_ms > now_ms + JUMP_MS) this._done_ms = 0;
    // Never before what was done earlier, whatever a late message has made of the clock: that would rule.
    this._done_ms = Math.max(this.model.lastTurn()?.t_ms ?? 0, this._done_ms, now_ms);
    return this._done_ms;
  }

  /**
   * Show a page: here at once, in the halls as soon as the relay hears of it.
   * @param {string} deck
   * @param {number} page
   */
  turn(deck, page) {
    this.shown = { deck, page };
    this._outbox.put("turn", { deck, page, at_ms: this.moment() });
    this._onChange("shown");
  }

  /**
   * Draw, or take back: here at once, in the halls and the recording at this moment of the lecture.
   * @param {"ink" | "erase"} kind
   * @param {Record<string, any>} fields
   */
  draw(kind, fields) {
    this._outbox.put(kind, { ...fields, at_ms: this.moment() });
  }

  /** @param {Record<string, any>} fields where the pointer is; over a line that is down only the last place goes */
  point(fields) {
    this._outbox.point(fields);
  }

  /**
   * @param {string} text
   * @param {number | null} at_ms the moment of the lecture that it is about
   */
  note(text, at_ms) {
    this._outbox.put("mark", { text, at_ms, id: randomId() });
    this._onChange("note");
  }

  /** Whether a note is on its way, or not on the relay's disk yet. */
  get isNoting() {
    return this._outbox.waits("mark");
  }

  /**
   * What lies over a page for the lecturer: with what the relay does not know yet.
   * @param {string} deck
   * @param {number} page
   */
  drawing(deck, page) {
    return this.model.ink.at(Infinity, deck, page, this._outbox.drawn);
  }

  /** End the lecture: now, or as soon as the relay hears of it. */
  end() {
    this.ending = this.lecture.state !== "ended";
    this._outbox.put("end", {});
    this._onChange("lecture");
  }

  /** The lecturer gives on after all: what the relay has not heard of the end it shall not hear. */
  goOn() {
    if (!this.ending) return;
    this.ending = false;
    this._outbox.withdraw("end");
    this._onChange("lecture");
  }

  /**
   * @param {number} [sent_ms] 0: the answer is to tell no time
   * @returns {number} its id
   */
  _ping(sent_ms = Math.max(1, Math.round(performance.now()))) {
    this._pings += 1;
    this._socket.send("ping", { id: this._pings, sent_ms });
    return this._pings;
  }

  /** @param {import("./protocol.js").Message} message */
  _take(message) {
    switch (message.kind) {
      case "welcome":
        // The history that follows begins with the deck. Where a page is shown already, it is known before that:
        // a page opened in mid-lecture must not turn the halls back to the deck's beginning.
        if (this._outbox.turns.length === 0 && message.deck && message.page > 0) this.shown = { deck: message.deck, page: message.page };
        if (message.role) this.role = message.role;
        this._knowsTime = true;
        super._take(message);
        this._followEnd();
        if (this.ending && !this._outbox.waits("end")) this._outbox.put("end", {});
        else this._outbox.flush();
        return;
      case "state":
      case "ended":
        super._take(message);
        this._followEnd();
        return;
      case "error":
        if (TURN_REFUSED.has(message.id)) this._outbox.refusedTurn();
        super._take(message);
        return;
      case "entry":
        this._takeEntry(/** @type {any} */ (message));
        return;
      case "pong": {
        const wasNoting = this.isNoting;
        this._outbox.answered(message.id);
        if (wasNoting && !this.isNoting) this._onChange("note");
        if (!message.sent_ms) return;
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
    const { entry_kind, fields } = message;
    if (entry_kind === EntryKind.INK || entry_kind === EntryKind.POINTER) {
      if (fields.erase) this._outbox.heardErasing(fields);
      this._onChange("ink");
      return;
    }
    if (entry_kind === EntryKind.MARK && this._outbox.heardMark(fields.id)) this._onChange("note", message);
    if (this.model.questions.length > questions) this._onChange("question");
    if (this.model.turns.length > turns) {
      this._outbox.heardTurn(fields.deck, fields.page);
      const turn = this.model.lastTurn();
      // The lecturer's own page does not flip back to where the halls still are.
      if (turn && this._outbox.turns.length === 0) this.shown = { deck: turn.deck, page: turn.page };
      this._onChange("shown");
    } else {
      this._onChange("pages");
    }
  }

  _followEnd() {
    if (this.lecture.state !== "ended") return;
    this.ending = false;
    this._outbox.clear();
  }

  /**
   * @param {SocketState} state
   * @param {CloseReason | null} reason
   */
  _socketState(state, reason) {
    if (state !== "open") this._outbox.lost();
    if (state === "open") this._ping();
    if (state === "closed") clearInterval(this._timer);
    super._socketState(state, reason);
  }
}
