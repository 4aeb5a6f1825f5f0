/**
 * The pages' texts in the reader's language, from the one catalogue i18n/texts.json.
 */

/** @typedef {"en" | "ko"} Language */

const LANGUAGES = /** @type {const} */ ({ en: "English", ko: "한국어" });
const CATALOGUE_URL = "/pages/i18n/texts.json";
const CHOICE_KEY = "hallcast.language";

/** @type {Record<string, Record<Language, string>>} */
let catalogue = {};
/** @type {Language} */
let language = "en";
/** @type {(() => void)[]} */
const redraws = [];

/**
 * Load the catalogue, fill in the page and connect its language button.
 * @param {() => void} redraw draws the parts that scripts have written, again after each change of language
 */
export async function startTexts(redraw) {
  // The replay's script brings its texts along: one request less on a thin line, none in a page without a server.
  catalogue = /** @type {any} */ (globalThis).hallcastTexts ?? (await (await fetch(CATALOGUE_URL)).json());
  redraws.push(redraw);
  const button = /** @type {HTMLButtonElement} */ (document.getElementById("language"));
  button.onclick = () => choose(other());
  const kept = read(localStorage, CHOICE_KEY);
  choose(kept === "en" || kept === "ko" ? kept : navigator.language.startsWith("ko") ? "ko" : "en");
}

/** @returns {Language} the language of the texts, also for numbers and dates */
export function currentLanguage() {
  return language;
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] for the {places} in the text
 */
export function text(key, values = {}) {
  const template = catalogue[key]?.[language] ?? key;
  return template.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/**
 * The text for an error's stable id; the relay's own words for ids this page does not know.
 * @param {{id: string, text?: string} | null | undefined} error
 */
export function errorText(error) {
  if (!error?.id) return "";
  const key = `error_${error.id}`;
  return key in catalogue ? text(key) : error.text || text("error_other", { id: error.id });
}

/**
 * @param {number} value
 * @param {number} [digits] after the point
 */
export function number(value, digits = 0) {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * The name of a voice's language in the reader's.
 * @param {string} tag BCP 47
 */
export function languageName(tag) {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/**
 * A stretch of time as 3:07 or 1:02:03.
 * @param {number} ms
 */
export function clockTime(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/**
 * @param {Storage} storage
 * @param {string} key
 * @returns {string | null} null also where the browser forbids storage
 */
export function read(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {Storage} storage
 * @param {string} key
 * @param {string | null} value null removes it
 */
export function keep(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch {
    // Private windows may forbid storage: then the page forgets, and works.
  }
}

/** @returns {Language} */
function other() {
  return language === "en" ? "ko" : "en";
}

/** @param {Language} chosen */
function choose(chosen) {
  language = chosen;
  keep(localStorage, CHOICE_KEY, chosen);
  document.documentElement.lang = chosen;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = text(/** @type {HTMLElement} */ (element).dataset.t ?? "");
  }
  fillAttribute("tLabel", "aria-label");
  fillAttribute("tTitle", "title");
  fillAttribute("tPlaceholder", "placeholder");
  const button = /** @type {HTMLButtonElement} */ (document.getElementById("language"));
  button.textContent = LANGUAGES[other()];
  button.lang = other();
  for (const redraw of redraws) redraw();
}

/**
 * @param {"tLabel" | "tTitle" | "tPlaceholder"} key
 * @param {string} attribute
 */
function fillAttribute(key, attribute) {
  const selector = `[data-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector))) {
    element.setAttribute(attribute, text(element.dataset[key] ?? ""));
  }
}
