/**
 * Library: search and filters, the list of lectures with the moments that were found.
 */

import { FIELDS, readAddress, writeAddress } from "../lib/library.js";
import { element, make, say } from "./dom.js";
import { ImportCard } from "./library-import.js";
import { lectureRow } from "./library-row.js";
import { Staff } from "./library-staff.js";
import { errorText, languageName, number, startTexts, text } from "./texts.js";

/** @typedef {import("../lib/library.js").Answer} Answer */

const TYPING_MS = 250;

/** Which control holds which field of the address. @type {Record<string, string>} */
const CONTROLS = { q: "search", course: "course", series: "series", tag: "tag", language: "spoken", from: "from", until: "until" };

/** @type {Answer | null} */
let answer = null;
/** @type {{id: string, text?: string} | null} */
let error = null;
let asked = readAddress(location.search);
/** Counts questions: an answer to an earlier one is no longer wanted. */
let turn = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const staff = new Staff(() => void load());
const imports = new ImportCard(() => staff.headers(), () => void load());

function draw() {
  document.title = `Hallcast · ${text("library")}`;
  staff.draw(answer?.storage, answer?.remote);
  imports.draw(staff.signedIn);
  element("again").hidden = !error;
  drawFilters();
  element("pager").hidden = (answer?.pages ?? 1) < 2;
  if (error || !answer) {
    say(element("state"), error ? failureText(error) : text("loading"));
    return;
  }
  element("lectures").replaceChildren(...answer.lectures.map((lecture) => lectureRow(lecture, staff.editor())));
  const filtered = FIELDS.some((name) => name !== "page" && asked[name]);
  if (answer.total === 0 && !filtered) say(element("state"), text("library_empty"));
  else say(element("state"), text("lectures_found", { found: number(answer.total) }));
  say(element("page-number"), text("results_page", { page: number(answer.page), pages: number(answer.pages) }));
  element("previous", HTMLButtonElement).disabled = answer.page <= 1;
  element("next", HTMLButtonElement).disabled = answer.page >= answer.pages;
}

function drawFilters() {
  const facets = answer?.facets;
  fill("course", facets?.courses ?? [], (value) => value);
  fill("series", facets?.series ?? [], (value) => value);
  fill("tag", facets?.tags ?? [], (value) => value);
  fill("language", facets?.languages ?? [], languageName);
}

/**
 * @param {"course" | "series" | "tag" | "language"} field
 * @param {import("../lib/library.js").Facet} values
 * @param {(value: string) => string} name
 */
function fill(field, values, name) {
  const select = element(CONTROLS[field], HTMLSelectElement);
  const chosen = asked[field];
  const offered = values.some(([value]) => value === chosen) || !chosen ? values : [...values, /** @type {[string, number]} */ ([chosen, 0])];
  const options = offered.map(([value, count]) => make("option", { value }, `${name(value)} (${number(count)})`));
  select.replaceChildren(make("option", { value: "" }, text("any")), ...options);
  select.value = chosen;
  select.disabled = offered.length === 0;
}

/** @param {{id: string, text?: string}} failure */
function failureText(failure) {
  return failure.id === "library_failed" || failure.id === "library_closed" ? text(failure.id) : errorText(failure);
}

async function load() {
  clearTimeout(timer);
  const mine = ++turn;
  error = null;
  const address = writeAddress(asked);
  history.replaceState(null, "", location.pathname + address);
  try {
    const response = await fetch(`/library${address ? `${address}&` : "?"}format=json`, {
      headers: { Accept: "application/json", ...staff.headers() },
    });
    const said = await response.json();
    if (mine !== turn) return;
    if (response.ok) answer = said;
    else if (response.status === 401 && staff.signedIn) staff.leave({ id: "staff_token_refused" });
    else error = response.status === 401 || response.status === 403 ? { id: "library_closed" } : said.error;
  } catch {
    if (mine !== turn) return;
    error = { id: "library_failed" };
  }
  draw();
}

/** Ask for what the controls say, from its first page on. */
function ask() {
  for (const [field, id] of Object.entries(CONTROLS)) {
    const control = element(id);
    const value = control instanceof HTMLSelectElement || control instanceof HTMLInputElement ? control.value : "";
    asked[/** @type {keyof typeof asked} */ (field)] = value;
  }
  asked.page = "";
  void load();
}

/** @param {number} step */
function turnPage(step) {
  asked.page = String((answer?.page ?? 1) + step);
  void load();
  element("lectures").focus();
}

for (const field of /** @type {const} */ (["q", "from", "until"])) {
  element(CONTROLS[field], HTMLInputElement).value = asked[field];
}
element("search").oninput = () => {
  clearTimeout(timer);
  timer = setTimeout(ask, TYPING_MS);
};
element("search-form").onchange = ask;
element("search-form").onsubmit = (event) => {
  event.preventDefault();
  ask();
};
element("previous").onclick = () => turnPage(-1);
element("next").onclick = () => turnPage(1);
element("again").onclick = () => void load();
await startTexts(draw);
await load();
