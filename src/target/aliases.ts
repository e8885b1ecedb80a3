/** Names that boards have elsewhere, for people who type those. */
import { nearNames } from "../util/near.ts";
import type { Board } from "./target.ts";

interface Alias {
  readonly name: string;
  readonly board: string;
  /** Whose name it is, as a message says it. */
  readonly owner: string;
}

const aliasesOf = (b: Board): Alias[] =>
  ([
    [b.zephyr, "Zephyr's"],
    [b.zephyrOld, "Zephyr's older"],
    [b.arduino, "Arduino's"],
    [b.platformio, "PlatformIO's"],
  ] as const).flatMap(([name, owner]) => name ? [{ name, board: b.name, owner }] : []);

/** An Arduino name may carry options behind it, a Zephyr one a revision. */
const isSame = (typed: string, alias: string): boolean =>
  typed === alias || ["@", ":", ","].some((sign) => typed.startsWith(alias + sign));

/** What a board that is not known may have meant, as the hint of a message; null for nothing near. */
export function aliasHint(typed: string, boards: readonly Board[]): string | null {
  const word = typed.toLowerCase();
  const own = boards.find((b) => b.name.toLowerCase() === word);
  if (own) return `did you mean ${own.name}?`;
  const aliases = boards.flatMap(aliasesOf);
  const same = aliases.filter((a) => isSame(word, a.name.toLowerCase()));
  if (same.length > 0) {
    const [{ owner }] = same;
    const names = [...new Set(same.map((a) => a.board))];
    return `that is ${owner} name for ${names.join(" and ")}: write --board ${names[0]}`;
  }
  const boardOf = new Map([
    ...aliases.map((a): [string, string] => [a.name, a.board]),
    ...boards.map((b): [string, string] => [b.name, b.name]),
  ]);
  const near = nearNames(typed, boardOf.keys()).map((name) => boardOf.get(name)!);
  const names = [...new Set(near)];
  return names.length === 0 ? null : `did you mean ${names.join(" or ")}?`;
}
