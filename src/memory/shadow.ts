/**
 * Memory without values: every byte of a region knows which buffer wrote it last, and a read of a
 * byte that was written by its buffer and then by another one is a defect.
 */
import type { Watcher } from "../tir/trace.ts";

/** A piece of memory with a place: a value's or a kernel's scratch. */
export interface PlacedMemory {
  readonly name: string;
  readonly bytes: number;
  readonly region: string;
  readonly offset: number;
}

/** A read that finds another buffer's bytes. */
export interface Clash {
  /** The memory that is read, the byte in it, and whose byte it is now. */
  readonly read: PlacedMemory;
  readonly at: number;
  readonly owner: PlacedMemory | null;
}

/** Ends the replay; the caller says where it was. */
export class ClashError extends Error {
  constructor(readonly clash: Clash) {
    super("a read of another buffer's byte");
  }
}

/** Memories are numbered as they are given. */
export class Shadow implements Watcher {
  /** Bytes of each memory that others have overwritten since it wrote them. */
  readonly watched: Int32Array;
  readonly #memories: readonly PlacedMemory[];
  /** Per memory its region's bytes: 1 + the number of the last writer, 0 for none. */
  readonly #owners: readonly Int32Array[];
  /** Per memory which of its bytes it has ever written. */
  readonly #written: readonly Uint8Array[];
  #state = 1;

  constructor(memories: readonly PlacedMemory[]) {
    this.#memories = memories;
    this.watched = new Int32Array(memories.length);
    const sizes = new Map<string, number>();
    for (const m of memories) {
      sizes.set(m.region, Math.max(sizes.get(m.region) ?? 0, m.offset + m.bytes));
    }
    const regions = new Map([...sizes].map(([name, bytes]) => [name, new Int32Array(bytes)]));
    this.#owners = memories.map((m) => regions.get(m.region)!);
    this.#written = memories.map((m) => new Uint8Array(m.bytes));
  }

  write(m: number, at: number, n: number, maybe: boolean): void {
    const { offset, bytes } = this.#memories[m];
    const owners = this.#owners[m], written = this.#written[m], id = m + 1;
    if (!(at >= 0 && at + n <= bytes)) {
      if (maybe) return;
      return this.#fail(m, at, null);
    }
    for (let b = at; b < at + n; b++) {
      const before = owners[offset + b];
      if (before === id) continue;
      if (before > 0) this.watched[before - 1]++;
      if (written[b] === 1) this.watched[m]--;
      owners[offset + b] = id;
      written[b] = 1;
    }
  }

  read(m: number, at: number, n: number, maybe: boolean): void {
    const { offset, bytes } = this.#memories[m];
    if (!(at >= 0 && at + n <= bytes)) {
      if (maybe) return;
      return this.#fail(m, at, null);
    }
    const owners = this.#owners[m], written = this.#written[m];
    for (let b = at; b < at + n; b++) {
      if (owners[offset + b] !== m + 1 && written[b] === 1) this.#fail(m, b, owners[offset + b]);
    }
  }

  /** Data choose the element: it may be any. */
  readAny(m: number): void {
    this.read(m, 0, this.#memories[m].bytes, false);
  }

  writeAny(m: number): void {
    this.write(m, 0, this.#memories[m].bytes, false);
  }

  /** The same outcomes in every replay. */
  coin(): boolean {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) | 0;
    return this.#state < 0;
  }

  #fail(m: number, at: number, owner: number | null): never {
    throw new ClashError({
      read: this.#memories[m],
      at,
      owner: owner === null || owner === 0 ? null : this.#memories[owner - 1],
    });
  }
}
