/**
 * Console: what staff need to know of the halls, from the relay's snapshots. No DOM.
 */

/** Samples kept of each hall: five minutes at one every two seconds. */
const KEPT_SAMPLES = 150;
/** A hall says something every two seconds; one that has been silent for longer has no line. */
const SILENT_S = 7;
/** Later than its playout delay by this much, a hall is catching up; by that much more, it needs looking after. */
const LATE_MS = 3000;
const VERY_LATE_MS = 30_000;
/** How long the page that is due may be missing before it is told, and before it is trouble. */
const PAGE_TOLD_MS = 5000;
const PAGE_TROUBLE_MS = 15_000;
const MUCH_LOST = 0.15;
const LONG_QUEUE_MS = 500;

/**
 * @typedef {{
 *   connected?: boolean, remote?: string, language?: string, rung?: number | string, text?: boolean, carrier?: string,
 *   budget_kbps?: number | null, used_kbps?: number | null, queue_ms?: number | null, camera_kbps?: number | null,
 *   fraction_lost?: number | null, rtt_ms?: number | null, class_bytes?: Record<string, number>,
 *   packets?: number, resent_packets?: number, socket_rate_kbps?: number,
 * }} Link
 * @typedef {{
 *   name: string, connected: boolean, behind_ms: number, page: number, page_due: number, heads: number, rung: string,
 *   carrier: string, fraction_lost: number, rtt_ms: number, received_kbps: number, playout_delay_ms: number,
 *   gaps: number, silent_s: number, link: Link | null,
 * }} Hall
 * @typedef {{t_ms: number, hall: string, text: string}} Question
 * @typedef {{
 *   lecture: {id: string, title: string, course: string, state: "planned" | "live" | "ended", publisher: string, t_ms: number},
 *   publishers: {role: string, connected: boolean, rtt_ms: number | null, silent_s: number, sources: {kind: string, kbps: number, fraction_lost: number}[]}[],
 *   halls: Hall[], players: number, questions: Question[],
 *   voices: Record<string, {missing_ms: number, repaired_ms: number}>,
 *   deck: {page: number, page_count: number}, recorder: {trouble: string | null, set_aside?: string, dropped_entries: number},
 * }} Snapshot
 * @typedef {"gone" | "silent" | "text" | "page_late" | "very_late" | "late" | "loss" | "queue" | "no_voice" | "waiting" | "fetching" | "done" | "left" | "good"} State
 * @typedef {0 | 1 | 2 | 3} Level 0 well, 1 worth a look, 2 trouble, 3 no line
 * @typedef {{at_ms: number, budget_kbps: number | null, used_kbps: number | null, behind_ms: number | null}} Sample
 * @typedef {{key: string, hall: Hall, state: State, level: Level, seconds: number, history: Sample[]}} Row
 *   seconds: the time that belongs to the state (silent, behind, page missing), where it has one
 * @typedef {Snapshot & {rows: Row[], level: Level}} Board
 */

/**
 * The one thing to know of a hall first, and how bad it is.
 * @param {Hall} hall
 * @param {Snapshot["lecture"]} lecture
 * @param {number} page_missing_ms for how long the page that is due has not been shown
 * @returns {[State, Level, number]}
 */
export function judge(hall, lecture, page_missing_ms) {
  const live = lecture.state === "live";
  if (!hall.connected) return live ? ["gone", 3, hall.silent_s] : ["left", 0, hall.silent_s];
  if (hall.silent_s > SILENT_S) return ["silent", 3, hall.silent_s];
  if (lecture.state === "planned") return ["waiting", 0, 0];
  const late_ms = hall.behind_ms - hall.playout_delay_ms;
  if (!live && hall.behind_ms < LATE_MS) return hall.gaps > 0 ? ["fetching", 1, 0] : ["done", 0, 0];
  if (onTextRung(hall)) return ["text", 2, hall.behind_ms / 1000];
  if (late_ms > VERY_LATE_MS) return ["very_late", 2, hall.behind_ms / 1000];
  if (page_missing_ms > PAGE_TROUBLE_MS) return ["page_late", 2, page_missing_ms / 1000];
  if (late_ms > LATE_MS) return ["late", 1, hall.behind_ms / 1000];
  if (page_missing_ms > PAGE_TOLD_MS) return ["page_late", 1, page_missing_ms / 1000];
  if (lossOf(hall) >= MUCH_LOST) return ["loss", 1, 0];
  if ((hall.link?.queue_ms ?? 0) > LONG_QUEUE_MS) return ["queue", 1, 0];
  if (lecture.publisher === "live" && !hall.carrier) return ["no_voice", 1, 0];
  return ["good", 0, 0];
}

/**
 * Whether the link is below the voice: pages now, the voice later.
 * @param {Hall} hall
 */
export function onTextRung(hall) {
  return hall.link?.text === true || hall.link?.rung === "text" || hall.rung === "text";
}

/**
 * Loss on the hall's link: as the relay's feedback says, which looks at everything for a while; the hall's own figure
 * of a moment's few packets where there is no feedback.
 * @param {Hall} hall
 */
export function lossOf(hall) {
  return (hall.link?.connected ? hall.link.fraction_lost : null) ?? hall.fraction_lost;
}

/**
 * What brings the voice, as the hall says, else as the relay does.
 * @param {Hall} hall
 * @returns {string} `rtp`, `socket` or empty
 */
export function carrierOf(hall) {
  return hall.carrier || hall.link?.carrier || "";
}

/**
 * What the recording lacks of its voices, and what copies have brought, in whole seconds.
 * @param {Snapshot["voices"]} voices
 */
export function repairOf(voices) {
  const seconds = (/** @type {"missing_ms" | "repaired_ms"} */ key) =>
    Math.round(Object.values(voices).reduce((sum, voice) => sum + voice[key], 0) / 1000);
  return { missing_s: seconds("missing_ms"), repaired_s: seconds("repaired_ms") };
}

/** Follows all lectures and keeps what was, for the little curves. */
export class Console {
  constructor() {
    /** @type {Board[]} */
    this.boards = [];
    /** @type {Map<string, {samples: Sample[], missing_since_ms: number | null}>} */
    this._kept = new Map();
  }

  /**
   * @param {Snapshot[]} lectures
   * @param {number} at_ms the reader's own monotonic clock
   */
  take(lectures, at_ms) {
    const kept = new Map();
    this.boards = lectures.map((snapshot) => {
      const rows = snapshot.halls.map((hall) => {
        const key = JSON.stringify([snapshot.lecture.id, hall.name]);
        const before = this._kept.get(key) ?? { samples: [], missing_since_ms: null };
        const missing = hall.connected && hall.page_due > 0 && hall.page !== hall.page_due;
        const now = {
          samples: [...before.samples, sampleOf(hall, at_ms)].slice(-KEPT_SAMPLES),
          missing_since_ms: missing ? (before.missing_since_ms ?? at_ms) : null,
        };
        kept.set(key, now);
        const missing_ms = now.missing_since_ms === null ? 0 : at_ms - now.missing_since_ms;
        const [state, level, seconds] = judge(hall, snapshot.lecture, missing_ms);
        return { key, hall, state, level, seconds, history: now.samples };
      });
      rows.sort((a, b) => b.level - a.level || byName(a.hall.name, b.hall.name));
      const own = snapshot.recorder.trouble || (snapshot.lecture.state === "live" && snapshot.lecture.publisher !== "live") ? 3 : 0;
      return { ...snapshot, rows, level: /** @type {Level} */ (Math.max(own, rows[0]?.level ?? 0)) };
    });
    this._kept = kept;
    const order = { live: 0, planned: 1, ended: 2 };
    this.boards.sort(
      (a, b) =>
        order[a.lecture.state] - order[b.lecture.state] || b.level - a.level || byName(a.lecture.title, b.lecture.title),
    );
  }
}

/**
 * A curve as an SVG path; a missing value breaks it.
 * @param {(number | null)[]} values oldest first
 * @param {{width: number, height: number, max: number, points?: number, filled?: boolean}} box points: how many fill the width
 */
export function curve(values, { width, height, max, points = KEPT_SAMPLES, filled = false }) {
  const step = width / (points - 1);
  const left = width - (values.length - 1) * step;
  const place = (/** @type {number} */ value, /** @type {number} */ index) =>
    `${(left + index * step).toFixed(1)} ${(height - (Math.min(value, max) / (max || 1)) * height).toFixed(1)}`;
  let path = "";
  let from = -1;
  for (let index = 0; index <= values.length; index += 1) {
    const value = values[index] ?? null;
    if (value !== null) {
      path += `${from < 0 ? "M" : "L"}${place(value, index)}`;
      if (from < 0) from = index;
    } else if (from >= 0) {
      if (filled) path += `L${(left + (index - 1) * step).toFixed(1)} ${height}L${(left + from * step).toFixed(1)} ${height}Z`;
      from = -1;
    }
  }
  return path;
}

/**
 * @param {Hall} hall
 * @param {number} at_ms
 * @returns {Sample}
 */
function sampleOf(hall, at_ms) {
  const here = hall.connected && hall.silent_s <= SILENT_S;
  return {
    at_ms,
    budget_kbps: here ? (hall.link?.budget_kbps ?? null) : null,
    used_kbps: here ? usedKbps(hall) : null,
    behind_ms: hall.connected ? hall.behind_ms : null,
  };
}

/**
 * What goes over the hall's link now: as the relay sends it, else as the hall receives it.
 * @param {Hall} hall
 */
export function usedKbps(hall) {
  return hall.link?.used_kbps ?? hall.received_kbps;
}

/**
 * @param {string} a
 * @param {string} b
 */
function byName(a, b) {
  return a.localeCompare(b, undefined, { numeric: true });
}
