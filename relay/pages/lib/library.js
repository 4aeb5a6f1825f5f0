/**
 * The library's search as an address, and its answers. No DOM.
 */

/**
 * @typedef {{kind: string, page: number | null, moments: number[], snippet: string[]}} Hit moments in ms of lecture
 *   time; every second piece of the snippet is what was looked for
 * @typedef {{id: string, title: string, course: string, series: string, tags: string[], state: string,
 *   started_at: string | null, duration_ms: number, languages: string[], has_camera: boolean, page_count: number,
 *   hits: Hit[], hit_count: number, file_bytes?: number, missing?: boolean, missing_ms?: number, trouble?: string,
 *   scan_problems?: string[], keep_forever?: boolean, keep_until?: string | null}} Lecture the fields with a question mark for staff only
 * @typedef {[string, number][]} Facet value and how many lectures have it
 * @typedef {{recordings: number, file_bytes: number, recycled: number, recycled_bytes: number, free_bytes: number,
 *   remote: number, remote_bytes: number, damaged: string[], missing: string[], incomplete: string[]}} Storage
 * @typedef {{waiting: number, trouble: string}} Remote
 * @typedef {{lectures: Lecture[], total: number, page: number, pages: number, storage?: Storage, remote?: Remote,
 *   facets: {courses: Facet, series: Facet, tags: Facet, languages: Facet}}} Answer
 * @typedef {{q: string, course: string, series: string, tag: string, language: string, from: string, until: string,
 *   page: string}} Asked
 */

/** @type {(keyof Asked)[]} */
export const FIELDS = ["q", "course", "series", "tag", "language", "from", "until", "page"];

/**
 * What an address asks for.
 * @param {string} search as in location.search
 * @returns {Asked}
 */
export function readAddress(search) {
  const given = new URLSearchParams(search);
  return /** @type {Asked} */ (Object.fromEntries(FIELDS.map((name) => [name, given.get(name) ?? ""])));
}

/**
 * The same as an address's parameters, with their question mark; empty for nothing.
 * @param {Asked} asked
 */
export function writeAddress(asked) {
  const given = FIELDS.filter((name) => asked[name] && !(name === "page" && asked[name] === "1"));
  const words = new URLSearchParams(given.map((name) => [name, asked[name]])).toString();
  return words ? `?${words}` : "";
}

/**
 * Where the replay of a moment is.
 * @param {string} lecture its id
 * @param {number} t_ms lecture time; 0 is the beginning
 */
export function momentAddress(lecture, t_ms) {
  const address = `/library/${encodeURIComponent(lecture)}`;
  return t_ms > 0 ? `${address}#t=${Math.round(t_ms / 100) / 10}` : address;
}

/**
 * Tags as staff type them.
 * @param {string} words separated by commas
 */
export function readTags(words) {
  return [...new Set(words.split(",").map((word) => word.trim()).filter(Boolean))];
}
