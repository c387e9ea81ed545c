import { vipctl } from '../../../ts/cli/vipctl.js';

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** Runs `vipctl ARGS…` in this process against the daemon on a socket. */
export async function run(socket: string, ...args: readonly string[]): Promise<Outcome> {
  let [out, error] = ['', ''];
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    error: (text: string) => {
      error += text;
    },
  };
  const [command = '', ...rest] = args;
  const status = await vipctl([command, '--socket', socket, ...rest], terminal, '1.2.3');
  return { status, out, error };
}
