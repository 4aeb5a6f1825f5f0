/**
 * What is where in a replay: pages, chapters, moments. Pure.
 */

/**
 * @typedef {import("./replay-source.js").Replay} Replay
 * @typedef {import("./replay-source.js").ReplayPage} ReplayPage
 * @typedef {import("./replay-source.js").ReplayCaption} ReplayCaption
 * @typedef {{t_ms: number, page: number, title: string, number: number}} Chapter page: index in the replay's pages
 */

/** Speeds to choose from; the pitch is kept. */
export const SPEEDS = [0.75, 1, 1.25, 1.5, 1.75, 2];

const FIRST_TURN_MS = 10_000;

/**
 * The last of `items` that is at or before `t_ms`.
 * @template T
 * @param {T[]} items in order of time
 * @param {number} t_ms
 * @param {(item: T) => number} time
 * @returns {number} its index, -1 before the first
 */
export function indexAt(items, t_ms, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(items[middle]) <= t_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * A chapter for each turn to a page other than the one shown.
 * @param {Pick<Replay, "turns" | "pages">} replay
 * @returns {Chapter[]}
 */
export function chaptersOf({ turns, pages }) {
  return turns
    .filter(([, page], at) => page !== turns[at - 1]?.[1])
    .map(([t_ms, page]) => ({ t_ms, page, title: pages[page].title, number: pages[page].page }));
}

/**
 * @param {Replay["turns"]} turns
 * @param {number} t_ms
 * @returns {{now: number | null, next: number | null}} indexes of the page of this moment and of the one after it
 */
export function pagesAt(turns, t_ms) {
  // A lecturer's first turn comes a moment after the first word: until then its page stands there already.
  const first_ms = turns[0]?.[0] ?? Infinity;
  const at = indexAt(turns, t_ms < first_ms && first_ms < FIRST_TURN_MS ? first_ms : t_ms, ([time]) => time);
  const now = turns[at]?.[1] ?? null;
  const next = turns.slice(at + 1).find(([, page]) => page !== now)?.[1] ?? null;
  return { now, next };
}

/**
 * @param {{t_ms: number}[]} chapters
 * @param {number} t_ms where one is
 * @param {1 | -1} step back goes first to the beginning of the present chapter
 * @returns {number | null} where the chapter begins; null for none
 */
export function chapterFrom(chapters, t_ms, step) {
  const at = indexAt(chapters, t_ms, (chapter) => chapter.t_ms);
  const restart = step < 0 && at >= 0 && t_ms - chapters[at].t_ms > 3000;
  return chapters[Math.max(0, restart ? at : at + step)]?.t_ms ?? null;
}

/**
 * @param {string[]} languages of which there are captions, the lecturer's first
 * @param {string} spoken the language that is heard
 * @returns {string | null} which captions go with it: the same, the same but for the country, else the first
 */
export function captionLanguage(languages, spoken) {
  const base = (/** @type {string} */ tag) => tag.toLowerCase().split("-")[0];
  return languages.find((one) => one === spoken) ?? languages.find((one) => base(one) === base(spoken)) ?? languages[0] ?? null;
}

/**
 * @param {ReplayCaption[]} captions
 * @param {number} t_ms
 * @returns {string} what is to be read now, "" for nothing
 */
export function captionAt(captions, t_ms) {
  return captions
    .filter(([start_ms, end_ms]) => start_ms <= t_ms && t_ms < end_ms)
    .map(([, , words]) => words)
    .join("\n");
}

/**
 * @param {number} speed
 * @param {1 | -1} step
 */
export function speedFrom(speed, step) {
  return SPEEDS[SPEEDS.indexOf(speed) + step] ?? speed;
}
