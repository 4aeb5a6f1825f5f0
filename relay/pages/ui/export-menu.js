/**
 * Replay: staff have the recording made into a film, a sound file, a PDF or a pack for a USB stick.
 */

import { STAFF_KEY } from "../lib/kept-tokens.js";
import { element, make, say } from "./dom.js";
import { errorText, languageName, number, read, text } from "./texts.js";

const POLL_MS = 1000;

/**
 * @typedef {{job: string, to: string, language: string, state: "waiting" | "running" | "done" | "failed", progress: number,
 *   file_name: string, size_bytes: number, file: string, error: {id: string, text: string} | null}} Export
 */

export class ExportMenu {
  /** @param {string} lecture */
  constructor(lecture) {
    this._url = `/library/${encodeURIComponent(lecture)}/exports`;
    this._token = read(sessionStorage, STAFF_KEY) ?? "";
    /** @type {Export[]} newest first */
    this._exports = [];
    /** @type {{id: string, text?: string} | null} */
    this._error = null;
    this._timer = 0;
    this._dialog = element("export-dialog", HTMLDialogElement);
    if (!this._token) return;
    const button = element("export", HTMLButtonElement);
    button.hidden = false;
    button.onclick = () => void this._open();
    element("export-form", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      void this._start();
    };
    element("export-kind").onchange = () => {
      // A stick is to be small; whoever wants the camera on it says so.
      element("export-camera", HTMLInputElement).checked = chosen("export-kind") !== "usb";
      this._drawChoices();
    };
    element("export-close").onclick = () => this._dialog.close();
    this._dialog.onclose = () => clearTimeout(this._timer);
  }

  draw() {
    say(element("export-error"), errorText(this._error));
    element("exports").replaceChildren(...this._exports.map((one) => this._row(one)));
  }

  /** What may be chosen depends on what is made: a pack holds all languages, anything else that is heard one. */
  _drawChoices() {
    const to = chosen("export-kind");
    const spoken = Array.from(element("voice-language", HTMLSelectElement).options, ({ value }) => value);
    const options = spoken.map((language) => make("option", { value: language }, languageName(language)));
    if (to === "usb") options.unshift(make("option", { value: "" }, text("export_all_languages")));
    const select = element("export-language", HTMLSelectElement);
    const before = select.value;
    select.replaceChildren(...options);
    if (to !== "usb" && spoken.includes(before)) select.value = before;
    element("export-language-row").hidden = spoken.length < 2 || to === "pdf";
    element("export-pack").hidden = to !== "usb";
  }

  async _open() {
    this._drawChoices();
    this._dialog.showModal();
    const answer = await this._ask("GET", this._url);
    if (answer) this._exports = answer.exports;
    // Looking at each lets this browser fetch its file.
    await Promise.all(this._exports.map(({ job }) => this._look(job)));
    this.draw();
    this._poll();
  }

  async _start() {
    const to = chosen("export-kind");
    const pack = to === "usb" && { voice: chosen("export-voice"), lecture_file: isTicked("export-lecture-file") };
    const language = to === "pdf" ? "" : chosen("export-language");
    const started = await this._ask("POST", this._url, { to, language, camera: isTicked("export-camera"), ...pack });
    if (started) this._take(started);
    this.draw();
    this._poll();
  }

  _poll() {
    clearTimeout(this._timer);
    const active = this._exports.filter(({ state }) => state === "waiting" || state === "running");
    if (active.length === 0 || !this._dialog.open) return;
    this._timer = setTimeout(async () => {
      await Promise.all(active.map(({ job }) => this._look(job)));
      this.draw();
      this._poll();
    }, POLL_MS);
  }

  /** @param {string} job */
  async _look(job) {
    const found = await this._ask("GET", `${this._url}/${job}`);
    if (found) this._take(found);
  }

  /** @param {Export} found */
  _take(found) {
    const at = this._exports.findIndex(({ job }) => job === found.job);
    if (at < 0) this._exports.unshift(found);
    else this._exports[at] = found;
  }

  /** @param {string} job */
  async _remove(job) {
    await this._ask("DELETE", `${this._url}/${job}`);
    this._exports = this._exports.filter((one) => one.job !== job);
    this.draw();
  }

  /** @param {Export} one */
  _row(one) {
    const { job, state, progress, file_name, size_bytes, file, error } = one;
    const row = make("li", { className: "row" }, make("span", { className: "grow" }, file_name));
    if (state === "done") {
      row.append(make("a", { href: file, download: file_name }, text("export_fetch", { mb: number(size_bytes / 1e6, 1) })));
    } else if (state === "failed") {
      row.append(make("span", { className: "hint" }, errorText(error)));
    } else {
      row.append(
        make("progress", { value: progress, ariaLabel: file_name }),
        make("span", { className: "hint number" }, state === "waiting" ? text("export_waiting") : text("export_running", { percent: number(progress * 100) })),
      );
    }
    const over = state === "done" || state === "failed";
    row.append(make("button", { type: "button", onclick: () => void this._remove(job) }, text(over ? "export_remove" : "cancel")));
    return row;
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {object} [body]
   * @returns {Promise<any>} the answer, null for none; then the reason is shown
   */
  async _ask(method, url, body) {
    const headers = { Authorization: `Bearer ${this._token}`, ...(body ? { "Content-Type": "application/json" } : {}) };
    try {
      const response = await fetch(url, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
      const answer = response.status === 204 ? null : await response.json();
      this._error = response.ok ? null : answer.error;
      return response.ok ? answer : null;
    } catch {
      this._error = { id: "relay_silent" };
      return null;
    }
  }
}

/** @param {string} id */
function chosen(id) {
  return element(id, HTMLSelectElement).value;
}

/** @param {string} id */
function isTicked(id) {
  return element(id, HTMLInputElement).checked;
}
