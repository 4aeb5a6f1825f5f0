/**
 * Console: one lecture and its halls, worst first.
 */

import { carrierOf, curve, lossOf, onTextRung, repairOf, usedKbps } from "../lib/console.js";
import { make, say } from "./dom.js";
import { clockTime, languageName, number, text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const CURVE = { width: 74, height: 26 };
/** A hall's delay fills its little picture at this; more is as high. */
const BEHIND_FULL_MS = 60_000;
/** A shape for each level, so that none needs its colour. */
const SHAPES = [
  "M10 3a7 7 0 1 0 0 14a7 7 0 0 0 0-14z",
  "M10 2L19 18H1ZM9 8V13H11V8ZM9 14.5V16.5H11V14.5Z",
  "M3 3H17V17H3ZM9 5.500V11.500H11V5.500ZM9 13V15H11V13Z",
  "M4.500 2L10 7.500L15.500 2L18 4.500L12.500 10L18 15.500L15.500 18L10 12.500L4.500 18L2 15.500L7.500 10L2 4.500Z",
];
const COLUMNS = /** @type {const} */ (["hall", "behind", "page", "link", "loss", "rtt", "queue", "voice", "camera", "gaps", "carrier"]);

/**
 * @typedef {import("../lib/console.js").Board} Board
 * @typedef {import("../lib/console.js").Row} Row
 * @typedef {import("../lib/console.js").Hall} Hall
 */

export class BoardView {
  /** @param {string} id of the lecture */
  constructor(id) {
    this._title = make("h2", { id: `lecture-${id}` });
    this._badge = make("span", { className: "badge" });
    this._facts = make("span", { className: "facts number" });
    this._alarm = make("span", { className: "alarm" });
    this._heads = COLUMNS.map(() => make("th", { scope: "col" }));
    this._body = make("tbody");
    this._table = make("table", {}, make("thead", {}, make("tr", {}, ...this._heads)), this._body);
    this._none = make("p", { className: "none" });
    this.root = make("section", { className: "board" }, make("header", {}, this._title, this._badge, this._facts, this._alarm), this._table, this._none);
    this.root.setAttribute("aria-labelledby", this._title.id);
    /** @type {Map<string, HallRow>} */
    this._rows = new Map();
  }

  /** @param {Board} board */
  draw(board) {
    const { lecture, rows } = board;
    say(this._title, lecture.title || lecture.id);
    this._badge.dataset.state = lecture.state === "live" ? "live" : "";
    say(this._badge, text(`badge_${lecture.state}`));
    say(this._facts, lectureFacts(board).join(" · "));
    say(this._alarm, lectureAlarms(board).join(" "));
    COLUMNS.forEach((name, index) => say(this._heads[index], text(`column_${name}`)));
    this._table.hidden = rows.length === 0;
    this._none.hidden = rows.length > 0;
    say(this._none, text("no_halls_yet"));
    for (const [key, row] of this._rows) {
      if (rows.some((one) => one.key === key)) continue;
      row.remove();
      this._rows.delete(key);
    }
    const focused = document.activeElement;
    let place = this._body.firstChild;
    for (const row of rows) {
      const view = this._rows.get(row.key) ?? new HallRow();
      this._rows.set(row.key, view);
      view.draw(row, board);
      for (const line of view.lines) {
        if (line === place) place = place.nextSibling;
        else this._body.insertBefore(line, place);
      }
    }
    // A row that moved lost the focus that it had.
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.root.contains(focused)) focused.focus();
  }
}

class HallRow {
  constructor() {
    this._shape = document.createElementNS(SVG, "path");
    this._name = make("span");
    this._people = make("span", { className: "people" });
    this._state = make("small");
    this._button = make("button", { type: "button", className: "who", ariaExpanded: "false" }, picture("shape", "0 0 20 20", this._shape), make("span", { className: "names" }, make("span", {}, this._name, " ", this._people), this._state));
    this._button.onclick = () => this._toggle();
    this._cells = new Map(COLUMNS.slice(1).map((name) => [name, make("td")]));
    this._behind = new Curve("behind");
    this._used = new Curve("used", "budget");
    this._line = make("tr", {}, make("td", {}, this._button), ...this._cells.values());
    this._facts = make("dl", { className: "number" });
    this._more = make("tr", { className: "more", hidden: true }, make("td", { colSpan: COLUMNS.length }, this._facts));
    this.lines = [this._line, this._more];
  }

  /**
   * @param {Row} row
   * @param {Board} board
   */
  draw(row, board) {
    const { hall, state, level, seconds, history } = row;
    this._line.dataset.level = String(level);
    this._line.dataset.state = state;
    this._shape.setAttribute("d", SHAPES[level]);
    this._shape.setAttribute("fill-rule", "evenodd");
    say(this._name, hall.name);
    say(this._people, hall.connected && hall.heads > 0 ? text("people", { people: number(hall.heads) }) : "");
    say(this._state, text(`state_${state}`, { time: clockTime(seconds * 1000) }));
    const gone = !hall.connected;
    const noLine = level === 3;
    const link = hall.link ?? {};
    this._behind.draw({ behind: history.map(({ behind_ms }) => behind_ms) }, BEHIND_FULL_MS);
    this._fill("behind", gone ? "" : text("seconds", { seconds: number(hall.behind_ms / 1000, 1) }), gone ? "" : text("of_delay", { seconds: number(hall.playout_delay_ms / 1000, 1) }), this._behind);
    this._fill("page", hall.page > 0 ? number(hall.page) : "–", hall.page_due > 0 && hall.page !== hall.page_due ? text("page_due", { page: number(hall.page_due) }) : "");
    this._cell("page").classList.toggle("due", state === "page_late");
    const top = Math.max(1, ...history.map(({ budget_kbps, used_kbps }) => Math.max(budget_kbps ?? 0, used_kbps ?? 0)));
    this._used.draw({ used: history.map(({ used_kbps }) => used_kbps), budget: history.map(({ budget_kbps }) => budget_kbps) }, top * 1.1);
    const budget = link.budget_kbps ?? null;
    this._fill("link", noLine ? "" : number(usedKbps(hall)), noLine || budget === null ? "" : text("of_budget", { kbps: number(budget) }), this._used);
    this._fill("loss", noLine ? "" : `${number(lossOf(hall) * 100, lossOf(hall) < 0.0995 ? 1 : 0)} %`);
    const rtt_ms = hall.rtt_ms || link.rtt_ms;
    this._fill("rtt", noLine || !rtt_ms ? "" : `${number(rtt_ms)} ms`);
    this._fill("queue", noLine || typeof link.queue_ms !== "number" ? "" : `${number(link.queue_ms)} ms`);
    this._fill("voice", noLine ? "" : voiceRung(hall));
    this._fill("camera", noLine ? "" : link.camera_kbps ? `${number(link.camera_kbps)} k` : text("none"));
    this._fill("gaps", gone ? "" : number(hall.gaps));
    const carrier = carrierOf(hall);
    this._fill("carrier", noLine || !carrier ? "" : text(`carrier_${carrier}`));
    if (!this._more.hidden) this._facts.replaceChildren(...details(hall, board).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
    this._redraw = () => this.draw(row, board);
  }

  remove() {
    for (const line of this.lines) line.remove();
  }

  _toggle() {
    this._more.hidden = !this._more.hidden;
    this._button.ariaExpanded = String(!this._more.hidden);
    this._redraw?.();
  }

  /**
   * @param {(typeof COLUMNS)[number]} name
   * @returns {HTMLTableCellElement}
   */
  _cell(name) {
    return /** @type {HTMLTableCellElement} */ (this._cells.get(name));
  }

  /**
   * @param {(typeof COLUMNS)[number]} name
   * @param {string} value
   * @param {string} [below] a second, smaller line
   * @param {Curve} [beside]
   */
  _fill(name, value, below = "", beside) {
    const cell = this._cell(name);
    if (cell.childElementCount === 0) {
      const words = make("span", {}, make("span"), make("small"));
      cell.append(beside ? make("div", { className: "with-curve" }, words, beside.root) : words);
    }
    const words = /** @type {HTMLElement} */ (beside ? cell.firstElementChild?.firstElementChild : cell.firstElementChild);
    say(/** @type {HTMLElement} */ (words.children[0]), value);
    say(/** @type {HTMLElement} */ (words.children[1]), below);
  }
}

/** Little curves of the last five minutes in one picture; the figures stand beside it. */
class Curve {
  /** @param {string[]} names of the curves; the one called `used` is filled */
  constructor(...names) {
    this._paths = new Map(names.map((name) => [name, document.createElementNS(SVG, "path")]));
    const ground = document.createElementNS(SVG, "path");
    ground.setAttribute("class", "ground");
    ground.setAttribute("d", `M0 ${CURVE.height}H${CURVE.width}`);
    for (const [name, path] of this._paths) path.setAttribute("class", name);
    this.root = picture("curve", `0 0 ${CURVE.width} ${CURVE.height}`, ground, ...this._paths.values());
  }

  /**
   * @param {Record<string, (number | null)[]>} values by curve
   * @param {number} max at the upper edge
   */
  draw(values, max) {
    for (const [name, path] of this._paths) path.setAttribute("d", curve(values[name], { ...CURVE, max, filled: name === "used" }));
  }
}

/**
 * @param {string} name
 * @param {string} box
 * @param {SVGElement[]} paths
 */
function picture(name, box, ...paths) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", name);
  made.setAttribute("viewBox", box);
  made.setAttribute("aria-hidden", "true");
  made.append(...paths);
  return made;
}

/** @param {Hall} hall */
function voiceRung(hall) {
  if (onTextRung(hall)) return text("rung_text");
  const rung = Number(hall.link?.rung ?? hall.rung);
  return rung > 0 ? `${number(rung)} k` : hall.rung ? `${hall.rung} k` : text("none");
}

/** @param {Board} board */
function lectureFacts({ lecture, deck, rows, players, publishers, voices }) {
  const facts = [];
  if (lecture.course) facts.push(lecture.course);
  if (lecture.state !== "planned") facts.push(clockTime(lecture.t_ms));
  if (deck.page_count > 0) facts.push(text("page_of", { page: number(deck.page), count: number(deck.page_count) }));
  const here = rows.filter(({ hall }) => hall.connected);
  facts.push(text("halls_count", { halls: number(here.length) }));
  const heads = here.reduce((sum, { hall }) => sum + hall.heads, 0);
  if (heads > 0) facts.push(text("people", { people: number(heads) }));
  if (players > 0) facts.push(text("players_count", { players: number(players) }));
  for (const { role, connected, sources } of publishers) {
    if (!connected) continue;
    const kbps = sources.reduce((sum, source) => sum + source.kbps, 0);
    const lost = Math.max(0, ...sources.map((source) => source.fraction_lost));
    facts.push(text(`publisher_${role}`, { kbps: number(kbps), percent: number(lost * 100) }));
  }
  const { missing_s, repaired_s } = repairOf(voices);
  if (missing_s > 0) facts.push(text("repair_missing", { missing: number(missing_s), repaired: number(repaired_s) }));
  else if (repaired_s > 0) facts.push(text("repair_done", { repaired: number(repaired_s) }));
  return facts;
}

/** @param {Board} board */
function lectureAlarms({ lecture, recorder }) {
  const alarms = [];
  if (lecture.state === "live" && lecture.publisher === "down") alarms.push(text("alarm_publisher_down"));
  if (lecture.state === "live" && lecture.publisher === "none") alarms.push(text("alarm_publisher_none"));
  if (recorder.trouble) alarms.push(text("alarm_recorder"));
  if (recorder.set_aside && lecture.state === "live") alarms.push(text("alarm_set_aside", { file: recorder.set_aside }));
  return alarms;
}

/**
 * What is seldom asked for.
 * @param {Hall} hall
 * @param {Board} board
 * @returns {[string, string][]}
 */
function details(hall, board) {
  const { link } = hall;
  /** @type {[string, string][]} */
  const facts = [[text("detail_heard"), text("state_silent", { time: clockTime(hall.silent_s * 1000) })]];
  facts.push([text("detail_page"), `${number(hall.page)} / ${number(hall.page_due)} / ${number(board.deck.page)}`]);
  if (hall.connected) facts.push([text("detail_received"), `${number(hall.received_kbps, 1)} kbit/s`]);
  if (link?.remote) facts.push([text("detail_address"), link.remote]);
  if (link?.language) facts.push([text("voice_language"), languageName(link.language)]);
  if (link?.packets) facts.push([text("detail_packets"), text("packets_resent", { packets: number(link.packets), resent: number(link.resent_packets ?? 0) })]);
  if (link?.socket_rate_kbps) facts.push([text("detail_socket"), `${number(link.socket_rate_kbps)} kbit/s`]);
  for (const [name, bytes] of Object.entries(link?.class_bytes ?? {})) {
    if (bytes > 0) facts.push([text(`class_${name.toLowerCase()}`), `${number(bytes / 1000)} kB`]);
  }
  return facts;
}
