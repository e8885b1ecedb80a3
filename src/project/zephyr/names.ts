/** Names of a module: Zephyr's own are avoided, and YAML, Kconfig and CMake each have their style. */
import type { Bundle } from "../bundle.ts";

/** Words that are symbols of Zephyr's Kconfig or targets of its CMake, and could be a model's name. */
const TAKEN = new Set(
  ("acpi adc app arch arm assert audio base64 board bt cache can clock codec console counter coverage crc crypto dac " +
    "debug deprecated disk display dma drivers dsp eeprom emul entropy errno events exceptions experimental flash " +
    "fpu gpio harvard i2c i2s init input interrupt isa kernel led llext log lora math memory mipi_dsi modem mpu " +
    "mqtt net networking notify pm poll posix printk pwm random reboot regulator reset retention riscv rtc sensor " +
    "serial settings shell simulator smf soc spi spsc stats stepper storage syscon task test timer timeslicing " +
    "tracing usb userspace video watchdog wifi x86 zephyr ztest").split(" "),
);

/** What a module is called in each language. */
export interface ModuleNames {
  /** CMake target, sample and file names: `kws_2`. */
  readonly id: string;
  /** Name of the module and its folders: `kws-2`. */
  readonly module: string;
  /** What every Kconfig symbol begins with: `KWS_2`. */
  readonly prefix: string;
}

/** The names of a bundle's module. */
export function moduleNames({ name }: Pick<Bundle, "name">): ModuleNames {
  const trimmed = name.toLowerCase().replace(/^_+|_+$/g, "").replace(/_+/g, "_");
  const id = trimmed === "" || TAKEN.has(trimmed) ? `${trimmed}_model`.replace(/^_/, "") : trimmed;
  return { id, module: id.replaceAll("_", "-"), prefix: id.toUpperCase() };
}
