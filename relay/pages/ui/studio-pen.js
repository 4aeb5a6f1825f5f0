/**
 * Studio, over the page: a pen and a pointer.
 */

import { element, isForControl } from "./dom.js";
import { InkCanvas } from "./ink-canvas.js";

const SEND_EVERY_MS = 100;
/** Points closer together than this share of the page are one. */
const APART = 0.002;
const MAX_POINTS = 64;
const WIDTH = 0.004;
/** A stroke that the relay has not told of so long after its end did not arrive. */
const ECHO_MS = 4000;

/** @typedef {"pen" | "pointer" | ""} Tool */
/** @typedef {{deck: string, page: number, stroke: string, colour: string, points: import("../lib/ink.js").Point[], sent: number}} Line */

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
    /** @type {Line[]} strokes that the relay has not told of yet */
    this._unheard = [];
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
    const drawing = deck ? this._session.model.ink.at(Infinity, deck.deck, page) : { strokes: [], pointer: null };
    const told = new Map(drawing.strokes.map((stroke) => [stroke.stroke, stroke.points.length]));
    this._unheard = this._unheard.filter((line) => line === this._line || (told.get(line.stroke) ?? 0) < line.points.length);
    const mine = this._unheard.filter((line) => line.deck === deck?.deck && line.page === page);
    const ids = new Set(mine.map((line) => line.stroke));
    const nothing = drawing.strokes.length === 0 && mine.length === 0;
    element("undo", HTMLButtonElement).disabled = nothing;
    element("clear", HTMLButtonElement).disabled = nothing;
    this._view.show({
      strokes: [...drawing.strokes.filter(({ stroke }) => !ids.has(stroke)), ...mine.map((line) => ({ ...line, width: WIDTH }))],
      pointer: this._pointing && this._pointing.page === page ? this._pointing.place : null,
    });
    canvas.dataset.strokes = String(drawing.strokes.length);
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
      this._line = { deck: deck.deck, page, stroke: crypto.getRandomValues(new Uint32Array(1))[0].toString(36), colour, points: [place], sent: 0 };
      this._unheard.push(this._line);
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
    const line = this._line;
    this._line = null;
    this._pointing = null;
    setTimeout(() => {
      this._unheard = this._unheard.filter((one) => one !== line);
      this.draw();
    }, ECHO_MS);
    this.draw();
  }

  /** @param {boolean} more whether the mouse is still held */
  _send(more) {
    const { _line: line, _pointing: at } = this;
    if (line && (line.sent < line.points.length || !more)) {
      do {
        // The end of a stroke repeats its last point where all points have been sent.
        const from = Math.min(line.sent, line.points.length - 1);
        const points = line.points.slice(from, from + MAX_POINTS);
        line.sent = from + points.length;
        const { deck, page, stroke, colour } = line;
        this._session.send("ink", { deck, page, stroke, points, colour, width: WIDTH, more: more || line.sent < line.points.length });
      } while (line.sent < line.points.length);
    }
    if (!at) return;
    const [x, y] = at.place;
    const pointer = { deck: at.deck, page: at.page, x, y, shown: more };
    const said = JSON.stringify(pointer);
    if (said !== this._pointedAt) this._session.send("pointer", pointer);
    this._pointedAt = said;
  }

  _undo() {
    const { deck, page } = this._pages;
    if (!deck) return;
    const mine = this._unheard.filter((line) => line.deck === deck.deck && line.page === page).at(-1);
    const last = mine ?? this._session.model.ink.at(Infinity, deck.deck, page).strokes.at(-1);
    if (last) this._erase(last.stroke);
  }

  /** @param {string} stroke empty for all of the page */
  _erase(stroke) {
    const { deck, page } = this._pages;
    if (!deck || page < 1) return;
    this._up();
    this._unheard = this._unheard.filter((line) => stroke && line.stroke !== stroke);
    this._session.send("erase", { deck: deck.deck, page, stroke });
    this.draw();
  }
}
