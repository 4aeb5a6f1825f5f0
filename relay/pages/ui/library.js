/**
 * Library: the list of lectures.
 */

import { element, make, say } from "./dom.js";
import { clockTime, currentLanguage, languageName, number, startTexts, text } from "./texts.js";

/**
 * @typedef {{id: string, title: string, course: string, state: string, started_at: string | null, duration_ms: number,
 *   languages: string[], has_camera: boolean, page_count: number}} Lecture
 */

/** @type {Lecture[] | null} */
let lectures = null;
/** @type {"" | "library_failed" | "library_closed"} */
let failure = "";

const search = element("search", HTMLInputElement);

function draw() {
  document.title = `Hallcast · ${text("library")}`;
  element("again").hidden = failure === "";
  if (!lectures) {
    say(element("state"), text(failure || "loading"));
    return;
  }
  const wanted = fold(search.value);
  const found = lectures.filter(({ title, course }) => fold(`${title} ${course}`).includes(wanted));
  element("lectures").replaceChildren(...found.map(row));
  if (lectures.length === 0) say(element("state"), text("library_empty"));
  else say(element("state"), text("lectures_found", { found: number(found.length), all: number(lectures.length) }));
}

/**
 * Letters alike but for case, width and composition are alike to whoever searches.
 * @param {string} words
 */
function fold(words) {
  return words.normalize("NFKC").toLocaleLowerCase().trim();
}

/** @param {Lecture} lecture */
function row(lecture) {
  const facts = [lecture.course];
  if (lecture.started_at) {
    const date = new Date(lecture.started_at);
    facts.push(date.toLocaleString(currentLanguage(), { dateStyle: "long", timeStyle: "short" }));
  }
  facts.push(lecture.languages.map(languageName).join(", "));
  if (lecture.page_count > 0) facts.push(text("pages_count", { pages: number(lecture.page_count) }));
  if (lecture.has_camera) facts.push(text("with_camera"));
  const length = lecture.state === "ended" ? clockTime(lecture.duration_ms) : text(`badge_${lecture.state}`);
  const link = make(
    "a",
    { href: `/library/${encodeURIComponent(lecture.id)}` },
    make("strong", {}, lecture.title || lecture.id),
    make("span", { className: "length number" }, length),
    make("span", { className: "facts" }, facts.filter(Boolean).join(" · ")),
  );
  return make("li", {}, link);
}

async function load() {
  failure = "";
  draw();
  try {
    const response = await fetch("/library?format=json", { headers: { Accept: "application/json" } });
    if (response.ok) lectures = (await response.json()).lectures;
    else failure = response.status === 401 || response.status === 403 ? "library_closed" : "library_failed";
  } catch {
    failure = "library_failed";
  }
  draw();
}

search.oninput = draw;
element("again").onclick = () => void load();
await startTexts(draw);
await load();
