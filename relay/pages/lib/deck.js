/**
 * The lecture's decks, pages and page turns as the log's entries tell them.
 */

import { InkModel } from "./ink.js";
import { EntryKind } from "./protocol.js";

/**
 * @typedef {{tier: number, digest: string, media_type: string, width: number, height: number, size_bytes: number}} Tier
 * @typedef {{page: number, title: string, text: string, tiers: Map<number, Tier>}} Page
 * @typedef {{deck: string, title: string, page_count: number, pages: Map<number, Page>}} Deck
 * @typedef {{t_ms: number, deck: string, page: number}} PageTurn
 * @typedef {{seq: number, t_ms: number, entry_kind: number, fields: Record<string, any>}} EntryMessage
 */

export class LectureModel {
  constructor() {
    /** Highest seq taken; a new connection goes on after it. */
    this.last_seq = 0;
    /** @type {Map<string, Deck>} */
    this.decks = new Map();
    /** @type {PageTurn[]} in order of lecture time */
    this.turns = [];
    /** @type {{t_ms: number, hall: string, text: string}[]} */
    this.questions = [];
    /** What is drawn and pointed at. Its entries come in any order. */
    this.ink = new InkModel();
  }

  /**
   * @param {EntryMessage} message an `entry` message
   * @returns {boolean} whether it was new
   */
  apply(message) {
    const { seq, t_ms, entry_kind, fields } = message;
    if (entry_kind === EntryKind.INK || entry_kind === EntryKind.POINTER) return this.ink.take(message);
    if (seq <= this.last_seq) return false;
    this.last_seq = seq;
    switch (entry_kind) {
      case EntryKind.DECK:
        this._applyDeck(fields);
        break;
      case EntryKind.PAGE:
        this._page(this._deck(fields.deck), fields.page).tiers.set(fields.tier, /** @type {Tier} */ (fields));
        break;
      case EntryKind.TURN:
        this._applyTurn({ t_ms, deck: fields.deck, page: fields.page });
        break;
      case EntryKind.QUESTION:
        this.questions.push({ t_ms, hall: String(fields.hall ?? ""), text: String(fields.text ?? "") });
        break;
      default: // Entries of later versions are none of this page's business.
    }
    return true;
  }

  /**
   * @param {number} t_ms
   * @returns {PageTurn | null} the page shown at that lecture time
   */
  turnAt(t_ms) {
    for (let at = this.turns.length - 1; at >= 0; at -= 1) {
      if (this.turns[at].t_ms <= t_ms) return this.turns[at];
    }
    return null;
  }

  /** @returns {PageTurn | null} */
  lastTurn() {
    return this.turns.at(-1) ?? null;
  }

  /**
   * The deck to show: the one turned to last, else the newest.
   * @returns {Deck | null}
   */
  currentDeck() {
    const turn = this.lastTurn();
    return (turn && this.decks.get(turn.deck)) ?? Array.from(this.decks.values()).at(-1) ?? null;
  }

  /**
   * @param {string} deck
   * @param {number} page
   * @returns {Tier[]} the page's images, sharpest first
   */
  tiers(deck, page) {
    const tiers = this.decks.get(deck)?.pages.get(page)?.tiers;
    return tiers ? Array.from(tiers.values()).sort((a, b) => b.tier - a.tier) : [];
  }

  /** @param {Record<string, any>} fields */
  _applyDeck(fields) {
    const deck = this._deck(fields.deck);
    deck.title = String(fields.title ?? "");
    for (const { page, title, text } of fields.pages ?? []) Object.assign(this._page(deck, page), { title, text });
    deck.page_count = Math.max(Number(fields.page_count ?? 0), ...deck.pages.keys());
  }

  /** @param {PageTurn} turn */
  _applyTurn(turn) {
    let at = this.turns.length;
    while (at > 0 && this.turns[at - 1].t_ms > turn.t_ms) at -= 1;
    this.turns.splice(at, 0, turn);
  }

  /**
   * @param {string} id
   * @returns {Deck}
   */
  _deck(id) {
    let deck = this.decks.get(id);
    if (!deck) {
      deck = { deck: id, title: "", page_count: 0, pages: new Map() };
      this.decks.set(id, deck);
    }
    return deck;
  }

  /**
   * @param {Deck} deck
   * @param {number} number counted from 1
   * @returns {Page}
   */
  _page(deck, number) {
    let page = deck.pages.get(number);
    if (!page) {
      page = { page: number, title: "", text: "", tiers: new Map() };
      deck.pages.set(number, page);
    }
    return page;
  }
}
