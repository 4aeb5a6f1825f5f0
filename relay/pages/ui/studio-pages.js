/**
 * Studio, middle: the page that is shown, turning, thumbnails.
 */

import { PageImages } from "../lib/page-images.js";
import { element, isForControl, make, say } from "./dom.js";
import { number, text } from "./texts.js";

const RETRY_MS = 2000;

const STEPS = new Map([
  ["ArrowRight", 1], ["ArrowDown", 1], ["PageDown", 1], [" ", 1],
  ["ArrowLeft", -1], ["ArrowUp", -1], ["PageUp", -1],
]);

export class Pages {
  /**
   * @param {{session: import("../lib/lecturer-session.js").LecturerSession, lecture: string, token: string, turns: boolean}} options
   *   turns: whether this role turns pages; an interpreter follows the lecturer
   */
  constructor({ session, lecture, token, turns }) {
    this._mayTurn = turns;
    this._session = session;
    this._images = new PageImages(lecture, token);
    this._image = element("page", HTMLImageElement);
    this._previous = element("previous", HTMLButtonElement);
    this._next = element("next", HTMLButtonElement);
    this._thumbs = element("thumbs");
    this._drawnDeck = "";
    this._previous.onclick = () => this._step(-1);
    this._next.onclick = () => this._step(1);
    document.addEventListener("keydown", (event) => this._key(event));
    this._seen = new IntersectionObserver((changes) => this._load(changes), { root: this._thumbs, rootMargin: "200px" });
    element("deck", HTMLSelectElement).onchange = (event) => {
      session.turn(/** @type {HTMLSelectElement} */ (event.target).value, 1);
    };
  }

  get _turns() {
    return this._mayTurn && this._session.lecture.state !== "ended";
  }

  /** @returns {import("../lib/deck.js").Deck | null} */
  get deck() {
    const { model, shown } = this._session;
    return (shown && model.decks.get(shown.deck)) ?? model.currentDeck();
  }

  get page() {
    const { shown } = this._session;
    return shown && shown.deck === this.deck?.deck ? shown.page : 0;
  }

  draw() {
    const { deck, page } = this;
    const count = deck?.page_count ?? 0;
    this._previous.disabled = !this._turns || page <= 1;
    this._next.disabled = !this._turns || page >= count;
    say(element("page-number"), count > 0 ? text("page_of", { page: number(page), count: number(count) }) : "");
    const title = deck?.pages.get(page)?.title ?? "";
    if (page > 0) say(element("page-announcement"), `${text("page_of", { page: number(page), count: number(count) })} ${title}`);
    this._drawEmpty(count, page);
    this._drawDecks();
    this._drawThumbs(deck, page);
    void this._drawPage();
  }

  /** Show the first page of a deck where nothing has been shown yet: halls need a page to begin with. */
  showFirst() {
    const { deck } = this;
    if (this._turns && deck && deck.page_count > 0 && !this._session.shown) this._session.turn(deck.deck, 1);
  }

  /** @param {number} step */
  _step(step) {
    const { deck, page } = this;
    if (deck) this._go(Math.min(deck.page_count, Math.max(1, page + step)));
  }

  /** @param {number} page */
  _go(page) {
    const { deck } = this;
    if (this._turns && deck && page !== this.page && page <= deck.page_count) this._session.turn(deck.deck, page);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (isForControl(event)) return;
    const step = STEPS.get(event.key);
    if (step) this._step(step);
    else if (event.key === "Home") this._go(1);
    else if (event.key === "End") this._go(this.deck?.page_count ?? 1);
    else return;
    event.preventDefault();
  }

  /**
   * @param {number} count
   * @param {number} page
   */
  _drawEmpty(count, page) {
    const { progress } = this._session;
    const hasImage = page > 0 && !this._image.hidden;
    element("no-page").hidden = hasImage;
    if (count === 0 && !progress) {
      say(element("no-page-title"), text("no_deck"));
      say(element("no-page-hint"), this._turns ? text("no_deck_hint") : "");
    } else {
      say(element("no-page-title"), text("page_coming"));
      say(element("no-page-hint"), "");
    }
  }

  _drawDecks() {
    const { decks } = this._session.model;
    element("deck-choice").hidden = decks.size < 2;
    const list = element("deck", HTMLSelectElement);
    const name = (/** @type {import("../lib/deck.js").Deck} */ deck) => deck.title || deck.deck.slice(0, 8);
    list.replaceChildren(
      ...Array.from(decks.values(), (deck) =>
        make("option", { value: deck.deck, selected: deck.deck === this.deck?.deck }, name(deck)),
      ),
    );
  }

  /**
   * @param {import("../lib/deck.js").Deck | null} deck
   * @param {number} page
   */
  _drawThumbs(deck, page) {
    if (deck?.deck !== this._drawnDeck) {
      this._seen.disconnect();
      this._thumbs.replaceChildren();
      this._drawnDeck = deck?.deck ?? "";
    }
    for (let at = this._thumbs.children.length + 1; at <= (deck?.page_count ?? 0); at += 1) {
      const button = make("button", { type: "button", onclick: () => this._go(at) }, make("span", {}, number(at)));
      button.dataset.page = String(at);
      this._thumbs.append(make("li", {}, button));
    }
    for (const [at, item] of Array.from(this._thumbs.children).entries()) {
      const button = /** @type {HTMLButtonElement} */ (item.firstElementChild);
      const current = at + 1 === page;
      if (current && button.ariaCurrent !== "true") item.scrollIntoView({ block: "nearest", inline: "center" });
      button.ariaCurrent = String(current);
      button.ariaLabel = `${text("page_number", { page: number(at + 1) })} ${deck?.pages.get(at + 1)?.title ?? ""}`;
      // Observed anew as soon as its page has been rendered: the observer then reports it once more.
      if (!button.querySelector("img") && this._smallest(at + 1)) {
        this._seen.unobserve(button);
        this._seen.observe(button);
      }
    }
  }

  /** @param {IntersectionObserverEntry[]} changes */
  _load(changes) {
    for (const { isIntersecting, target } of changes) {
      if (isIntersecting) void this._loadThumb(/** @type {HTMLElement} */ (target));
    }
  }

  /** @param {HTMLElement} button */
  async _loadThumb(button) {
    const tier = this._smallest(Number(button.dataset.page));
    if (!tier || button.querySelector("img")) return;
    const url = await this._images.get(tier.digest);
    if (url && !button.querySelector("img")) button.prepend(make("img", { src: url, alt: "" }));
  }

  /** @param {number} page */
  _smallest(page) {
    return this._session.model.tiers(this._drawnDeck, page).at(-1) ?? null;
  }

  /** The sharpest image there is; the legible one while it comes. */
  async _drawPage() {
    const { deck, page } = this;
    const tiers = deck ? this._session.model.tiers(deck.deck, page) : [];
    if (tiers.length === 0) {
      this._image.hidden = true;
      this._image.dataset.digest = "";
      return;
    }
    for (const { digest } of [...tiers].reverse()) {
      if (this._image.dataset.digest === tiers[0].digest) return;
      const url = await this._images.get(digest, { urgent: true });
      if (this.page !== page || this.deck?.deck !== deck?.deck) return;
      if (!url) {
        setTimeout(() => this.draw(), RETRY_MS);
        return;
      }
      this._image.src = url;
      this._image.alt = deck?.pages.get(page)?.title || text("page_number", { page: number(page) });
      this._image.dataset.digest = digest;
      this._image.hidden = false;
      element("no-page").hidden = true;
    }
  }
}
