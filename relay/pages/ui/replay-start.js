/**
 * The first bit of the replay page, which comes with the page itself: the voice starts before anything else is fetched.
 */

import { startAt } from "../lib/replay.js";
import { HttpSource } from "../lib/replay-source.js";
import { VoicePlayer } from "./replay-voice.js";

const TOKEN_KEY = "hallcast.library";
const STAFF_KEY = "hallcast.staff";
/** The rest of the page waits for the first piece of the voice, but no longer than this. */
const REST_AFTER_MS = 6000;

const lecture = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const audio = /** @type {HTMLAudioElement} */ (document.getElementById("voice"));
const stopped = stoppedAt();
const source = new HttpSource(lecture, token());
const player = new VoicePlayer(audio, source, { language: stopped?.language ?? "-", position_ms: startAt(location.hash, stopped) });
// The button is there a little later than this script; until the rest has come it can do this much.
document.addEventListener("click", early);
const manifest = new Promise((resolve) => {
  const timer = setTimeout(resolve, REST_AFTER_MS);
  const ready = () => {
    if (player.line === "up" && player.ahead_ms < 2000) return;
    clearTimeout(timer);
    resolve(undefined);
  };
  for (const event of ["buffer", "line"]) player.addEventListener(event, ready);
}).then(() => source.manifest());
manifest.catch(() => {});
await manifest.catch(() => {});
const { openReplay } = await import(document.body.dataset.rest ?? "");
document.removeEventListener("click", early);
await openReplay({ source, player, manifest });

/** @param {MouseEvent} event */
function early(event) {
  if (!(event.target instanceof Element) || !event.target.closest("#play")) return;
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
function token() {
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
