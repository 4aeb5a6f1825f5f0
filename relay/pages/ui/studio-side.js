/**
 * Studio, right column: halls, slides to upload, the lecture and its end.
 */

import { RequestError } from "../lib/protocol.js";
import { uploadDeck } from "../lib/upload.js";
import { element, make, say } from "./dom.js";
import { errorText, number, text } from "./texts.js";

/** A hall further behind than this is catching up rather than playing. */
const FAR_BEHIND_MS = 10_000;
const MUCH_LOST = 0.1;
const QUESTIONS_SHOWN = 5;

/** @typedef {import("../lib/lecturer-session.js").LecturerSession} LecturerSession */

export class Halls {
  /** @param {LecturerSession} session */
  constructor(session) {
    this._session = session;
  }

  draw() {
    const halls = [...this._session.halls].sort((a, b) => a.name.localeCompare(b.name));
    const heads = halls.reduce((sum, hall) => sum + hall.heads, 0);
    say(element("heads"), heads > 0 ? text("people", { people: number(heads) }) : "");
    element("no-halls").hidden = halls.length > 0;
    element("halls").replaceChildren(...halls.map(drawHall));
    const { questions } = this._session.model;
    element("questions-card").hidden = questions.length === 0;
    const list = element("questions");
    if (list.childElementCount === Math.min(QUESTIONS_SHOWN, questions.length) && list.dataset.count === String(questions.length)) return;
    list.dataset.count = String(questions.length);
    const newest = questions.slice(-QUESTIONS_SHOWN).reverse();
    list.replaceChildren(...newest.map(({ hall, text: words }) => make("li", {}, make("strong", {}, hall ? `${hall}: ` : ""), words)));
  }
}

/** @param {import("../lib/lecturer-session.js").HallStatus} hall */
function drawHall(hall) {
  const item = make(
    "li",
    {},
    make("span", { className: "dot", ariaHidden: "true" }),
    make("strong", {}, hall.name),
    make("span", { className: "number" }, hall.page > 0 ? text("page_number", { page: number(hall.page) }) : ""),
  );
  const details = [];
  if (!hall.connected) {
    item.dataset.state = "bad";
    details.push(text("hall_gone"));
  } else {
    const struggling = hall.behind_ms > FAR_BEHIND_MS || hall.fraction_lost > MUCH_LOST;
    item.dataset.state = struggling ? "warn" : "good";
    if (hall.behind_ms > 0) details.push(text("hall_behind", { seconds: number(hall.behind_ms / 1000, 1) }));
    if (hall.heads > 0) details.push(text("people", { people: number(hall.heads) }));
    if (hall.received_kbps > 0) details.push(text("hall_rate", { kbps: number(hall.received_kbps) }));
    if (hall.fraction_lost >= 0.005) details.push(text("hall_loss", { percent: number(hall.fraction_lost * 100) }));
  }
  item.append(make("span", { className: "details number" }, details.join(" · ")));
  return item;
}

export class Deck {
  /**
   * @param {{session: LecturerSession, lecture: string, token: string, uploads: boolean}} options
   *   uploads: whether this role sends slides
   */
  constructor({ session, lecture, token, uploads }) {
    this._session = session;
    this._uploads = uploads;
    this._target = { lecture, token };
    /** @type {number | null} share of the file that has gone */
    this._sent = null;
    /** @type {{id: string, text: string} | null} */
    this._error = null;
    const file = element("file", HTMLInputElement);
    element("upload").onclick = () => file.click();
    file.onchange = () => {
      if (file.files?.[0]) void this._upload(file.files[0]);
      file.value = "";
    };
    const stage = element("stage");
    stage.ondragover = (event) => {
      // Also where no file is taken: a browser would go to a file that is dropped, and away from the lecture.
      event.preventDefault();
      if (this._takesFile) stage.classList.add("dropping");
    };
    stage.ondragleave = () => stage.classList.remove("dropping");
    stage.ondrop = (event) => {
      event.preventDefault();
      stage.classList.remove("dropping");
      const dropped = event.dataTransfer?.files[0];
      if (dropped && this._takesFile) void this._upload(dropped);
    };
  }

  get _takesFile() {
    return this._uploads && this._sent === null && this._session.lecture.state !== "ended";
  }

  draw() {
    const bar = element("upload-progress", HTMLProgressElement);
    const { progress } = this._session;
    const rendering = progress !== null && progress.done < progress.pages;
    element("upload", HTMLButtonElement).disabled = !this._takesFile;
    bar.hidden = this._sent === null && !rendering;
    let state = "";
    if (this._sent !== null) {
      bar.value = this._sent * 100;
      state = text("uploading", { percent: number(this._sent * 100) });
    } else if (rendering) {
      bar.value = (progress.done / progress.pages) * 100;
      state = text("rendering", { done: number(progress.done), pages: number(progress.pages) });
    } else if (progress && progress.pages > 0) {
      state = text("deck_ready", { pages: number(progress.pages) });
    }
    say(element("upload-state"), state);
    say(element("upload-error"), errorText(this._error));
  }

  /**
   * What the relay found out about a deck after it had been taken.
   * @param {{id: string, text: string}} error
   */
  refused(error) {
    this._error = error;
    this._session.progress = null;
    this.draw();
  }

  /** @param {File} file */
  async _upload(file) {
    this._error = null;
    this._sent = 0;
    this.draw();
    const onProgress = (/** @type {number} */ share) => {
      this._sent = share;
      this.draw();
    };
    try {
      await uploadDeck({ ...this._target, file, onProgress });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this._error = { id: error.id, text: error.text };
    } finally {
      this._sent = null;
      this.draw();
    }
  }
}

export class LectureEnd {
  /**
   * @param {{session: LecturerSession, onEnd: () => void}} options
   *   onEnd: the lecturer has confirmed; the relay may not have heard of it yet
   */
  constructor({ session, onEnd }) {
    this._session = session;
    const dialog = element("end-dialog", HTMLDialogElement);
    element("end").onclick = () => {
      dialog.returnValue = "";
      dialog.showModal();
    };
    dialog.onclose = () => {
      if (dialog.returnValue !== "end") return;
      session.end();
      onEnd();
    };
  }

  draw() {
    const { lecture, ending } = this._session;
    const ended = lecture.state === "ended";
    element("end").hidden = ended;
    element("end", HTMLButtonElement).disabled = ending;
    const replay = element("replay", HTMLAnchorElement);
    replay.hidden = !ended;
    replay.href = `/library/${encodeURIComponent(lecture.id)}`;
    say(element("lecture-state"), text(`lecture_${ending ? "ending" : lecture.state}`));
  }
}
