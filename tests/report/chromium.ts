/** A headless Chromium, spoken to through its DevTools protocol. */
import assert from "node:assert/strict";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

/** How long the browser may take to answer, and to end. */
const ANSWER_SECONDS = 60, END_SECONDS = 10;

type Json = Record<string, unknown>;
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: { readonly message: string };
}

/** What a page is looked at with. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly mobile?: boolean;
  readonly print?: boolean;
}

/** One page. */
export class Page {
  #next = 1;
  #session: string | undefined;
  readonly #waiting = new Map<number, (m: Message) => void>();
  readonly #once = new Map<string, () => void>();
  /** Console messages, exceptions, and what the content policy refused. */
  readonly complaints: string[] = [];
  /** Addresses that were asked for, the page's own first. */
  readonly requests: string[] = [];

  constructor(readonly write: (text: string) => Promise<void>) {}

  /** Attaches to a page of the browser. */
  async attach(): Promise<void> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    this.#session = sessionId as string;
  }

  receive(m: Message): void {
    if (m.id !== undefined) return this.#waiting.get(m.id)?.(m);
    const params = m.params ?? {};
    if (m.method === "Network.requestWillBeSent") {
      this.requests.push((params.request as { url: string }).url);
    } else if (m.method === "Runtime.consoleAPICalled" || m.method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(params));
    } else if (m.method === "Log.entryAdded") {
      this.complaints.push(JSON.stringify((params as { entry: unknown }).entry));
    }
    this.#once.get(m.method ?? "")?.();
  }

  async send(method: string, params: Json = {}): Promise<Json> {
    const id = this.#next++, sessionId = this.#session;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answer = await new Promise<Message>((done, fail) => {
      timer = setTimeout(() => fail(new Error(`no answer to ${method}`)), ANSWER_SECONDS * 1000);
      this.#waiting.set(id, done);
      this.write(JSON.stringify({ id, method, params, sessionId })).catch(fail);
    }).finally(() => clearTimeout(timer));
    this.#waiting.delete(id);
    assert(!answer.error, `${method}: ${answer.error?.message}`);
    return answer.result!;
  }

  /** Loads a page and waits until all of it is there. */
  async open(url: string): Promise<void> {
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await this.send(`${domain}.enable`);
    const loaded = new Promise<void>((done) => this.#once.set("Page.loadEventFired", done));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  async look(view: View): Promise<void> {
    const { width, height, dark = false, mobile = false, print = false } = view;
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      mobile,
      deviceScaleFactor: 1,
    });
    await this.send("Emulation.setEmulatedMedia", {
      media: print ? "print" : "",
      features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
    });
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    assert(!exceptionDetails, JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** The page, or of it what a selector finds, as PNG. */
  async screenshot(selector = "html"): Promise<Uint8Array> {
    const clip = await this.value<Json>(
      `(() => { const r = document.querySelector(${JSON.stringify(selector)})` +
        `.getBoundingClientRect(); return { x: r.x + scrollX, y: r.y + scrollY, ` +
        `width: r.width, height: r.height, scale: 1 }; })()`,
    );
    const options = { format: "png", clip, captureBeyondViewport: true };
    return decoded((await this.send("Page.captureScreenshot", options)).data as string);
  }

  async pdf(): Promise<Uint8Array> {
    const options = { printBackground: false, paperWidth: 8.27, paperHeight: 11.69 };
    return decoded((await this.send("Page.printToPDF", options)).data as string);
  }
}

const decoded = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Hands every message that the browser writes to the page; they end in a zero byte. */
async function listen(stream: ReadableStream<Uint8Array>, page: Page): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    const parts = (text + decoder.decode(chunk, { stream: true })).split("\0");
    text = parts.pop()!;
    for (const part of parts) page.receive(JSON.parse(part) as Message);
  }
}

/**
 * Starts Chromium, gives a page to `f`, and ends it. The browser is spoken to through pipes, so that
 * tests need no network, not even this computer's own.
 * @param program path of the browser
 */
export async function withChromium<T>(
  program: string,
  f: (page: Page) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  // The browser reads from descriptor 3 and writes to 4.
  const process = new Deno.Command("sh", {
    args: [
      "-c",
      'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1',
      "sh",
      program,
      ...FLAGS,
      `--user-data-dir=${folder}`,
    ],
    env: { HOME: folder },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = process.stdin.getWriter(), encoder = new TextEncoder();
  const page = new Page((text) => writer.write(encoder.encode(`${text}\0`)));
  const listening = listen(process.stdout, page);
  try {
    await page.attach();
    return await f(page);
  } finally {
    const late = setTimeout(() => process.kill("SIGKILL"), END_SECONDS * 1000);
    await writer.close();
    await process.status;
    clearTimeout(late);
    await listening;
    await removed(folder);
  }
}

/** The browser's helpers may still write for a moment. */
async function removed(folder: string): Promise<void> {
  for (let i = 0;; i++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (e) {
      if (i === 40) throw e;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}
