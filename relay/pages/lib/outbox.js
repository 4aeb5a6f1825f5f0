/**
 * What a lecturer does, on its way to the relay: in order and each with its moment, over a line that may be down, or dead
 * without anybody knowing. It counts as received when a ping that went after it was answered, since the relay works in
 * order and answers when all before is on its disk; a turn and a note when the relay has told of it, too. What does not,
 * goes again over the next line.
 */

/** A relay takes 100 messages in a second: so many are under way, each until a second after it was answered. */
const MAX_UNDER_WAY = 60;
/** The pointer is of this moment, and does not wait behind what an outage has left. */
const MAX_WITH_POINTER = 80;
const COUNTS_MS = 1000;
/** So many of a kind wait; then the oldest of that kind is dropped: no drawing costs a turn or a note. Ink: ten minutes. */
const MAX_WAITING = new Map(Object.entries({ turn: 2000, ink: 2000, erase: 200, mark: 64, end: 1 }));
/** Parts of a stroke that wait are joined up to so long and so many points, as the relay does. */
const JOINED_MS = 300;
export const MAX_POINTS = 64;
/** The relay tells of ink so soon after it was answered, or will not: some 300 parts at most are kept until then. */
const TOLD_MS = 4000;

/**
 * @typedef {{kind: string, fields: Record<string, any>, sent: boolean, ping: number, answered: boolean, told: boolean,
 *   heard: boolean}} Item
 *   sent: over the present connection; ping: id of the one that went after it, 0 for none yet, and whether that was
 *   answered; told: the relay has told of it; heard: that strokes are taken back, and what was drawn before that, needs
 *   to be shown by us no more
 */

export class Outbox {
  /**
   * @param {{send: (kind: string, fields: Record<string, any>) => boolean, ping: () => number}} line
   *   ping: sends one and gives its id
   */
  constructor(line) {
    this._line = line;
    /** @type {Item[]} not received, in order */
    this._items = [];
    /**
     * @type {{item: Item, until_ms: number}[]} received, in order; the relay may not have told of it yet. As many as
     *   went within TOLD_MS
     */
    this._received = [];
    /** @type {Item | null} its newest place */
    this._pointer = null;
    /** Messages that count against the relay's bound; of them those that no ping has followed. */
    this._underWay = 0;
    this._unasked = 0;
    /** @type {{id: number, count: number} | null} the ping that is not answered, and the messages that it answers for */
    this._asked = null;
    this._connection = 0;
  }

  /** @returns {Item[]} those that the relay has not told of */
  get turns() {
    return this._items.filter(({ kind, told }) => kind === "turn" && !told);
  }

  /** @returns {Record<string, any>[]} fields of ink and erasings that the relay may not have told of, in order */
  get drawn() {
    this._forgetReceived();
    const items = [...this._received.map(({ item }) => item), ...this._items];
    return items.filter((item) => isDrawn(item) && !item.heard).map(({ kind, fields }) => ({ ...fields, erase: kind === "erase" }));
  }

  /**
   * @param {string} kind
   * @returns {boolean} whether one of this kind waits
   */
  waits(kind) {
    return this._items.some((item) => item.kind === kind);
  }

  /** @param {string} kind of what is not to be heard any more, if it waits still */
  withdraw(kind) {
    this._items = this._items.filter((item) => item.kind !== kind);
  }

  /**
   * @param {"turn" | "ink" | "erase" | "mark" | "end"} kind
   * @param {Record<string, any>} fields
   */
  put(kind, fields) {
    const last = this._items.at(-1);
    if (last && !last.sent && kind === "ink" && goesOn(last, fields)) {
      last.fields = { ...last.fields, points: [...last.fields.points, ...fields.points], more: fields.more };
    } else {
      this._items.push(waiting(kind, fields));
      const same = this._items.filter((item) => item.kind === kind);
      if (same.length > (MAX_WAITING.get(kind) ?? 0)) this._items.splice(this._items.indexOf(same[0]), 1);
    }
    this.flush();
  }

  /** @param {Record<string, any>} fields the pointer's newest place; those before it need not arrive */
  point(fields) {
    this._pointer = waiting("pointer", fields);
    this.flush();
  }

  /** Send what may go now. */
  flush() {
    for (const item of this._items) {
      if (item.sent) continue;
      if (this._underWay >= MAX_UNDER_WAY || !this._send(item)) break;
    }
    const pointer = this._pointer;
    if (pointer && !pointer.sent && this._underWay < MAX_WITH_POINTER) this._send(pointer);
    this._ask();
  }

  /** @param {number} ping the relay has answered this one */
  answered(ping) {
    if (this._asked?.id !== ping) return;
    const { count } = this._asked;
    this._asked = null;
    this._forgetReceived();
    const until_ms = performance.now() + TOLD_MS;
    for (const item of this._items) {
      if (item.ping !== ping) continue;
      item.answered = true;
      if (isDrawn(item)) this._received.push({ item, until_ms });
    }
    this._letGo();
    const connection = this._connection;
    setTimeout(() => {
      if (connection !== this._connection) return;
      this._underWay -= count;
      this.flush();
    }, COUNTS_MS);
    this._ask();
  }

  /**
   * The relay tells of a turn, and works in order: it has dealt with those before it, too.
   * @param {string} deck
   * @param {number} page
   */
  heardTurn(deck, page) {
    const turn = this.turns.find(({ sent, fields }) => sent && fields.deck === deck && fields.page === page);
    const at = turn ? this._items.indexOf(turn) : -1;
    for (const item of this._items.slice(0, at + 1)) if (item.kind === "turn") item.told = true;
    this._letGo();
  }

  /** The relay refuses the first turn that it has not told of. */
  refusedTurn() {
    const turn = this.turns.find(({ sent }) => sent);
    this._items = this._items.filter((item) => item !== turn);
  }

  /**
   * The relay tells of a note.
   * @param {string} id
   * @returns {boolean} whether it is one of those that wait
   */
  heardMark(id) {
    const mark = this._items.find(({ kind, fields }) => kind === "mark" && fields.id === id);
    if (mark) mark.told = true;
    this._letGo();
    return mark !== undefined;
  }

  /**
   * The relay tells that strokes were taken back: with what was drawn before that, it needs us no more to be shown.
   * @param {Record<string, any>} erasing
   */
  heardErasing({ deck, page, stroke }) {
    const drawn = [...this._received.map(({ item }) => item), ...this._items.filter(({ sent }) => sent)].filter(isDrawn);
    const at = drawn.findIndex(
      ({ kind, fields, heard }) =>
        !heard && kind === "erase" && fields.deck === deck && fields.page === page && fields.stroke === stroke,
    );
    for (const item of drawn.slice(0, at + 1)) item.heard = true;
  }

  /** The connection is gone: what it may have swallowed goes again. */
  lost() {
    this._connection += 1;
    this._underWay = this._unasked = 0;
    this._asked = null;
    for (const item of this._items) Object.assign(item, { sent: false, ping: 0, answered: false });
    // The relay lets no pointer stay behind.
    if (this._pointer?.fields.shown) this._pointer.sent = false;
  }

  /** The lecture is over: nothing is taken any more. */
  clear() {
    this._items = [];
    this._received = [];
    this._pointer = null;
  }

  /** Told of, but not answered, it may be nowhere but in the memory of a relay that dies. */
  _letGo() {
    this._items = this._items.filter((item) => !item.answered || (isToldOf(item) && !item.told));
  }

  _forgetReceived() {
    const now_ms = performance.now();
    this._received = this._received.filter(({ until_ms }) => until_ms > now_ms);
  }

  /** @param {Item} item */
  _send(item) {
    if (!this._line.send(item.kind, item.fields)) return false;
    item.sent = true;
    this._underWay += 1;
    this._unasked += 1;
    return true;
  }

  /** One ping is under way at a time: on a slow line it answers for much. */
  _ask() {
    if (this._asked || this._unasked === 0) return;
    const id = this._line.ping();
    this._underWay += 1;
    this._asked = { id, count: this._unasked + 1 };
    this._unasked = 0;
    for (const item of this._items) if (item.sent && !item.ping) item.ping = id;
  }
}

/**
 * @param {string} kind
 * @param {Record<string, any>} fields
 * @returns {Item}
 */
function waiting(kind, fields) {
  return { kind, fields, sent: false, ping: 0, answered: false, told: false, heard: false };
}

/** @param {Item} item */
function isToldOf({ kind }) {
  return kind === "turn" || kind === "mark";
}

/** @param {Item} item */
function isDrawn({ kind }) {
  return kind === "ink" || kind === "erase";
}

/**
 * @param {Item} item that waits
 * @param {Record<string, any>} ink the part that follows
 */
function goesOn({ kind, fields: before }, ink) {
  return (
    kind === "ink" &&
    ["deck", "page", "stroke", "colour", "width"].every((name) => before[name] === ink[name]) &&
    ink.first === before.first + before.points.length &&
    before.points.length + ink.points.length <= MAX_POINTS &&
    ink.at_ms - before.at_ms < JOINED_MS
  );
}
