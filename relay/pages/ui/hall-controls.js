/**
 * Hall page: the operator's bar, keys and dialogs.
 */

import { keyOf } from "../lib/keys.js";
import { element, isForControl } from "./dom.js";
import { keep, read } from "./texts.js";

const BAR_HIDES_MS = 4000;
const HEADS_KEY = "hallcast.heads";

export class Controls {
  /**
   * @param {{onMute: () => void, onCamera: () => void, onLanguage: (language: string) => void,
   *   onQuestion: (words: string) => void}} options
   */
  constructor({ onMute, onCamera, onLanguage, onQuestion }) {
    this._onCamera = onCamera;
    this._onQuestion = onQuestion;
    this.cameraShown = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._sleep = undefined;
    const people = element("people", HTMLInputElement);
    people.value = read(localStorage, HEADS_KEY) ?? "";
    people.onchange = () => keep(localStorage, HEADS_KEY, people.value);
    const language = element("voice-language", HTMLSelectElement);
    language.onchange = () => onLanguage(language.value);
    const ask = element("ask-dialog", HTMLDialogElement);
    ask.onclose = () => this._asked(ask);
    const help = element("help-dialog", HTMLDialogElement);
    /** @type {Record<string, {button: string, act: () => void}>} */
    const keys = {
      f: { button: "fullscreen", act: () => void toggleFullscreen() },
      m: { button: "mute", act: onMute },
      c: { button: "camera-switch", act: () => this._switchCamera() },
      q: { button: "ask", act: () => ask.showModal() },
      "?": { button: "help", act: () => help.showModal() },
    };
    for (const { button, act } of Object.values(keys)) element(button).onclick = act;
    document.addEventListener("keydown", (event) => {
      this._wake();
      const key = keys[keyOf(event)];
      if (!key || isForControl(event)) return;
      event.preventDefault();
      if (!event.repeat) key.act();
    });
    document.addEventListener("pointermove", () => this._wake());
    document.addEventListener("visibilitychange", () => void holdScreen());
    void holdScreen();
    this._wake();
  }

  _switchCamera() {
    this.cameraShown = !this.cameraShown;
    element("camera-switch").ariaPressed = String(this.cameraShown);
    this._onCamera();
  }

  /** @param {HTMLDialogElement} dialog */
  _asked(dialog) {
    const field = element("question", HTMLInputElement);
    const words = field.value.trim();
    if (dialog.returnValue === "send" && words) {
      this._onQuestion(words);
      field.value = "";
    }
    dialog.returnValue = "";
  }

  /** Show the bar and the pointer for a while. */
  _wake() {
    const { classList } = element("projector");
    classList.add("awake");
    clearTimeout(this._sleep);
    this._sleep = setTimeout(() => classList.remove("awake"), BAR_HIDES_MS);
  }
}

/** @returns {number} people in the hall, as the operator says */
export function heads() {
  return Math.max(0, Math.round(Number(element("people", HTMLInputElement).value) || 0));
}

async function toggleFullscreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
  } catch {
    // A browser without full screen (or one that forbids it): its own key remains.
  }
}

/** Keep the projector from going dark in mid-lecture. */
async function holdScreen() {
  if (document.visibilityState !== "visible" || !navigator.wakeLock) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // On a low battery the system may refuse.
  }
}
