/**
 * The first bit of the replay page, which comes with the page itself: the voice starts before anything else is fetched,
 * and the page of the moment follows it. Kept small: on a thin line each kilobyte is an eighth of a second. The rest
 * takes over what this has opened.
 */

import { STAFF_KEY, recordingKey, studioKey } from "../lib/kept-tokens.js";
import { startAt, stoppedAt } from "../lib/replay-moment.js";

const SEGMENT_MS = 6000;
/** So much voice is fetched until the rest takes over. */
const AHEAD_S = 20;
/** With so much ahead anything may come, and after so long too: on a line that cannot carry the voice nothing else would. */
const MOST_S = 15;
/** So many pieces of the voice these can stand in the way of, where the line keeps what it cannot carry. */
const IMAGE = 2;
const REST = 4;
const LATE_MS = 60_000;
const LOOK_MS = 50;
const AGAIN_MS = 2000;

const lecture = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const audio = /** @type {HTMLAudioElement} */ (document.getElementById("voice"));
const tokens = ownTokens();
const stopped = stoppedAt(lecture);
const language = stopped?.language ?? "-";
const position_ms = startAt(location.hash, stopped);
let n = Math.floor(position_ms / SEGMENT_MS);
// Asked for before anything else is done: the browser needs a moment until it can play.
let asked_ms = performance.now();
let asked = voice(position_ms % SEGMENT_MS ? `?from=${position_ms}` : "");
asked.catch(() => {});
const media = new MediaSource();
/** @type {SourceBuffer} */
let buffer;
let taken = false;
let speaking = true;
/** Whether the rest has not been asked for yet. */
let waiting = true;
let painting = false;
/** How long the last piece of the voice took, from asking to the last byte. */
let took_s = Infinity;
/** @type {[t_ms: number, name: string][]} from when on which image shows the page, as far as the relay told; "" for none */
const turns = [];
/** @type {import("./replay-images.js").Urls} */
const images = new Map();
audio.src = URL.createObjectURL(media);
audio.currentTime = position_ms / 1000;
// Until the rest has come the button can do this much.
document.addEventListener("click", early);
const done = new Promise((resolve) => media.addEventListener("sourceopen", resolve, { once: true }))
  .then(speak)
  .catch(() => {})
  .then(() => (speaking = false));
audio.addEventListener("timeupdate", show);
void paint();
await until(() => !speaking || (!painting && !missing() && isSafe(REST)));
waiting = false;
const more = rest();
const manifest = get("replay.json");
manifest.catch(() => {});
const { openReplay } = await more;
const opened = { media, buffer, done, took_ms: took_s * 1000, take: () => (taken = true) };
openReplay({ lecture, token: tokens[0], audio, language, manifest, images, opened });

async function speak() {
  buffer = media.addSourceBuffer('audio/webm; codecs="opus"');
  for (;;) {
    const response = await asked;
    if (!response.ok || !response.body) return;
    // As the relay tells it: "0 name, 3400 name".
    for (const page of response.headers.get("hallcast-pages")?.split(", ") ?? []) {
      const [t_ms, name = ""] = page.split(" ");
      turns.push([Number(t_ms), name]);
    }
    const reader = response.body.getReader();
    for (let piece; (piece = (await reader.read()).value); ) {
      buffer.appendBuffer(piece);
      await new Promise((resolve) => buffer.addEventListener("updateend", resolve, { once: true }));
    }
    took_s = (performance.now() - asked_ms) / 1000;
    // The voice leaves the line to what else is on its way as long as it is safe.
    await until(() => taken || (waiting && !painting && !missing() ? ahead_s() < AHEAD_S : !isSafe(waiting ? IMAGE : REST)));
    if (taken) return;
    n += 1;
    asked_ms = performance.now();
    asked = voice();
  }
}

/** Piece n of the voice; for the first one `from` says where in it, so that it sounds at once. */
function voice(from = "") {
  return get(`voice/${encodeURIComponent(language)}/light/${n}.webm${from}`);
}

/**
 * Whether something else may be asked for: the voice goes on even if it gets nothing for the time of so many pieces.
 * @param {number} pieces
 */
function isSafe(pieces) {
  return ahead_s() > Math.min(pieces * took_s, MOST_S) || performance.now() > LATE_MS;
}

/** The images of this moment's page and of those known to follow; "" for a page without one. */
function coming() {
  const now = turns.findLastIndex(([t_ms]) => t_ms <= audio.currentTime * 1000);
  return turns.slice(Math.max(0, now)).map(([, name]) => name);
}

/** The first of them that was not asked for yet. */
function missing() {
  return coming().find((name) => name && !images.has(name));
}

/** Fetch the pages' legible images until the rest does. */
async function paint() {
  for (;;) {
    await until(() => taken || Boolean(missing() && isSafe(IMAGE)));
    const name = missing();
    if (taken || !name) return;
    painting = true;
    images.set(name, fetched(name));
    await images.get(name);
    painting = false;
    void show();
  }
}

/** Show the page of this moment, if its image is here. */
async function show() {
  const url = await images.get(coming()[0]);
  const page = /** @type {HTMLImageElement} */ (document.getElementById("page"));
  if (taken || !url || page.src === url) return;
  page.src = url;
  page.hidden = false;
}

/** @param {string} name */
async function fetched(name) {
  try {
    const response = await get(`blob/${name}`);
    return response.ok ? URL.createObjectURL(await response.blob()) : null;
  } catch {
    return null;
  }
}

/** The rest of the page, also where the line broke while it came: browsers remember an address that failed. */
async function rest() {
  const { rest: address = "" } = document.body.dataset;
  for (let again = 0; ; again += 1) {
    try {
      return await import(`${address}#${again}`);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** How much can be heard from here on. */
function ahead_s() {
  const { buffered, currentTime } = audio;
  return buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
}

/** @param {() => boolean} condition */
async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

/** @param {string} path */
async function get(path) {
  for (;;) {
    const [token] = tokens;
    const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
    const response = await fetch(`/library/${encodeURIComponent(lecture)}/${path}`, { headers });
    if (response.status !== 401 || !token) return response;
    // A recording that is open to all is refused to who shows a token that is no good (any longer).
    if (tokens[0] === token) tokens.shift();
    memory((kept) => kept.removeItem(recordingKey(lecture)));
  }
}

/** @param {MouseEvent} event */
function early({ target }) {
  const button = /** @type {HTMLElement | null} */ (target instanceof Element ? target.closest("#play") : null);
  if (!button || button.onclick) return;
  // A browser that refuses says so again to the page's own button.
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

/**
 * What may open the recording, best first; none at last. A token from the address moves into this window's memory: it
 * must not stay in the browser's history.
 */
function ownTokens() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const told = fragment.get("token");
  if (told) {
    fragment.delete("token");
    history.replaceState(null, "", `${location.pathname}#${fragment}`);
    memory((kept) => kept.setItem(recordingKey(lecture), told));
  }
  const found = [recordingKey(lecture), studioKey(lecture), STAFF_KEY].map((key) => memory((kept) => kept.getItem(key)));
  return [...new Set([told, ...found].filter(Boolean)), ""];
}

/**
 * @template T
 * @param {(kept: Storage) => T} act
 * @returns {T | undefined} nothing where the browser forbids it
 */
function memory(act) {
  try {
    return act(sessionStorage);
  } catch {
    // Then the token is asked for each time.
  }
}
