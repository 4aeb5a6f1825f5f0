/**
 * Library: staff import a recording, by a file that is chosen or dropped on the card.
 */

import { uploadImport } from "../lib/import-upload.js";
import { RequestError } from "../lib/protocol.js";
import { element, make, say } from "./dom.js";
import { errorText, number, text } from "./texts.js";

/** @typedef {import("../lib/import-upload.js").Import} Import */

export class ImportCard {
  /**
   * @param {() => Record<string, string>} headers with the staff token
   * @param {() => void} changed called when something was imported
   */
  constructor(headers, changed) {
    this._headers = headers;
    this._changed = changed;
    /** @type {AbortController | null} */
    this._running = null;
    /** @type {Import | null} */
    this._result = null;
    /** @type {{id: string, text?: string} | null} */
    this._error = null;
    /** @type {{step: string, share: number} | null} */
    this._step = null;
    const card = element("import");
    const file = element("import-file", HTMLInputElement);
    file.onchange = () => this._take(file.files);
    element("import-stop").onclick = () => this._running?.abort();
    card.ondragover = (event) => event.preventDefault();
    card.ondrop = (event) => {
      event.preventDefault();
      this._take(event.dataTransfer?.files ?? null);
    };
  }

  /** @param {boolean} signedIn */
  draw(signedIn) {
    element("import").hidden = !signedIn;
    const step = this._step;
    element("import-file", HTMLInputElement).disabled = this._running !== null;
    element("import-damaged", HTMLInputElement).disabled = this._running !== null;
    element("import-stop").hidden = this._running === null;
    const bar = element("import-bar", HTMLProgressElement);
    bar.hidden = step === null;
    bar.value = step?.share ?? 0;
    say(element("import-state"), step ? text(`import_${step.step}`, { percent: number(100 * step.share) }) : "");
    say(element("import-error"), errorText(this._result?.error ?? this._error));
    const rows = (this._result?.lectures ?? []).map(({ lecture, title, result, problems }) =>
      make(
        "li",
        {},
        make("a", { href: `/library/${encodeURIComponent(lecture)}` }, title),
        ` · ${text(`import_result_${result}`)}`,
        problems.length > 0 ? ` · ${text("import_left_out")}` : "",
      ),
    );
    element("import-result").replaceChildren(...rows);
  }

  /** @param {FileList | null} files */
  _take(files) {
    const file = files?.[0];
    if (file && !this._running) void this._import(file);
  }

  /** @param {File} file */
  async _import(file) {
    const running = new AbortController();
    this._running = running;
    this._result = this._error = null;
    try {
      const damaged = element("import-damaged", HTMLInputElement).checked;
      this._result = await uploadImport(file, this._headers, damaged, (...step) => this._show(...step), running.signal);
      this._changed();
    } catch (error) {
      if (running.signal.aborted) this._error = { id: "import_stopped" };
      else if (error instanceof RequestError) this._error = error.status === 401 ? { id: "staff_token_refused" } : error;
      else this._error = { id: "import_file_unreadable" }; // moved, changed or on a stick that was pulled out
    }
    this._running = this._step = null;
    element("import-file", HTMLInputElement).value = "";
    this.draw(true);
  }

  /**
   * @param {string} step
   * @param {number} share
   * @param {Import["error"]} [why]
   */
  _show(step, share, why) {
    this._step = { step, share };
    this._error = why ?? null;
    this.draw(true);
  }
}
