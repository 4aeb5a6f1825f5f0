/**
 * Where a replay begins: at the moment that a link names, or where this browser stopped.
 */

/** Who stopped this close to the end has heard the lecture: it begins anew. */
const HEARD_OUT_MS = 15_000;

/**
 * The moment that a link's fragment names: `#t=754`, `#t=754.5`, `#t=12:34`, `#t=1:02:03`.
 * @param {string} fragment
 * @returns {number | null} in ms
 */
export function momentOf(fragment) {
  const words = new URLSearchParams(fragment.replace(/^#/, "")).get("t") ?? "";
  if (!/^(\d{1,6}:){0,2}\d{1,9}(\.\d{1,3})?$/.test(words)) return null;
  return Math.round(words.split(":").reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
}

/**
 * @param {number} t_ms
 * @returns {string} the fragment that names this moment, to the second
 */
export function fragmentOf(t_ms) {
  return `#t=${Math.max(0, Math.floor(t_ms / 1000))}`;
}

/**
 * Where this browser stopped.
 * @param {string} lecture
 * @returns {{t_ms: number, duration_ms: number, language: string} | null}
 */
export function stoppedAt(lecture) {
  try {
    return JSON.parse(localStorage.getItem(`hallcast.replay.${lecture}`) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Where to go on: at the moment that a link names, else where this browser stopped.
 * @param {string} fragment
 * @param {{t_ms?: number, duration_ms?: number} | null} stopped
 */
export function startAt(fragment, stopped) {
  const linked = momentOf(fragment);
  if (linked !== null) return linked;
  const { t_ms = 0, duration_ms = Infinity } = stopped ?? {};
  return t_ms < duration_ms - HEARD_OUT_MS ? t_ms : 0;
}
