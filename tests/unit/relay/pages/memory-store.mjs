/**
 * What the tests of copies and of repair share: a store in memory, and voice.
 */

/** The store's promises kept in memory, with what IndexedDB does of them. */
export class MemoryStore {
  facts = new Map();
  chunks = [];

  async copies(lecture) {
    const all = [...this.facts.values()].map((facts) => structuredClone(facts));
    return all.filter((facts) => lecture === undefined || facts.lecture === lecture);
  }

  async keep(facts) {
    this.facts.set(facts.copy, structuredClone(facts));
  }

  async write(chunk) {
    if (this.full) throw new Error("full");
    this.chunks.push(structuredClone(chunk));
  }

  async read(copy, { start_ms, end_ms }, limit) {
    const found = this.chunks.filter((chunk) => chunk.copy === copy && chunk.t_ms >= start_ms && chunk.t_ms < end_ms);
    return found.sort((one, other) => one.t_ms - other.t_ms).slice(0, limit);
  }

  async remove(copy) {
    this.facts.delete(copy);
    this.chunks = this.chunks.filter((chunk) => chunk.copy !== copy);
  }
}

export const settle = () => new Promise((resolve) => setImmediate(resolve));
export const frame = (t_ms, size = 40) => ({ t_ms, duration_ms: 20, data: new Uint8Array(size).fill(t_ms % 251) });
export const voice = (from_ms, to_ms) => Array.from({ length: (to_ms - from_ms) / 20 }, (_, at) => frame(from_ms + at * 20));
