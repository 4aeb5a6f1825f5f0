/**
 * What is drawn on a page, and where the pointer is, at a moment of the lecture.
 */

import { EntryKind } from "./protocol.js";

const MAX_SPANS = 64;
/** Places of the pointer: nobody looks back further than an outage. Beyond that some of the oldest go. */
const MAX_PLACES = 4000;
const PLACES_GONE = 1000;

/**
 * @typedef {[number, number]} Point shares of the page's width and height
 * @typedef {{stroke: string, colour: string, width: number, points: Point[]}} Stroke width: share of the page's width
 * @typedef {{strokes: Stroke[], pointer: Point | null}} Drawing
 * @typedef {{t_ms: number, order: number, fields: Record<string, any>}} Mark
 */

/** Takes ink and pointer entries in any order; any order ends with the same picture. */
export class InkModel {
  constructor() {
    /** @type {Map<string, Mark[]>} by page, in order */
    this._pages = new Map();
    /** @type {Mark[]} in order */
    this._pointer = [];
    /** @type {Mark | null} the newest place that has gone */
    this._gone = null;
    /** @type {Set<number>} numbers of the ink that is here */
    this._numbers = new Set();
    /** Changes whenever something new has come. */
    this.revision = 0;
  }

  /**
   * @param {import("./deck.js").EntryMessage} message
   * @returns {boolean} whether it was ink or a pointer, and new
   */
  take({ seq, t_ms, entry_kind, fields }) {
    if (entry_kind === EntryKind.INK) {
      if (!Number.isSafeInteger(fields.number) || this._numbers.has(fields.number)) return false;
      this._numbers.add(fields.number);
      const key = `${fields.deck}/${fields.page}`;
      const marks = this._pages.get(key) ?? [];
      this._pages.set(key, marks);
      insert(marks, { t_ms, order: fields.number, fields });
    } else if (entry_kind === EntryKind.POINTER) {
      const mark = { t_ms, order: seq, fields };
      // A new connection tells of all of them once more.
      if ((this._gone && !after(mark, this._gone)) || this._pointer.some(({ order }) => order === seq)) return false;
      insert(this._pointer, mark);
      if (this._pointer.length > MAX_PLACES) this._gone = this._pointer.splice(0, PLACES_GONE)[PLACES_GONE - 1];
    } else {
      return false;
    }
    this.revision += 1;
    return true;
  }

  /** @returns {[number, number][]} runs of the numbers that are here, for `hello.have.ink` */
  spans() {
    /** @type {[number, number][]} */
    const spans = [];
    for (const number of Array.from(this._numbers).sort((a, b) => a - b)) {
      const last = spans.at(-1);
      if (last && number === last[1] + 1) last[1] = number;
      else if (spans.length === MAX_SPANS) break;
      else spans.push([number, number]);
    }
    return spans;
  }

  /**
   * @param {number} t_ms
   * @param {string} deck
   * @param {number} page
   * @param {Record<string, any>[]} [more] fields of what was drawn after that, on any page, and may be here already
   * @returns {Drawing}
   */
  at(t_ms, deck, page, more = []) {
    /** @type {Map<string, Stroke>} */
    const strokes = new Map();
    for (const mark of this._pages.get(`${deck}/${page}`) ?? []) {
      if (mark.t_ms > t_ms) break;
      draw(strokes, mark.fields);
    }
    for (const fields of more) if (fields.deck === deck && fields.page === page) draw(strokes, fields);
    const place = this._pointer.findLast((mark) => mark.t_ms <= t_ms)?.fields;
    const here = place?.shown && place.deck === deck && place.page === page;
    return { strokes: Array.from(strokes.values()), pointer: here ? [place.x, place.y] : null };
  }
}

/**
 * @param {Map<string, Stroke>} strokes
 * @param {Record<string, any>} fields of an ink entry, or of an `ink` message with `first`
 */
function draw(strokes, { stroke, erase, points, colour, width, first }) {
  if (erase) {
    if (stroke) strokes.delete(stroke);
    else strokes.clear();
    return;
  }
  const before = strokes.get(stroke)?.points ?? [];
  const known = Math.max(0, before.length - (first ?? before.length));
  strokes.set(stroke, { stroke, colour, width, points: [...before, ...(points ?? []).slice(known)] });
}

/**
 * @param {Mark[]} marks
 * @param {Mark} mark
 */
function insert(marks, mark) {
  let at = marks.length;
  while (at > 0 && after(marks[at - 1], mark)) at -= 1;
  marks.splice(at, 0, mark);
}

/**
 * @param {Mark} one
 * @param {Mark} other
 */
function after(one, other) {
  return one.t_ms > other.t_ms || (one.t_ms === other.t_ms && one.order > other.order);
}
