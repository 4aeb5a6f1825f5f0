/**
 * Replay: the chapters with their pages in small, and the questions and notes between them.
 */

import { indexAt } from "../lib/replay.js";
import { element, make, say } from "./dom.js";
import { clockTime, number, text } from "./texts.js";

/** @typedef {{t_ms: number, kind: "chapter" | "question" | "mark", words: string, image?: string, number?: number}} Item */

export class Chapters {
  /**
   * @param {import("../lib/replay-source.js").Replay} replay
   * @param {import("../lib/replay.js").Chapter[]} chapters
   * @param {import("./replay-images.js").ReplayImages} images
   * @param {(t_ms: number) => void} goTo
   */
  constructor({ pages, questions, marks }, chapters, images, goTo) {
    /** @type {Item[]} */
    const items = [
      ...chapters.map(({ t_ms, title, page, number }) => /** @type {Item} */ ({ t_ms, kind: "chapter", words: title, image: pages[page].images[0], number })),
      ...questions.map(([t_ms, words]) => /** @type {Item} */ ({ t_ms, kind: "question", words })),
      ...marks.map(([t_ms, words]) => /** @type {Item} */ ({ t_ms, kind: "mark", words })),
    ];
    this._items = items.sort((one, other) => one.t_ms - other.t_ms);
    this._chapters = this._items.filter(({ kind }) => kind === "chapter");
    this._list = element("chapters");
    this._current = -1;
    this._buttons = this._items.map((item) => this._button(item, goTo));
    this._list.replaceChildren(...this._buttons.map((button) => make("li", {}, button)));
    this._images = images;
    this._watch();
  }

  draw() {
    for (const [at, item] of this._items.entries()) {
      const label = item.kind === "chapter" ? item.words || text("page_number", { page: number(item.number ?? 0) }) : item.words;
      const kind = item.kind === "question" ? text("replay_question") : item.kind === "mark" ? text("replay_mark") : "";
      const button = this._buttons[at];
      say(/** @type {HTMLElement} */ (button.querySelector(".words")), label);
      const time = /** @type {HTMLElement} */ (button.querySelector("time"));
      say(time, kind ? `${clockTime(item.t_ms)} · ${kind}` : clockTime(item.t_ms));
      button.title = label;
    }
  }

  /**
   * @param {number} t_ms
   * @returns {string} the title of the chapter of this moment
   */
  show(t_ms) {
    const chapter = this._chapters[indexAt(this._chapters, t_ms, (one) => one.t_ms)];
    const at = chapter ? this._items.indexOf(chapter) : -1;
    if (at !== this._current) {
      this._buttons[this._current]?.removeAttribute("aria-current");
      this._current = at;
      if (at >= 0) {
        this._buttons[at].ariaCurrent = "true";
        this._buttons[at].parentElement?.scrollIntoView({ block: "nearest" });
      }
    }
    return chapter?.words ?? "";
  }

  /**
   * @param {Item} item
   * @param {(t_ms: number) => void} goTo
   */
  _button({ t_ms, kind, image }, goTo) {
    const picture = image ? make("img", { alt: "", width: 80, height: 45 }) : make("span", { className: "bullet", ariaHidden: "true" });
    if (!image) say(picture, kind === "question" ? "?" : kind === "mark" ? "•" : "");
    if (image) picture.dataset.name = image;
    const words = make("span", {}, make("time"), make("span", { className: "words" }));
    const button = make("button", { type: "button", onclick: () => goTo(t_ms) }, picture, words);
    button.dataset.kind = kind;
    return button;
  }

  /** Pictures are fetched when they come into view, and not if they have left it before their turn. */
  _watch() {
    /** @type {Set<Element>} */
    const inView = new Set();
    const observer = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        if (isIntersecting) inView.add(target);
        else inView.delete(target);
        if (isIntersecting) void this._fill(/** @type {HTMLImageElement} */ (target), () => inView.has(target), () => observer.unobserve(target));
      }
    }, { root: this._list });
    for (const picture of this._list.querySelectorAll("img")) observer.observe(picture);
  }

  /**
   * @param {HTMLImageElement} picture
   * @param {() => boolean} isWanted
   * @param {() => void} done
   */
  async _fill(picture, isWanted, done) {
    const url = await this._images.later(picture.dataset.name ?? "", { isWanted, queue: "thumbnail" });
    if (!url) return;
    picture.src = url;
    done();
  }
}
