/** What tests of several folders share. */

/** Runs a test in a folder of its own, whose name has spaces and a letter beyond ASCII. */
export async function inFolder(task: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "burin test é " }));
  try {
    await task(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Names of what is in a folder, sorted. */
export const namesIn = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map((e) => e.name).sort();
