const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 * 1024 };

/** Bytes that a text such as 65536, 64K or 1M stands for; null for anything else. */
export function bytesOfSize(text: string): number | null {
  const [, number, unit] = /^([1-9]\d*)([KM]?)$/.exec(text) ?? [];
  const bytes = Number(number) * UNITS[unit];
  return Number.isSafeInteger(bytes) ? bytes : null;
}
