/**
 * What replay.json says of a recording, and which page belongs to which moment.
 */

/**
 * @typedef {{tier: number, url: string, w: number, h: number}} ReplayTier
 * @typedef {{t_ms: number, deck: string, page: number}} ReplayTurn
 * @typedef {{deck: string, page: number, title: string, tiers: ReplayTier[]}} ReplayPage
 * @typedef {{t_ms: number, deck: string, page: number, title: string}} Chapter
 * @typedef {{
 *   lecture: string, title: string, duration_ms: number, languages: string[], turns: ReplayTurn[], pages: ReplayPage[],
 *   voice: {language: string, url: string, rung: string}[], camera: {url: string, offset_ms: number} | null, chapters: Chapter[],
 * }} Replay
 */

/**
 * The last of `items` that begins at or before `t_ms`.
 * @template {{t_ms: number}} T
 * @param {T[]} items in order of lecture time
 * @param {number} t_ms
 * @returns {number} its index, -1 before the first
 */
export function indexAt(items, t_ms) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].t_ms <= t_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class Pages {
  /** @param {Replay} replay */
  constructor(replay) {
    this._turns = replay.turns;
    /** @type {Map<string, ReplayPage>} */
    this._pages = new Map(replay.pages.map((page) => [`${page.deck}/${page.page}`, page]));
  }

  /**
   * @param {number} t_ms
   * @returns {ReplayPage | null}
   */
  at(t_ms) {
    return this._of(this._turns[indexAt(this._turns, t_ms)]);
  }

  /**
   * @param {number} t_ms
   * @returns {ReplayPage | null} the page that comes after the one of this moment
   */
  after(t_ms) {
    return this._of(this._turns[indexAt(this._turns, t_ms) + 1]);
  }

  /** @param {ReplayTurn | undefined} turn */
  _of(turn) {
    return (turn && this._pages.get(`${turn.deck}/${turn.page}`)) ?? null;
  }
}
