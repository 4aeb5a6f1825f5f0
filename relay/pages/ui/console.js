/**
 * Console: the staff's page at /console. Signs in, polls the relay, puts the boards of the lectures in order.
 */

import { Console } from "../lib/console.js";
import { STAFF_KEY } from "../lib/kept-tokens.js";
import { BoardView } from "./console-board.js";
import { element, isForControl, make, say } from "./dom.js";
import { clockTime, errorText, keep, number, read, startTexts, text } from "./texts.js";

const LIVE_URL = "/api/live";
const ANSWER_DEADLINE_MS = 8000;
/** Figures older than this are no longer what is. */
const STALE_MS = 7000;
const QUESTIONS_SHOWN = 20;

const model = new Console();
/** @type {Map<string, BoardView>} */
const views = new Map();

/** Recordings that need somebody. */
let library = { damaged: 0, missing: 0, storage_trouble: "" };
let token = read(sessionStorage, STAFF_KEY) ?? "";
let poll_ms = 2000;
/** When the last answer came, on this page's clock; null before the first. @type {number | null} */
let answered_ms = null;
/** @type {{id: string, text?: string} | null} */
let error = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Counts sign-ins: an answer to an earlier one is no longer wanted. */
let turn = 0;

function draw() {
  document.title = `Hallcast · ${text("console")}`;
  element("sign-in").hidden = token !== "";
  element("console").hidden = token === "";
  element("leave").hidden = token === "";
  say(element("token-error"), token === "" && error ? errorText(error) : "");
  drawFreshness();
  const { boards } = model;
  const rows = boards.flatMap((board) => board.rows);
  const connected = rows.filter(({ hall }) => hall.connected).length;
  say(element("summary"), boards.length > 0 ? text("console_summary", { lectures: number(boards.length), halls: number(connected) }) : "");
  drawLibrary();
  drawBoards();
  drawQuestions();
  element("nothing").hidden = token === "" || boards.length > 0;
  say(element("nothing"), text(answered_ms === null ? "loading" : "console_nothing"));
}

function drawLibrary() {
  const { damaged, missing, storage_trouble } = library;
  const warnings = [
    damaged + missing > 0 && text("console_library", { damaged: number(damaged), missing: number(missing) }),
    storage_trouble && text("storage_away", { reason: storage_trouble }),
  ].filter(Boolean);
  element("library-warning").hidden = token === "" || warnings.length === 0;
  say(element("library-warning"), warnings.join(" "));
}

function drawFreshness() {
  const age_ms = answered_ms === null ? null : performance.now() - answered_ms;
  const stale = age_ms !== null && age_ms > STALE_MS;
  const badge = element("freshness");
  badge.hidden = age_ms === null;
  badge.dataset.state = stale ? "bad" : "good";
  say(badge, text(stale ? "console_old" : "console_current"));
  element("console").classList.toggle("stale", stale);
  const banner = element("banner");
  banner.hidden = token === "" || !error;
  say(banner, !error || token === "" ? "" : age_ms === null ? errorText(error) : `${errorText(error)} ${text("console_age", { age: clockTime(age_ms) })}`);
}

function drawBoards() {
  const place = element("lectures");
  for (const [id, view] of views) {
    if (model.boards.some((board) => board.lecture.id === id)) continue;
    view.root.remove();
    views.delete(id);
  }
  model.boards.forEach((board, index) => {
    const view = views.get(board.lecture.id) ?? new BoardView(board.lecture.id);
    views.set(board.lecture.id, view);
    view.draw(board);
    if (place.children[index] !== view.root) place.insertBefore(view.root, place.children[index] ?? null);
  });
}

function drawQuestions() {
  const several = model.boards.length > 1;
  const questions = model.boards
    .flatMap(({ lecture, questions: asked }) => asked.map((question) => ({ ...question, lecture, age_ms: lecture.t_ms - question.t_ms })))
    .sort((a, b) => a.age_ms - b.age_ms)
    .slice(0, QUESTIONS_SHOWN);
  element("questions-card").hidden = questions.length === 0;
  const lines = questions.map(({ hall, text: words, t_ms, lecture }) =>
    make(
      "li",
      {},
      make("strong", {}, hall),
      make("span", { className: "hint number" }, ` · ${clockTime(t_ms)}${several ? ` · ${lecture.title || lecture.id}` : ""}`),
      make("div", {}, words),
    ),
  );
  element("questions").replaceChildren(...lines);
}

async function poll() {
  const asked = turn;
  clearTimeout(timer);
  if (token === "") return;
  try {
    const response = await fetch(LIVE_URL, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    const answer = await response.json();
    if (asked !== turn) return;
    if (response.status === 401) {
      leave({ id: "staff_token_refused" });
      return;
    }
    if (response.ok) {
      error = null;
      answered_ms = performance.now();
      poll_ms = answer.poll_s * 1000;
      library = { damaged: 0, missing: 0, storage_trouble: "", ...answer.library };
      model.take(answer.lectures, answered_ms);
    } else error = answer.error;
  } catch {
    if (asked !== turn) return;
    error = { id: "relay_silent" };
  }
  draw();
  timer = setTimeout(() => void poll(), poll_ms);
}

/** @param {{id: string} | null} reason why nobody is signed in any more */
function leave(reason) {
  turn += 1;
  clearTimeout(timer);
  token = "";
  keep(sessionStorage, STAFF_KEY, null);
  error = reason;
  answered_ms = null;
  model.take([], 0);
  draw();
  element("token").focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (!target?.matches(".who") && isForControl(event)) return;
  const halls = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".who"))];
  if (halls.length === 0) return;
  const at = target ? halls.indexOf(target) : -1;
  const next = at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1);
  halls[Math.max(0, Math.min(halls.length - 1, next))].focus();
  event.preventDefault();
}

element("token-form").onsubmit = (event) => {
  event.preventDefault();
  const field = element("token", HTMLInputElement);
  turn += 1;
  token = field.value.trim();
  field.value = "";
  error = null;
  keep(sessionStorage, STAFF_KEY, token || null);
  draw();
  void poll();
};
element("leave").onclick = () => leave(null);
document.addEventListener("keydown", onKey);
window.addEventListener("online", () => void poll());
await startTexts(draw);
if (token === "") element("token").focus();
setInterval(drawFreshness, 1000);
await poll();
