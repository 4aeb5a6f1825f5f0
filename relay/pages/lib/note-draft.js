/**
 * A note that is being written: it is about the moment at which writing began, and not about that of its last word.
 */

/** So much of a note is read again in a replay. */
export const MAX_NOTE_CHARS = 1000;

export class NoteDraft {
  /**
   * @param {{moment: () => number | null, send: (text: string, at_ms: number | null) => void}} lecture
   *   moment: lecture time now, null while it is not known
   */
  constructor({ moment, send }) {
    this._moment = moment;
    this._send = send;
    this._text = "";
    /** @type {number | null} */
    this._began_ms = null;
  }

  /** Whether there is anything to be sent. */
  get isEmpty() {
    return this._text === "";
  }

  /** @param {string} text all that stands there now */
  write(text) {
    const words = text.trim();
    if (words && this.isEmpty) this._began_ms = this._moment();
    this._text = words;
  }

  /** Send what stands there, if anything does. */
  finish() {
    if (this.isEmpty) return;
    this._send(this._text, this._began_ms);
    this._text = "";
  }
}

/**
 * Whether a key press belongs to the word that an input method is putting together, as Enter does that ends a Korean one.
 * @param {{isComposing: boolean, keyCode: number}} event
 */
export function isComposing(event) {
  // Safari ends the composition before it tells of the key, and leaves only the key code of the old days.
  return event.isComposing || event.keyCode === 229;
}
