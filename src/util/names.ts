/** Unique names, and names that C accepts. */
import { BurinError } from "./errors.ts";

const KEYWORDS = new Set(
  ("auto break case char const continue default do double else enum extern float for goto if inline " +
    "int long register restrict return short signed sizeof static struct switch typedef union " +
    "unsigned void volatile while asm bool true false class namespace new delete this template " +
    "public private protected virtual operator friend try catch throw using typename explicit " +
    "export mutable nullptr constexpr decltype noexcept static_assert thread_local alignas alignof " +
    "and or not xor bitand bitor compl and_eq or_eq xor_eq not_eq wchar_t char16_t char32_t " +
    "const_cast dynamic_cast reinterpret_cast static_cast typeid").split(" "),
);

/**
 * A C (and C++) identifier for any text: what is not a letter or digit becomes `_`, a leading digit
 * gets `x` before it, a keyword `_` behind it.
 */
export function cName(text: string): string {
  const s = text.replace(/[^A-Za-z0-9]/g, "_");
  if (s === "") return "_";
  if (/^[0-9]/.test(s)) return `x${s}`;
  return KEYWORDS.has(s) ? `${s}_` : s;
}

/** What a library may not be called, since its header, its target or its module would hide another. */
const TAKEN = new Set(
  // Headers of C, of its libraries, of Arduino's cores, of the generated firmware.
  ("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign " +
    "stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time " +
    "uchar wchar wctype alloca endian features newlib picolibc reent sched strings unistd " +
    "arduino client print printable server spi stream wire wstring " +
    "board clock counter semihosting uart " +
    // Targets of CMake and what it links by a bare name, targets of Zephyr.
    "all clean continuous edit_cache experimental help install list_install_components nightly " +
    "package package_source rebuild_cache test c gcc m app arch kernel linker offsets zephyr")
    .split(" "),
);

/** The name of a library or project for any text: an identifier that is not taken elsewhere. */
export function libraryCName(text: string): string {
  const name = cName(text);
  return TAKEN.has(name.toLowerCase()) ? `${name}_model` : name;
}

/**
 * Looks at a name that the user chose.
 * @throws BurinError `usage/bad-name` where a library cannot have it
 */
export function checkLibraryName(name: string): string {
  const other = libraryCName(name);
  if (other === name) return name;
  const why = cName(name) === name
    ? "C, CMake, Zephyr or Arduino have something of that name"
    : "that is no C identifier";
  throw new BurinError(
    "usage/bad-name",
    `Cannot call the library '${name}' as ${why}`,
    `use --name ${other}`,
  );
}

/** Hands out names that are unique among those handed out before: `a`, `a_2`, `a_3`. */
export class Names {
  readonly #taken = new Set<string>();

  unique(base: string): string {
    let name = base;
    for (let i = 2; this.#taken.has(name); i++) name = `${base}_${i}`;
    this.#taken.add(name);
    return name;
  }
}

/** What macros of the generated library begin with that are not a port's. */
const LIBRARY_MACROS = ["PARAMS", "ERR"];

/**
 * Stems of the macros and accessors of ports, unique in capitals too: an output that shares its C
 * name with an input gets `_2`, and so does a port that is called like a memory region.
 * @param regions names of the memory regions; @param ports C names of inputs, then outputs
 */
export function portStems(regions: readonly string[], ports: readonly string[]): string[] {
  const names = new Names();
  for (const taken of [...LIBRARY_MACROS, ...regions]) names.unique(taken.toUpperCase());
  return ports.map((port) => port + names.unique(port.toUpperCase()).slice(port.length));
}
