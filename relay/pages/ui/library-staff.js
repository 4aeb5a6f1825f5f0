/**
 * Library: what staff do. Sign in, change what is said of a lecture, the recycle bin, storage.
 */

import { STAFF_KEY } from "../lib/kept-tokens.js";
import { readTags } from "../lib/library.js";
import { element, make, say } from "./dom.js";
import { currentLanguage, errorText, keep, number, read, text } from "./texts.js";

/** @typedef {import("../lib/library.js").Lecture} Lecture */
/** @typedef {import("../lib/library.js").Storage} StorageFacts */
/** @typedef {{lecture: string, title: string, deleted_at: string, purged_from: string}} Recycled */

export class Staff {
  /** @param {() => void} changed called when the list is to be fetched again */
  constructor(changed) {
    this.changed = changed;
    // The same as the console's: who has signed in there is signed in here, in this window.
    this.token = read(sessionStorage, STAFF_KEY) ?? "";
    /** @type {Lecture | null} */
    this.edited = null;
    /** @type {Recycled[]} */
    this.recycled = [];
    /** @type {{id: string, text?: string} | null} why what was wanted of the recycle bin last could not be done */
    this.refused = null;
    element("staff").onclick = () => (this.signedIn ? this.leave(null) : this.ask());
    element("token-form").onsubmit = (event) => this.enter(event);
    element("sign-in-cancel").onclick = () => element("sign-in", HTMLDialogElement).close();
    element("edit-form").onsubmit = (event) => void this.save(event);
    element("edit-cancel").onclick = () => element("edit", HTMLDialogElement).close();
    element("edit-delete").onclick = () => void this.recycle();
    element("edit-keep").onchange = () => this.drawKeep();
    element("show-bin").onclick = () => void this.toggleBin();
  }

  get signedIn() {
    return this.token !== "";
  }

  /** @returns {Record<string, string>} */
  headers() {
    return this.signedIn ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** What opens a lecture for changing; null for those who may not. */
  editor() {
    return this.signedIn ? (/** @type {Lecture} */ lecture) => this.edit(lecture) : null;
  }

  /**
   * @param {StorageFacts | undefined} storage
   * @param {import("../lib/library.js").Remote | undefined} remote
   */
  draw(storage, remote) {
    say(element("staff"), text(this.signedIn ? "console_leave" : "staff_sign_in"));
    element("storage").hidden = !this.signedIn || !storage;
    if (!storage) return;
    const used = text("storage_used", {
      recordings: number(storage.recordings),
      size: gigabytes(storage.file_bytes),
      free: gigabytes(storage.free_bytes),
    });
    const elsewhere = remote && {
      files: number(storage.remote),
      size: gigabytes(storage.remote_bytes),
      waiting: number(remote.waiting),
    };
    const lacking = storage.incomplete.length > 0 && text("storage_incomplete", { lectures: number(storage.incomplete.length) });
    say(element("storage-used"), [used, elsewhere && text("storage_remote", elsewhere), lacking].filter(Boolean).join(" · "));
    say(element("show-bin"), text("bin_shown", { lectures: number(storage.recycled) }));
    const { damaged, missing } = storage;
    const counts = { damaged: number(damaged.length), missing: number(missing.length) };
    const warnings = [
      errorText(this.refused),
      damaged.length + missing.length > 0 && text("storage_warning", counts),
      remote?.trouble && text("storage_away", { reason: remote.trouble }),
    ].filter(Boolean);
    say(element("storage-warning"), warnings.join(" "));
    this.drawBin();
  }

  /** @param {{id: string} | null} reason why nobody is signed in any more */
  leave(reason) {
    this.token = "";
    keep(sessionStorage, STAFF_KEY, null);
    element("bin").hidden = true;
    this.changed();
    if (reason) this.ask(errorText(reason));
  }

  ask(error = "") {
    say(element("token-error"), error);
    element("sign-in", HTMLDialogElement).showModal();
  }

  /** @param {Event} event */
  enter(event) {
    event.preventDefault();
    const field = element("token", HTMLInputElement);
    this.token = field.value.trim();
    field.value = "";
    keep(sessionStorage, STAFF_KEY, this.token || null);
    element("sign-in", HTMLDialogElement).close();
    this.changed();
  }

  /** @param {Lecture} lecture */
  edit(lecture) {
    this.edited = lecture;
    element("edit-name", HTMLInputElement).value = lecture.title;
    element("edit-course", HTMLInputElement).value = lecture.course;
    element("edit-series", HTMLInputElement).value = lecture.series;
    element("edit-tags", HTMLInputElement).value = lecture.tags.join(", ");
    const until = lecture.keep_until?.slice(0, 10) ?? "";
    element("edit-until", HTMLInputElement).value = until;
    element("edit-keep", HTMLSelectElement).value = lecture.keep_forever ? "for_ever" : until ? "until" : "by_rule";
    say(element("edit-error"), "");
    this.drawKeep();
    element("edit", HTMLDialogElement).showModal();
  }

  drawKeep() {
    const dated = element("edit-keep", HTMLSelectElement).value === "until";
    element("edit-until-field").hidden = !dated;
    element("edit-until", HTMLInputElement).required = dated;
  }

  /** @param {Event} event */
  async save(event) {
    event.preventDefault();
    const kept = element("edit-keep", HTMLSelectElement).value;
    const change = {
      title: element("edit-name", HTMLInputElement).value,
      course: element("edit-course", HTMLInputElement).value,
      series: element("edit-series", HTMLInputElement).value,
      tags: readTags(element("edit-tags", HTMLInputElement).value),
      keep: kept === "until" ? `${element("edit-until", HTMLInputElement).value}T00:00:00Z` : kept,
    };
    await this.done(await this.send("PATCH", `/api/lectures/${this.path()}`, change));
  }

  async recycle() {
    await this.done(await this.send("DELETE", `/api/library/lectures/${this.path()}`));
  }

  /** @param {{id: string, text?: string} | null} error */
  async done(error) {
    say(element("edit-error"), error ? errorText(error) : "");
    if (error) return;
    element("edit", HTMLDialogElement).close();
    await this.fetchBin();
    this.changed();
  }

  async toggleBin() {
    const list = element("bin");
    list.hidden = !list.hidden;
    element("show-bin").setAttribute("aria-expanded", String(!list.hidden));
    await this.fetchBin();
    this.drawBin();
  }

  async fetchBin() {
    if (element("bin").hidden) return;
    try {
      const response = await fetch("/api/library/bin", { headers: this.headers() });
      if (response.ok) this.recycled = (await response.json()).lectures;
    } catch {
      // What is shown stays; the next change asks again.
    }
  }

  drawBin() {
    const day = (/** @type {string} */ time) => new Date(time).toLocaleDateString(currentLanguage(), { dateStyle: "long" });
    const rows = this.recycled.map(({ lecture, title, purged_from }) =>
      make(
        "li",
        {},
        make("span", { className: "grow" }, make("strong", {}, title), ` · ${text("purged_from", { day: day(purged_from) })}`),
        make("button", { type: "button", onclick: () => void this.act("POST", `${lecture}/restore`) }, text("restore")),
        make("button", { type: "button", className: "danger", onclick: () => this.purge(lecture, title) }, text("purge")),
      ),
    );
    element("bin").replaceChildren(...(rows.length > 0 ? rows : [make("li", { className: "hint" }, text("bin_empty"))]));
  }

  /**
   * @param {string} lecture
   * @param {string} title
   */
  purge(lecture, title) {
    if (confirm(text("purge_sure", { title }))) void this.act("DELETE", lecture);
  }

  /**
   * @param {string} method
   * @param {string} what the path below the recycle bin
   */
  async act(method, what) {
    this.refused = await this.send(method, `/api/library/bin/${what}`);
    await this.fetchBin();
    this.changed();
  }

  path() {
    return encodeURIComponent(this.edited?.id ?? "");
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<{id: string, text?: string} | null>} what went wrong
   */
  async send(method, path, body) {
    try {
      const response = await fetch(path, {
        method,
        headers: { ...this.headers(), ...(body ? { "Content-Type": "application/json" } : {}) },
        body: body ? JSON.stringify(body) : null,
      });
      if (response.ok) return null;
      return response.status === 401 ? { id: "staff_token_refused" } : (await response.json()).error;
    } catch {
      return { id: "relay_silent" };
    }
  }
}

/** @param {number} bytes */
function gigabytes(bytes) {
  return number(bytes / 1e9, bytes < 1e10 ? 2 : 0);
}
