import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly status: number;
  readonly stdout: string;
}

/**
 * Runs `vipd ARGS…` of this installation for what vipctl cannot ask of a daemon that is not running; its messages go
 * to our standard error. vipctl itself never loads what touches the kernel.
 */
export function runVipd(args: readonly string[]): Promise<Ended> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status: status ?? 1, stdout }));
  });
}
