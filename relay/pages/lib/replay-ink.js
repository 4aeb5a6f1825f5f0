/**
 * What is drawn on one page of a replay, and where the pointer is on it, at any moment.
 */

import { InkModel } from "./ink.js";
import { EntryKind } from "./protocol.js";
import { indexAt } from "./replay.js";

/** A pointer that was not taken away has been forgotten when nothing was heard of it for so long. */
const POINTER_REST_MS = 10_000;

export class ReplayInk {
  /** @param {import("./replay-source.js").ReplayDrawing} drawing */
  constructor({ ink, pointer }) {
    this._pointer = pointer;
    this._model = new InkModel();
    for (const { t_ms, order, fields } of ink) {
      this._model.take({ seq: order, t_ms, entry_kind: EntryKind.INK, fields: { ...fields, deck: "", page: 0 } });
    }
  }

  /**
   * @param {number} t_ms
   * @returns {import("./ink.js").Drawing}
   */
  at(t_ms) {
    const { strokes } = this._model.at(t_ms, "", 0);
    const place = this._pointer[indexAt(this._pointer, t_ms, (mark) => mark.t_ms)];
    const isHere = place?.fields.shown && t_ms - place.t_ms < POINTER_REST_MS;
    return { strokes, pointer: isHere ? [place.fields.x, place.fields.y] : null };
  }
}
