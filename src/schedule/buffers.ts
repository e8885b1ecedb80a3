/** The memory behind the tensors of a kernel while it is lowered. */
import { bytesOf } from "../util/dtype.ts";
import { rowMajor, sizeOf, type TensorData } from "../util/tensor.ts";
import { type Expr, imm, type Indexable, rewrite, select } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { simplify, simplifyCondition } from "../te/linear.ts";
import { type Buffer, expressions, memoryOf, type Stmt, visitStmt } from "../tir/stmt.ts";
import { rowStrides } from "../tir/tile.ts";
import { type Box, relative } from "./region.ts";
import { refuse, type Stage } from "./state.ts";
import { streamed } from "./columns.ts";
import type { PackedBuffer } from "./tensorize.ts";

/** Intermediate results up to this size are local arrays; larger ones are scratch in the arena. */
const LOCAL_BYTES = 64;

/** Buffers by tensor: those of the workload, constants as they are read, stages as they are emitted. */
export class Buffers {
  readonly scratch: Buffer[] = [];
  readonly params: Buffer[] = [];
  /** Constants that are put together while the program is made. */
  readonly #streams: Buffer[] = [];
  readonly #buffers: Map<Indexable, Buffer>;
  /** Where the part of a tensor that is kept begins. */
  readonly #starts = new Map<Indexable, readonly Expr[]>();

  constructor(
    given: ReadonlyMap<Indexable, Buffer>,
    readonly consts: ReadonlyMap<Indexable, TensorData>,
    readonly alike = false,
  ) {
    this.#buffers = new Map(given);
  }

  /** The buffer of a tensor; a constant's is made when it is first read. */
  of(t: Indexable): Buffer {
    const known = this.#buffers.get(t);
    if (known) return known;
    const data = this.consts.get(t);
    if (!data) {
      refuse(
        `read ${t.name}`,
        "the loop that it is computed at is not around all that reads it",
        "compute it further out",
      );
    }
    const b = paramBuffer(t, data);
    this.#buffers.set(t, b);
    this.params.push(b);
    return b;
  }

  /**
   * A loop over blocks of columns as one call that reads a stream, where it has the form. Equal
   * streams are one, also where one of them is for a single row and does not know how far apart rows
   * are.
   */
  streamed(s: Stmt, name: string, own: boolean): Stmt {
    const found = streamed(s, `${name}_stream${this.#streams.length || ""}_w`, own, this.alike);
    if (!found) return s;
    const { call, stream } = found;
    const { data: words } = stream.data!;
    const same = this.#streams.find(({ length, data }) =>
      length === stream.length &&
      words.every((x, i) => x === data!.data[i] || (i === 0 && x === 0))
    );
    if (!same) this.#streams.push(stream);
    return {
      ...call,
      args: call.args.map((a) => a.buf === stream ? { ...a, buf: same ?? stream } : a),
    };
  }

  /** The constants that a program reads. */
  used(body: Stmt): Buffer[] {
    const names = new Set<string>();
    visitStmt(body, (s) => {
      expressions(s).flatMap(loads).forEach((l) => names.add(memoryOf(l.src as Buffer)));
      if (s.k === "intrin") s.args.forEach((a) => names.add(memoryOf(a.buf)));
    });
    return [...this.params, ...this.#streams].filter((b) => names.has(memoryOf(b)));
  }

  /** Memory for what a stage computes of its tensor; the first box is the largest. */
  provide(stage: Stage, box: Box): void {
    const { out } = stage.compute;
    const old = this.#buffers.get(out);
    if (old && (old.scope === "output" || old.scope === "input")) return;
    this.#starts.set(out, box.start);
    if (stage.rows) {
      const inside = stage.rows.flat.shape.slice(1).map(() => imm(0));
      this.#starts.set(stage.rows.flat, [box.start[0], ...inside]);
    }
    if (old) return;
    const shape = box.extent;
    const spaced = (n: number) => Math.ceil(n / stage.spacing) * stage.spacing;
    const memory = shape.map((n, i) => i === shape.length - 1 ? spaced(n) : n);
    const strides = rowMajor(memory);
    const pitch = stage.rows?.pitch;
    if (pitch) strides[0] = pitch;
    const tiles = stage.rows?.tiles ?? null;
    const length = (pitch ? (tiles?.rows ?? shape[0]) * pitch : sizeOf(memory)) + stage.behind;
    const bytes = length * bytesOf(out.dtype);
    const scope = bytes <= LOCAL_BYTES && !stage.rows && !stage.once ? "local" : "scratch";
    const b: Buffer = {
      name: out.name,
      dtype: out.dtype,
      shape,
      strides,
      offset: 0,
      scope,
      length,
      align: Math.max(4, bytesOf(out.dtype)),
    };
    this.#buffers.set(out, b);
    if (scope === "scratch") this.scratch.push(b);
    if (stage.rows) {
      const [, ...inside] = stage.rows.flat.shape;
      this.#buffers.set(stage.rows.flat, {
        ...b,
        shape: [shape[0], ...inside],
        strides: tiles ? rowStrides(tiles.rows) : [pitch!, 1],
      });
    }
  }

  /** Loads of tensors become loads of their buffers, with simplified indices. */
  resolve(e: Expr): Expr {
    return rewrite(e, (x) => {
      if (x.k === "load") {
        const start = this.#starts.get(x.src);
        const idx = (start ? relative(x.idx, start) : x.idx).map(simplify);
        return { ...x, src: this.of(x.src), idx };
      }
      if (x.k === "select") {
        const cond = simplifyCondition(x.cond);
        return cond === x.cond ? undefined : select(cond, x.a, x.b);
      }
      return undefined;
    });
  }
}

function paramBuffer(t: Indexable, data: TensorData): PackedBuffer {
  return {
    name: t.name,
    dtype: t.dtype,
    shape: t.shape,
    strides: rowMajor(t.shape),
    offset: 0,
    scope: "param",
    length: sizeOf(t.shape),
    align: Math.max(4, bytesOf(t.dtype)),
    data,
    order: (t as PackedBuffer).order,
  };
}

/** Constants packed for an intrinsic are read by it alone: any other reader would take the wrong ones. */
export function checkPackedReads(body: Stmt): void {
  visitStmt(body, (s) => {
    if (s.k === "intrin") return;
    for (const l of expressions(s).flatMap(loads)) {
      const order = (l.src as PackedBuffer).order;
      const free = typeof order === "string" && order !== "paired" && order !== "tiles";
      if (order === undefined || free) continue;
      if (typeof order === "string" || order.some((o, i) => o !== i)) {
        refuse(
          `read ${l.src.name}`,
          "no intrinsic takes its packed order",
          "pack in natural order",
        );
      }
    }
  });
}
