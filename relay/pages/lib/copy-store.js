/**
 * Where copies are kept: the browser's IndexedDB. Each chunk is a transaction of its own that is on disk when it is done.
 */

/** @typedef {import("./own-copy.js").Facts} Facts */
/** @typedef {import("./own-copy.js").KeptChunk} KeptChunk */
/** @typedef {import("./segment.js").Span} Span */

const NAME = "hallcast-copies";

/** @implements {CopyStoreInterface} */
export class CopyStore {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this._database = database;
  }

  /**
   * @returns {Promise<CopyStore>}
   * @throws {DOMException} where the browser allows no storage
   */
  static async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("copies", { keyPath: "copy" }).createIndex("lecture", "lecture");
      request.result.createObjectStore("voice", { keyPath: ["copy", "t_ms"] });
    };
    return new CopyStore(await result(request));
  }

  /**
   * @param {string} [lecture] of this one only
   * @returns {Promise<Facts[]>} oldest first
   */
  async copies(lecture) {
    const store = this._database.transaction("copies").objectStore("copies");
    /** @type {Facts[]} */
    const found = await result(lecture === undefined ? store.getAll() : store.index("lecture").getAll(lecture));
    return found.sort((one, other) => one.began_ms - other.began_ms);
  }

  /** @param {Facts} facts */
  async keep(facts) {
    await this._change(["copies"], (transaction) => transaction.objectStore("copies").put(facts));
  }

  /** @param {KeptChunk} chunk */
  async write(chunk) {
    await this._change(["voice"], (transaction) => transaction.objectStore("voice").put(chunk));
  }

  /**
   * @param {string} copy
   * @param {Span} span
   * @param {number} [limit]
   * @returns {Promise<KeptChunk[]>}
   */
  async read(copy, { start_ms, end_ms }, limit) {
    const range = IDBKeyRange.bound([copy, start_ms], [copy, end_ms], false, true);
    return result(this._database.transaction("voice").objectStore("voice").getAll(range, limit));
  }

  /** @param {string} copy */
  async count(copy) {
    return result(this._database.transaction("voice").objectStore("voice").count(allOf(copy)));
  }

  /** @param {string} copy */
  async remove(copy) {
    await this._change(["copies", "voice"], (transaction) => {
      transaction.objectStore("voice").delete(allOf(copy));
      transaction.objectStore("copies").delete(copy);
    });
  }

  /**
   * @param {string[]} stores
   * @param {(transaction: IDBTransaction) => void} change
   * @returns {Promise<void>} once it is on disk
   */
  _change(stores, change) {
    return new Promise((resolve, reject) => {
      const transaction = this._database.transaction(stores, "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      change(transaction);
    });
  }
}

/** @typedef {import("./own-copy.js").Store} CopyStoreInterface */

/** @param {string} copy */
function allOf(copy) {
  return IDBKeyRange.bound([copy, 0], [copy, Infinity]);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
