import { closeSync, constants, openSync, readSync } from 'node:fs';

const ALARM = /WARNING:|BUG:|Oops|general protection|UBSAN|KASAN|soft lockup|Call Trace/;

/** The kernel's log from now on: what a program does to the kernel itself shows nowhere else. */
export class KernelLog {
  readonly #fd: number;

  /** @throws Error without the privilege to read /dev/kmsg */
  constructor() {
    this.#fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    this.#read();
  }

  /** The lines since the last call, or since the beginning, that say that something is wrong. */
  alarms(): string[] {
    return this.#read().filter((line) => ALARM.test(line));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(): string[] {
    const buffer = Buffer.alloc(16_384);
    const lines: string[] = [];
    for (;;) {
      try {
        // One record a call: `priority,number,time,flags;text`.
        lines.push(buffer.toString('utf8', 0, readSync(this.#fd, buffer)).split(';').slice(1).join(';').trim());
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EAGAIN') return lines;
        if (code !== 'EPIPE') throw error; // EPIPE: records were lost before we read them
      }
    }
  }
}
