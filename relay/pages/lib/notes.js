/**
 * Which of the lecturer's notes (`mark`) a hall shows, and for how long.
 */

import { EntryKind } from "./protocol.js";

const SHOWN_MS = 30_000;
/**
 * A note whose moment is longer ago when it could first be shown is history: who joins late is not told of it. Its moment is that at which
 * writing began, and the line may have been down: so long a note may take to come.
 */
const LATE_MS = 300_000;
/** The oldest are forgotten first: they are history. */
export const MAX_NOTES = 1000;

/** @typedef {{t_ms: number, text: string}} Note text: empty takes the note before away */

/** Takes notes in any order; the newest whose moment has come is shown for a while, or until the next one. */
export class Notes {
  constructor() {
    /** @type {Note | null} what people see */
    this.shown = null;
    /** @type {Note[]} in order of lecture time, MAX_NOTES at most */
    this._notes = [];
    /** @type {Note | null} */
    this._due = null;
    this._until_ms = 0;
  }

  /** @param {import("./deck.js").EntryMessage} message not taken before */
  take({ t_ms, entry_kind, fields }) {
    if (entry_kind !== EntryKind.MARK || typeof fields.text !== "string") return;
    let at = this._notes.length;
    while (at > 0 && this._notes[at - 1].t_ms > t_ms) at -= 1;
    this._notes.splice(at, 0, { t_ms, text: fields.text.trim() });
    if (this._notes.length > MAX_NOTES) this._notes.shift();
  }

  /**
   * @param {number} moment_ms lecture time that is heard
   * @param {number} now_ms
   * @returns {string} what people see of notes then
   */
  look(moment_ms, now_ms) {
    const due = this._notes.findLast(({ t_ms }) => t_ms <= moment_ms) ?? null;
    if (due !== this._due) {
      this._due = due;
      this.shown = due && moment_ms - due.t_ms <= LATE_MS ? due : null;
      this._until_ms = now_ms + SHOWN_MS;
    } else if (now_ms >= this._until_ms) {
      this.shown = null;
    }
    return this.shown?.text ?? "";
  }
}
