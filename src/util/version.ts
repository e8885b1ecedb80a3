/** Burin's version, from its one place. */
import config from "../../deno.json" with { type: "json" };

/** Version of the tool, as `0.1.0`. */
export const VERSION: string = config.version;
