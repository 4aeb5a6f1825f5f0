/**
 * Replay: the keyboard.
 */

import { element, isForControl } from "./dom.js";

/**
 * @typedef {{
 *   play: () => void, step: (way: 1 | -1) => void, chapter: (way: 1 | -1) => void, tenth: (tenth: number) => void, end: () => void,
 *   speed: (way: 1 | -1) => void, mute: () => void, fullScreen: () => void, camera: () => void, share: () => void, help: () => void,
 * }} Acts
 */

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
    s: acts.share,
    "?": acts.help,
  };
  for (let tenth = 0; tenth < 10; tenth += 1) keys[String(tenth)] = () => acts.tenth(tenth);
  const seek = element("seek", HTMLInputElement);
  document.addEventListener("keydown", (event) => {
    const onTimeline = event.target === seek && !document.querySelector("dialog[open]") && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (!onTimeline && isForControl(event)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
