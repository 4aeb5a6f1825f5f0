/**
 * What a browser keeps of recordings: names, and which recording goes when there is too much.
 */

import { hex } from "./hex.js";

/** Of all recordings together. */
export const KEPT_BYTES = 200_000_000;
export const SHELL = "hallcast-shell";
const LECTURE = "hallcast-lecture";

/**
 * The cache of a recording, for whoever shows this token: another token finds nothing of it.
 * @param {string} lecture
 * @param {string} authorization the header's value, "" for none
 */
export async function cacheName(lecture, authorization) {
  if (!authorization) return `${LECTURE}/${lecture}`;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(authorization));
  return `${LECTURE}/${lecture}/${hex(new Uint8Array(hash).subarray(0, 8))}`;
}

/** @param {string} name */
export function isLectureCache(name) {
  return name.startsWith(`${LECTURE}/`);
}

/**
 * @typedef {"page" | "static" | "manifest" | "versioned" | "passing" | "foreign"} What
 *   page: the replay page itself; manifest: says what there is now; versioned: never changes under its address; passing:
 *   asked for anew each time, the kept answer is for want of a better one; foreign: none of our business
 */

/**
 * @param {URL} url
 * @returns {{what: What, lecture: string}}
 */
export function kindOf({ pathname, searchParams }) {
  const [first, lecture = "", ...rest] = pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (first === "pages") return { what: searchParams.has("v") ? "versioned" : "static", lecture: "" };
  if (first !== "library" || !lecture || lecture === "worker.js") return { what: "foreign", lecture: "" };
  if (rest.length === 0) return { what: "page", lecture };
  if (rest[0] === "replay.json") return { what: "manifest", lecture };
  if (rest[0] === "blob" || searchParams.has("v")) return { what: rest[0] === "camera.webm" ? "foreign" : "versioned", lecture };
  return { what: ["voice", "drawing", "waveform", "screen", "captions"].includes(rest[0]) ? "passing" : "foreign", lecture };
}

/**
 * The lasting address of a piece of a voice that was asked for without language or revision; the answer tells them.
 * @param {string} address
 * @param {{etag: string | null, language: string | null}} told
 * @returns {string | null} null for anything else, and for a part of a piece
 */
export function settledUrl(address, { etag, language }) {
  const url = new URL(address);
  const [, lecture, what, , ...rest] = url.pathname.split("/").filter(Boolean);
  if (what !== "voice" || rest.length === 0 || !etag || !language || url.searchParams.has("from")) return null;
  url.pathname = ["", "library", lecture, "voice", encodeURIComponent(language), ...rest].join("/");
  url.search = new URLSearchParams({ v: etag.replaceAll('"', "") }).toString();
  return url.href;
}

/**
 * @param {string[]} urls of what is kept of one recording
 * @param {string} revision of the recording as it is known now
 * @returns {import("./replay-source.js").Kept}
 */
export function keptOf(urls, revision) {
  /** @type {Record<string, Set<number>>} */
  const segments = {};
  const images = [];
  for (const { pathname, searchParams } of urls.map((url) => new URL(url))) {
    const [, , what, name, , file] = pathname.split("/").filter(Boolean).map(decodeURIComponent);
    if (what === "blob") images.push(name);
    if (what !== "voice" || !file || searchParams.get("v") !== revision) continue;
    (segments[name] ??= new Set()).add(Number.parseInt(file, 10));
  }
  const inOrder = Object.entries(segments).map(([language, numbers]) => [language, Array.from(numbers).sort((a, b) => a - b)]);
  return { segments: Object.fromEntries(inOrder), images };
}

/**
 * @param {{name: string, used_at: number, bytes: number}[]} caches
 * @param {string} current the cache that is being filled
 * @param {number} [limit]
 * @returns {string[]} what has to go, the one that was not used for the longest first; never the current one
 */
export function tooMuch(caches, current, limit = KEPT_BYTES) {
  let bytes = caches.reduce((sum, cache) => sum + cache.bytes, 0);
  const gone = [];
  for (const cache of caches.filter(({ name }) => name !== current).sort((a, b) => a.used_at - b.used_at)) {
    if (bytes <= limit) break;
    bytes -= cache.bytes;
    gone.push(cache.name);
  }
  return gone;
}
