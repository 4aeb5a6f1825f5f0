/**
 * Library: one lecture, with the moments at which something was found.
 */

import { momentAddress } from "../lib/library.js";
import { make } from "./dom.js";
import { clockTime, currentLanguage, languageName, number, text } from "./texts.js";

/** @typedef {import("../lib/library.js").Lecture} Lecture */
/** @typedef {import("../lib/library.js").Hit} Hit */

const MOMENTS_SHOWN = 5;
/** Less of the voice is missing from many lectures, and no one hears it. */
const MISSING_TOLD_MS = 1000;

/**
 * @param {Lecture} lecture
 * @param {((lecture: Lecture) => void) | null} edit null for those who may not
 */
export function lectureRow(lecture, edit) {
  const facts = [lecture.course, lecture.series];
  if (lecture.started_at) {
    const date = new Date(lecture.started_at);
    facts.push(date.toLocaleString(currentLanguage(), { dateStyle: "long", timeStyle: "short" }));
  }
  facts.push(lecture.languages.map(languageName).join(", "));
  if (lecture.page_count > 0) facts.push(text("pages_count", { pages: number(lecture.page_count) }));
  if (lecture.has_camera) facts.push(text("with_camera"));
  if (lecture.file_bytes) facts.push(text("megabytes", { size: number(lecture.file_bytes / 1e6, 1) }));
  const link = make(
    "a",
    { href: momentAddress(lecture.id, 0) },
    make("strong", {}, lecture.title || lecture.id, ...lecture.tags.map((tag) => make("span", { className: "tag" }, tag))),
    make("span", { className: "length number" }, clockTime(lecture.duration_ms)),
    make("span", { className: "facts" }, facts.filter(Boolean).join(" · ")),
  );
  const fault = faultText(lecture);
  if (fault) link.append(make("span", { className: "error" }, fault));
  const row = make("li", {}, link);
  if (edit) row.append(make("button", { type: "button", onclick: () => edit(lecture) }, text("edit")));
  const placed = lecture.hits.filter(({ kind }) => ["page", "mark", "question", "caption"].includes(kind));
  if (placed.length > 0) row.append(make("ul", { className: "hits" }, ...placed.map((hit) => hitRow(lecture, hit))));
  return row;
}

/** @param {Lecture} lecture */
function faultText(lecture) {
  if (lecture.missing) return text("file_missing");
  const problem = lecture.trouble || lecture.scan_problems?.[0];
  if (problem) return text("file_damaged", { problem });
  const missing_ms = lecture.missing_ms ?? 0;
  return missing_ms >= MISSING_TOLD_MS ? text("voice_incomplete", { missing: number(missing_ms / 1000, 1) }) : "";
}

/**
 * @param {Lecture} lecture
 * @param {Hit} hit
 */
function hitRow(lecture, hit) {
  const [first, ...later] = hit.moments;
  const words = make("span", {});
  hit.snippet.forEach((piece, at) => words.append(at % 2 === 1 ? make("mark", {}, piece) : piece));
  for (const t_ms of later.slice(0, MOMENTS_SHOWN - 1)) words.append(moment(lecture, t_ms, "more number"));
  return make(
    "li",
    {},
    first === undefined ? make("span", { className: "where" }, "–") : moment(lecture, first, "moment"),
    make("span", { className: "where" }, hit.kind === "page" ? text("page_number", { page: number(hit.page ?? 0) }) : text(`hit_${hit.kind}`)),
    words,
  );
}

/**
 * @param {Lecture} lecture
 * @param {number} t_ms
 * @param {string} className
 */
function moment(lecture, t_ms, className) {
  return make("a", { className, href: momentAddress(lecture.id, t_ms) }, clockTime(t_ms));
}
