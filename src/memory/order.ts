/**
 * The order of steps that keeps the fewest bytes alive: exact for graphs whose states fit the
 * budget, a beam search beyond. Budgets count states, so that the order is the same on any machine.
 */

/** Memory that is alive from the first of its steps to the last. */
export interface OrderedMemory {
  readonly bytes: number;
  /** It holds an input: it is alive before the first step. */
  readonly fromStart: boolean;
  /** It holds an output: it stays. */
  readonly toEnd: boolean;
}

/** A step: what has to come before it, the memories that it touches, its own working memory. */
export interface Task {
  readonly after: readonly number[];
  readonly touches: readonly number[];
  readonly scratch: number;
  /** An output that may take over an input's memory when that dies here. */
  readonly over?: { readonly output: number; readonly input: number };
}

export interface Order {
  /** The tasks in their new order. */
  readonly order: readonly number[];
  /** Most bytes alive at a step. */
  readonly peak: number;
  /** No order has a smaller peak. */
  readonly optimal: boolean;
}

/** States that the exact search may look at, and the beam's width. */
export const ORDER_BUDGET = 20_000;
const BEAM = 32;
/** States that the exact search may reach for each that it may look at. */
const REACHED = 8;
/** A state costs a look at each task, on masks as long: beyond so many, fewer are looked at. */
const FULL_SEARCH = 128;
/** Beyond so many tasks the order stays. */
const MOST_TASKS = 1024;

/** What is left of a budget for so many tasks. */
const share = (budget: number, tasks: number): number =>
  Math.ceil(budget * Math.min(1, FULL_SEARCH / tasks) ** 2);

/** A set of tasks that have run, with the best way to it. */
interface State {
  readonly done: bigint;
  readonly count: number;
  /** Bytes alive between this and the next step. */
  readonly live: number;
  /** Most bytes at a step so far. */
  readonly peak: number;
  readonly task: number;
  readonly before: State | null;
}

/** What is the same for all orders of some tasks. */
class Problem {
  readonly n: number;
  /** Bit masks of what has to come before a task, and of the tasks that touch a memory. */
  readonly after: readonly bigint[];
  readonly users: readonly bigint[];

  constructor(readonly tasks: readonly Task[], readonly memories: readonly OrderedMemory[]) {
    this.n = tasks.length;
    const mask = (list: readonly number[]) => list.reduce((m, i) => m | 1n << BigInt(i), 0n);
    this.after = tasks.map((t) => mask(t.after));
    this.users = memories.map((_, m) =>
      mask(tasks.flatMap((t, i) => t.touches.includes(m) ? [i] : []))
    );
  }

  start(): State {
    const live = this.memories.reduce((sum, m) => sum + (m.fromStart ? m.bytes : 0), 0);
    return { done: 0n, count: 0, live, peak: 0, task: -1, before: null };
  }

  isReady(s: State, t: number): boolean {
    return (s.done >> BigInt(t) & 1n) === 0n && (this.after[t] & ~s.done) === 0n;
  }

  /** The state behind a task that is ready. */
  step(s: State, t: number): State {
    const { touches, scratch, over } = this.tasks[t];
    const bit = 1n << BigInt(t), done = s.done | bit;
    let during = s.live, freed = 0, saved = 0;
    for (const m of touches) {
      const { bytes, fromStart, toEnd } = this.memories[m];
      const users = this.users[m];
      if ((users & s.done) === 0n && !fromStart) {
        during += bytes;
        if (over?.output === m) saved = bytes;
      }
      if ((users & ~done) === 0n && !toEnd) freed += bytes;
    }
    if (saved > 0) {
      const { bytes, toEnd } = this.memories[over!.input];
      const dies = (this.users[over!.input] & ~done) === 0n && !toEnd;
      saved = dies ? Math.min(saved, bytes) : 0;
    }
    const peak = Math.max(s.peak, during + scratch - saved);
    return { done, count: s.count + 1, live: during - freed, peak, task: t, before: s };
  }

  /** The states behind one: a single one where a task costs nothing and frees something or nothing. */
  next(s: State): State[] {
    const found: State[] = [];
    for (let t = 0; t < this.n; t++) {
      if (!this.isReady(s, t)) continue;
      const after = this.step(s, t);
      // No order loses by such a step now: it never takes more later, and what it frees stays free.
      if (after.peak === s.peak && after.live <= s.live) return [after];
      found.push(after);
    }
    return found;
  }

  orderOf(s: State): number[] {
    const order: number[] = [];
    for (let at: State | null = s; at !== null && at.task >= 0; at = at.before) order.push(at.task);
    return order.reverse();
  }

  /** No order has a peak below what one of the tasks takes by itself. */
  bound(): number {
    const alone = this.tasks.map(({ touches, scratch, over }) => {
      const bytes = touches.reduce((sum, m) => sum + this.memories[m].bytes, 0);
      const saved = over
        ? Math.min(this.memories[over.output].bytes, this.memories[over.input].bytes)
        : 0;
      return bytes + scratch - saved;
    });
    return Math.max(0, ...alone);
  }
}

const better = (a: State, b: State): number => a.peak - b.peak || a.live - b.live;

/** Keeps the best states of each length. */
function beam(p: Problem): State {
  const width = share(BEAM, p.n);
  let states = [p.start()];
  for (let k = 0; k < p.n; k++) {
    const reached = new Map<bigint, State>();
    for (const s of states) {
      for (const t of p.next(s)) {
        const known = reached.get(t.done);
        if (!known || better(t, known) < 0) reached.set(t.done, t);
      }
    }
    states = [...reached.values()].sort(better).slice(0, width);
  }
  return states[0];
}

/** A heap of states, the smallest peak first, of those the longest, then the first that came. */
class Queue {
  readonly #items: { readonly s: State; readonly at: number }[] = [];
  #pushed = 0;

  #less(a: number, b: number): boolean {
    const [x, y] = [this.#items[a], this.#items[b]];
    return (x.s.peak - y.s.peak || y.s.count - x.s.count || x.at - y.at) < 0;
  }

  #swap(a: number, b: number): void {
    [this.#items[a], this.#items[b]] = [this.#items[b], this.#items[a]];
  }

  push(s: State): void {
    let i = this.#items.push({ s, at: this.#pushed++ }) - 1;
    for (let up = i - 1 >> 1; i > 0 && this.#less(i, up); i = up, up = i - 1 >> 1) {
      this.#swap(i, up);
    }
  }

  pop(): State | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last && this.#items.length > 0) {
      this.#items[0] = last;
      for (let i = 0;;) {
        const children = [2 * i + 1, 2 * i + 2].filter((c) => c < this.#items.length);
        const c = children.length === 2 && this.#less(children[1], children[0])
          ? children[1]
          : children[0];
        if (c === undefined || !this.#less(c, i)) break;
        this.#swap(c, i);
        i = c;
      }
    }
    return top?.s;
  }
}

/**
 * The smallest peak over all orders, below `limit`; null where there is none, undefined where the
 * budget ends first. A state's bytes do not depend on the way to it, so that the best way is enough.
 */
function exact(p: Problem, limit: number, budget: number): State | null | undefined {
  const queue = new Queue(), peaks = new Map<bigint, number>();
  queue.push(p.start());
  const most = share(budget, p.n);
  let reached = 0;
  for (let looked = 0;; looked++) {
    const s = queue.pop();
    if (!s) return null;
    if (s.count === p.n) return s;
    if (looked === most || reached > REACHED * most) return undefined;
    if ((peaks.get(s.done) ?? Infinity) < s.peak) continue;
    for (const t of p.next(s)) {
      if (t.peak >= limit || t.peak >= (peaks.get(t.done) ?? Infinity)) continue;
      peaks.set(t.done, t.peak);
      queue.push(t);
      reached++;
    }
  }
}

/** The peak of the tasks as they stand. */
export function peakOf(tasks: readonly Task[], memories: readonly OrderedMemory[]): number {
  const p = new Problem(tasks, memories);
  return tasks.reduce((s, _, t) => p.step(s, t), p.start()).peak;
}

/**
 * Orders tasks, which are given in an order that is possible. That order stays where no other has a
 * smaller peak.
 */
export function orderTasks(
  tasks: readonly Task[],
  memories: readonly OrderedMemory[],
  budget: number = ORDER_BUDGET,
): Order {
  const p = new Problem(tasks, memories);
  const given: Order = {
    order: tasks.map((_, i) => i),
    peak: peakOf(tasks, memories),
    optimal: false,
  };
  if (given.peak <= p.bound()) return { ...given, optimal: true };
  if (p.n > MOST_TASKS) return given;
  const found = beam(p);
  const best = found.peak < given.peak
    ? { order: p.orderOf(found), peak: found.peak, optimal: found.peak <= p.bound() }
    : given;
  if (best.optimal) return best;
  const proved = exact(p, best.peak, budget);
  if (proved === undefined) return best;
  return proved === null
    ? { ...best, optimal: true }
    : { order: p.orderOf(proved), peak: proved.peak, optimal: true };
}
