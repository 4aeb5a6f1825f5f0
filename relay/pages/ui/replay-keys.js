/**
 * Replay: the keyboard.
 */

import { keyOf } from "../lib/keys.js";
import { element, isForControl } from "./dom.js";

/**
 * @typedef {{
 *   play: () => void, step: (way: 1 | -1) => void, chapter: (way: 1 | -1) => void, tenth: (tenth: number) => void, end: () => void,
 *   speed: (way: 1 | -1) => void, mute: () => void, fullScreen: () => void, camera: () => void, captions: () => void, share: () => void, help: () => void,
 * }} Acts
 */

/** What a key that is held down does again and again; all else once. */
const REPEATED = new Set(["ArrowLeft", "ArrowRight", "j", "l", "PageUp", "PageDown", "<", ">"]);

/** @param {Acts} acts */
export function bindKeys(acts) {
  /** @type {Record<string, () => void>} */
  const keys = {
    " ": acts.play,
    k: acts.play,
    ArrowLeft: () => acts.step(-1),
    ArrowRight: () => acts.step(1),
    j: () => acts.step(-1),
    l: () => acts.step(1),
    PageUp: () => acts.chapter(-1),
    PageDown: () => acts.chapter(1),
    Home: () => acts.tenth(0),
    End: acts.end,
    "<": () => acts.speed(-1),
    ">": () => acts.speed(1),
    m: acts.mute,
    f: acts.fullScreen,
    c: acts.camera,
    t: acts.captions,
    s: acts.share,
    "?": acts.help,
  };
  for (let tenth = 0; tenth < 10; tenth += 1) keys[String(tenth)] = () => acts.tenth(tenth);
  const seek = element("seek", HTMLInputElement);
  document.addEventListener("keydown", (event) => {
    const onTimeline = event.target === seek && !document.querySelector("dialog[open]") && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (!onTimeline && isForControl(event)) return;
    const key = keyOf(event);
    if (!keys[key]) return;
    event.preventDefault();
    if (!event.repeat || REPEATED.has(key)) keys[key]();
  });
}
