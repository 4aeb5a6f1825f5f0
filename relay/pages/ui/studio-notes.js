/**
 * Studio, below the page: a note at this moment of the lecture, found again in the recording.
 */

import { MAX_NOTE_CHARS, NoteDraft, isComposing } from "../lib/note-draft.js";
import { element, isForControl, say } from "./dom.js";
import { clockTime, text } from "./texts.js";

export class NoteField {
  /**
   * @param {{session: import("../lib/lecturer-session.js").LecturerSession, writes: boolean}} options
   *   writes: whether this role writes notes
   */
  constructor({ session, writes }) {
    this._session = session;
    this._field = element("note", HTMLInputElement);
    this._field.maxLength = MAX_NOTE_CHARS;
    this._draft = new NoteDraft({ moment: () => session.moment(), send: (words, at_ms) => session.note(words, at_ms) });
    /** @type {number | null} lecture time of the newest one that the relay has told of */
    this._kept_ms = null;
    element("notes").hidden = !writes;
    if (writes) this._listen();
  }

  /** @param {{t_ms: number}} [kept] a note that the relay has told of */
  draw(kept) {
    if (kept) this._kept_ms = kept.t_ms;
    this._field.disabled = this._session.lecture.state === "ended";
    element("note-add", HTMLButtonElement).disabled = this._field.disabled || this._draft.isEmpty;
    say(element("note-state"), this._stateText());
  }

  _stateText() {
    if (this._session.isNoting) return this._session.connected ? "" : text("note_waiting");
    return this._kept_ms === null ? "" : text("note_kept", { time: clockTime(this._kept_ms) });
  }

  _listen() {
    this._field.oninput = () => {
      this._draft.write(this._field.value);
      this.draw();
    };
    this._field.onkeydown = (event) => {
      if (isComposing(event)) return;
      if (event.key === "Enter") this._finish();
      else if (event.key === "Escape") this._field.blur();
    };
    element("note-add").onclick = () => this._finish();
    document.addEventListener("keydown", (event) => {
      if (event.code !== "KeyN" || event.repeat || isForControl(event)) return;
      event.preventDefault();
      this._field.focus();
    });
  }

  /** The keys are the page's again. */
  _finish() {
    this._draft.finish();
    this._field.value = "";
    this._field.blur();
    this.draw();
  }
}
