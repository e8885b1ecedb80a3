/** The firmware: a program for the board, for the machine of QEMU in its place, for this computer. */
import boardTemplate from "../../../templates/plain/firmware/board/board.c.hbs" with {
  type: "text",
};
import clockDwt from "../../../templates/plain/firmware/board/clock_dwt.h" with { type: "text" };
import clockMcycle from "../../../templates/plain/firmware/board/clock_mcycle.h" with {
  type: "text",
};
import clockSysTick from "../../../templates/plain/firmware/board/clock_systick.h" with {
  type: "text",
};
import listsTemplate from "../../../templates/plain/firmware/CMakeLists.txt.hbs" with {
  type: "text",
};
import boardHeader from "../../../templates/plain/firmware/board.h" with { type: "text" };
import hostBoard from "../../../templates/plain/firmware/host/board.c" with { type: "text" };
import qemuTemplate from "../../../templates/plain/firmware/qemu/board.c.hbs" with { type: "text" };
import uartTemplate from "../../../templates/plain/firmware/qemu/uart_cmsdk.h.hbs" with {
  type: "text",
};
import semihostingArm from "../../../templates/plain/firmware/semihosting_arm.h" with {
  type: "text",
};
import semihostingRiscv from "../../../templates/plain/firmware/semihosting_riscv.h" with {
  type: "text",
};
import type { Board, Machine } from "../../target/target.ts";
import { render } from "../../util/template.ts";
import {
  defaultStackBytes,
  isSmallArm,
  linkerScript,
  placedIn,
  startupFiles,
  titleOf,
} from "../board_files.ts";
import { counterSource, tickScale } from "../counter.ts";
import { mainSource } from "./main_c.ts";
import { coreName, type Plain } from "./names.ts";

/** UART 0 of machines that have a CMSDK's, the cheapest there is; others print by semihosting. */
const UARTS: Readonly<Record<string, string>> = {
  "mps2-an385": "0x40004000",
  "mps2-an386": "0x40004000",
  "mps2-an500": "0x40004000",
  "mps2-an505": "0x50200000",
  "mps3-an547": "0x59303000",
};

const SEMIHOSTING: Readonly<Record<string, string>> = {
  arm: semihostingArm,
  riscv: semihostingRiscv,
};

/** The clock of a real board, which counts cycles. */
function clock(p: Plain): string {
  if (p.architecture!.name === "riscv") return clockMcycle;
  return isSmallArm(p.board) ? clockSysTick : clockDwt;
}

/** The arguments of QEMU but for the image; one device has the console, semihosting ends the run. */
function qemuArguments(p: Plain, machine: Machine): string[] {
  const [console, chardev] = machine.name in UARTS
    ? [["-serial", "stdio"], ""]
    : [["-serial", "none", "-chardev", "stdio,id=console"], ",chardev=console"];
  return [
    "-M",
    machine.name,
    ...(machine.cpu === undefined ? [] : ["-cpu", machine.cpu]),
    ...p.architecture!.qemuArguments,
    ..."-display none -monitor none -nic none".split(" "),
    ...console,
    "-icount",
    `shift=${machine.counter.shift}`,
    "-semihosting-config",
    `enable=on,target=native${chardev}`,
  ];
}

function lists(p: Plain): string {
  const { bundle, macro, machineBoard, architecture } = p;
  const places = p.presets.filter((name) => name !== "host").sort();
  return render(listsTemplate, {
    name: bundle.name,
    macro,
    portable: p.portable,
    cross: architecture !== null,
    models: bundle.models.map((m) => m.name).join(" "),
    places: places.join(" or "),
    places_list: places.join(" "),
    place_var: `\${${macro}_PLACE}`,
    stack_var: `\${${macro}_STACK_BYTES}`,
    qemu_var: `\${${macro}_QEMU}`,
    stack_bytes: architecture ? defaultStackBytes(p.board) : 0,
    startup_files: architecture ? [...startupFiles(p.board).keys()].join(" ") : "",
    qemu: machineBoard ? architecture!.qemu.name : "",
    qemu_packages: machineBoard ? architecture!.qemu.packages.join(" ") : "",
    qemu_arguments: machineBoard ? qemuArguments(p, machineBoard.machine!).join(" ") : "",
  }, "plain/firmware/CMakeLists.txt.hbs");
}

function qemuBoard(p: Plain, executing: Board): string {
  const { name, counter } = executing.machine!;
  const { times, over } = tickScale(counter);
  const riscv = p.architecture!.name === "riscv";
  return render(qemuTemplate, {
    machine: name,
    uart: name in UARTS,
    stand_in: executing.name !== p.board.name,
    title: titleOf(p.board),
    shift: counter.shift,
    hz: counter.hz,
    instruction_ns: 2 ** counter.shift,
    times,
    over,
    half: over >> 1,
    fault_handler: riscv ? "Trap_Handler" : "HardFault_Handler",
    fault_attribute: riscv ? "__attribute__((aligned(64))) " : "",
  }, "plain/firmware/qemu/board.c.hbs");
}

const uart = ({ name, counter }: Machine): string =>
  render(uartTemplate, {
    base: UARTS[name],
    clock: counter.hz,
    divider: Math.round(counter.hz / 115200),
  }, "plain/firmware/qemu/uart_cmsdk.h.hbs");

function realBoard(p: Plain): string {
  const arm = p.architecture!.name === "arm";
  return render(boardTemplate, {
    title: titleOf(p.board),
    core: coreName(p.board),
    check_debugger: arm && !isSmallArm(p.board),
    step_over: arm && isSmallArm(p.board),
    step_trap: !arm,
  }, "plain/firmware/board/board.c.hbs");
}

/** The files by path. */
export function firmwareFiles(p: Plain): Map<string, string> {
  const { architecture, board, machineBoard } = p;
  const placed = placedIn(p.bundle.models);
  const files = new Map([
    ["firmware/CMakeLists.txt", lists(p)],
    ["firmware/main.c", mainSource(p.bundle)],
    ["firmware/board.h", boardHeader],
  ]);
  if (p.portable) files.set("firmware/host/board.c", hostBoard);
  if (architecture === null) return files;
  files.set("firmware/semihosting.h", SEMIHOSTING[architecture.name]);
  for (const [name, text] of startupFiles(board)) files.set(`firmware/${name}`, text);
  files.set("firmware/board/board.c", realBoard(p))
    .set("firmware/board/clock.h", clock(p))
    .set("firmware/board/link.ld", linkerScript(board, defaultStackBytes(board), placed));
  if (machineBoard === null) return files;
  const machine = machineBoard.machine!;
  if (machine.name in UARTS) files.set("firmware/qemu/uart.h", uart(machine));
  return files.set("firmware/qemu/board.c", qemuBoard(p, machineBoard))
    .set("firmware/qemu/counter.h", counterSource(machine.counter, "SysTick_Handler"))
    .set(
      "firmware/qemu/link.ld",
      linkerScript(machineBoard, defaultStackBytes(machineBoard), placed),
    );
}
