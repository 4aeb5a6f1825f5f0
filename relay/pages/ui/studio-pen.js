/**
 * Studio, over the page: a pen and a pointer.
 */

import { MAX_POINTS } from "../lib/outbox.js";
import { randomId } from "../lib/random-id.js";
import { element, isForControl } from "./dom.js";
import { InkCanvas } from "./ink-canvas.js";

const SEND_EVERY_MS = 100;
/** Points closer together than this share of the page are one. */
const APART = 0.002;
const WIDTH = 0.004;

/** @typedef {"pen" | "pointer" | ""} Tool */
/** @typedef {{deck: string, page: number, stroke: string, colour: string, points: import("../lib/ink.js").Point[], sent: number}} Line
 *   sent: how many of its points have been given away */

export class Pen {
  /**
   * @param {{session: import("../lib/lecturer-session.js").LecturerSession, pages: import("./studio-pages.js").Pages, draws: boolean}} options
   *   draws: whether this role draws; an interpreter only sees what is drawn
   */
  constructor({ session, pages, draws }) {
    this._session = session;
    this._pages = pages;
    this._draws = draws;
    this._view = new InkCanvas();
    /** @type {Tool} */
    this._tool = "";
    /** @type {Line | null} the stroke that is being drawn */
    this._line = null;
    /** @type {{deck: string, page: number, place: import("../lib/ink.js").Point} | null} */
    this._pointing = null;
    this._pointedAt = "";
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._timer = undefined;
    element("tools").hidden = !draws;
    if (draws) this._listen();
  }

  draw() {
    const { page, deck } = this._pages;
    const { canvas } = this._view;
    element("pen", HTMLButtonElement).ariaPressed = String(this._tool === "pen");
    element("pointer", HTMLButtonElement).ariaPressed = String(this._tool === "pointer");
    canvas.dataset.tool = this._tool;
    const drawing = deck ? this._session.drawing(deck.deck, page) : { strokes: [], pointer: null };
    const line = this._line?.deck === deck?.deck && this._line?.page === page ? this._line : null;
    const strokes = drawing.strokes.filter(({ stroke }) => stroke !== line?.stroke);
    if (line) strokes.push({ ...line, width: WIDTH });
    element("undo", HTMLButtonElement).disabled = strokes.length === 0;
    element("clear", HTMLButtonElement).disabled = strokes.length === 0;
    this._view.show({ strokes, pointer: this._pointing && this._pointing.page === page ? this._pointing.place : null });
  }

  _listen() {
    const { canvas } = this._view;
    element("pen").onclick = () => this._choose("pen");
    element("pointer").onclick = () => this._choose("pointer");
    element("undo").onclick = () => this._undo();
    element("clear").onclick = () => this._erase("");
    // Keys are the page's again as soon as a colour was chosen.
    element("pen-colour").onchange = () => element("pen-colour").blur();
    canvas.onpointerdown = (event) => this._down(event);
    canvas.onpointermove = (event) => this._move(event);
    canvas.onpointerup = () => this._up();
    canvas.onpointercancel = () => this._up();
    document.addEventListener("keydown", (event) => this._key(event));
  }

  /** @param {Tool} tool chosen once more: put away */
  _choose(tool) {
    this._up();
    this._tool = this._tool === tool ? "" : tool;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (isForControl(event) || event.repeat) return;
    // By place, not by letter: a keyboard that writes Korean has the same keys.
    if (event.code === "KeyP") this._choose("pen");
    else if (event.code === "KeyL") this._choose("pointer");
    else if (event.code === "KeyU") this._undo();
    else if (event.code === "KeyX") this._erase("");
    else if (event.key === "Escape" && this._tool) this._choose(this._tool);
    else return;
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  _down(event) {
    const { deck, page } = this._pages;
    const place = this._view.place(event);
    if (!this._tool || !deck || !place || page < 1 || event.button !== 0 || this._session.lecture.state === "ended") return;
    event.preventDefault();
    this._view.canvas.setPointerCapture(event.pointerId);
    if (this._tool === "pointer") {
      this._pointing = { deck: deck.deck, page, place };
    } else {
      const colour = element("pen-colour", HTMLInputElement).value;
      this._line = { deck: deck.deck, page, stroke: randomId(), colour, points: [place], sent: 0 };
    }
    this._timer ??= setInterval(() => this._send(true), SEND_EVERY_MS);
    this._send(true);
    this.draw();
  }

  /** @param {PointerEvent} event */
  _move(event) {
    if (!this._line && !this._pointing) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const place = this._view.place(one);
      if (!place) continue;
      if (this._pointing) this._pointing.place = place;
      const last = this._line?.points.at(-1);
      if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) >= APART) this._line?.points.push(place);
    }
    this.draw();
  }

  _up() {
    clearInterval(this._timer);
    this._timer = undefined;
    if (!this._line && !this._pointing) return;
    this._send(false);
    this._line = null;
    this._pointing = null;
    this.draw();
  }

  /** @param {boolean} more whether the mouse is still held */
  _send(more) {
    const { _line: line, _pointing: at } = this;
    // The last point waits for the one after it or the stroke's end, so that the end has something to say.
    const end = line ? line.points.length - Number(more) : 0;
    while (line && line.sent < end) {
      const { deck, page, stroke, colour, sent: first } = line;
      const points = line.points.slice(first, Math.min(end, first + MAX_POINTS));
      line.sent += points.length;
      this._session.draw("ink", { deck, page, stroke, first, points, colour, width: WIDTH, more: more || line.sent < end });
    }
    if (!at) return;
    const [x, y] = at.place;
    const pointer = { deck: at.deck, page: at.page, x, y, shown: more };
    const said = JSON.stringify(pointer);
    if (said !== this._pointedAt) this._session.point(pointer);
    this._pointedAt = said;
  }

  _undo() {
    const { deck, page } = this._pages;
    if (!deck) return;
    this._up();
    const last = this._session.drawing(deck.deck, page).strokes.at(-1);
    if (last) this._erase(last.stroke);
  }

  /** @param {string} stroke empty for all of the page */
  _erase(stroke) {
    const { deck, page } = this._pages;
    if (!deck || page < 1) return;
    this._up();
    this._session.draw("erase", { deck: deck.deck, page, stroke });
    this.draw();
  }
}
