/**
 * The first bit of the replay page, which comes with the page itself: the voice starts before anything else is fetched.
 * Kept small: on a thin line each kilobyte is an eighth of a second. The rest takes over what this has opened.
 */

import { startAt } from "../lib/replay-moment.js";

const TOKEN_KEY = "hallcast.library";
const STAFF_KEY = "hallcast.staff";
const SEGMENT_MS = 6000;
/** So much is fetched before the rest comes: a piece, and what is heard while the rest is on its way. */
const SEGMENTS = 3;

const lecture = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const audio = /** @type {HTMLAudioElement} */ (document.getElementById("voice"));
const token = ownToken();
const stopped = stoppedAt();
const language = stopped?.language ?? "-";
const position_ms = startAt(location.hash, stopped);
const media = new MediaSource();
/** @type {SourceBuffer} */
let buffer;
let taken = false;
/** @type {(value?: unknown) => void} */
let mayFollow = () => {};
const first = new Promise((resolve) => (mayFollow = resolve));
audio.src = URL.createObjectURL(media);
audio.currentTime = position_ms / 1000;
// The button is there a little later than this script; until the rest has come it can do this much.
document.addEventListener("click", early);
const done = new Promise((resolve) => media.addEventListener("sourceopen", resolve, { once: true })).then(begin).catch(() => {});
done.then(mayFollow);
await first;
const { styles, logo, rest } = document.body.dataset;
const manifest = get("replay.json");
manifest.catch(() => {});
if (styles) document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: styles }));
if (logo) for (const image of document.querySelectorAll("img[data-logo]")) /** @type {HTMLImageElement} */ (image).src = logo;
if (logo) /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]")).href = logo;
const { openReplay } = await import(rest ?? "");
document.removeEventListener("click", early);
openReplay({ lecture, token, audio, language, manifest, opened: { media, buffer, done, take: () => (taken = true) } });

async function begin() {
  buffer = media.addSourceBuffer('audio/webm; codecs="opus"');
  const n = Math.floor(position_ms / SEGMENT_MS);
  for (let at = n; at < n + SEGMENTS && !taken; at += 1) {
    const response = await get(`voice/${encodeURIComponent(language)}/light/${at}.webm`);
    if (!response.ok || !response.body) return;
    const reader = response.body.getReader();
    for (let piece; (piece = (await reader.read()).value); ) {
      buffer.appendBuffer(piece);
      await new Promise((resolve) => buffer.addEventListener("updateend", resolve, { once: true }));
    }
    mayFollow();
  }
}

/** @param {string} path */
function get(path) {
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  return fetch(`/library/${encodeURIComponent(lecture)}/${path}`, { headers });
}

/** @param {MouseEvent} event */
function early({ target }) {
  if (!(target instanceof Element) || !target.closest("#play")) return;
  // A browser that refuses says so again to the page's own button.
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

/** @returns {{t_ms: number, duration_ms: number, language: string} | null} */
function stoppedAt() {
  try {
    return JSON.parse(localStorage.getItem(`hallcast.replay.${lecture}`) ?? "null");
  } catch {
    return null;
  }
}

/** A token from the address moves into this window's memory: it must not stay in the browser's history. */
function ownToken() {
  try {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const told = fragment.get("token");
    if (told) {
      sessionStorage.setItem(TOKEN_KEY, told);
      fragment.delete("token");
      history.replaceState(null, "", `${location.pathname}#${fragment}`);
    }
    return sessionStorage.getItem(TOKEN_KEY) ?? sessionStorage.getItem(STAFF_KEY) ?? "";
  } catch {
    return "";
  }
}
