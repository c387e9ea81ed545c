import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import type { Lab, Site } from './lab.js';

const program = fileURLToPath(new URL('programs/echo-server.js', import.meta.url));

/** A backend on a site: answers lines over TCP and datagrams over UDP with its name, on both families. */
export interface EchoServer extends Site {
  readonly name: string;
  readonly port: number;
  readonly child: Child;
}

export async function startEcho(lab: Lab, site: Site, name: string, port = 7000): Promise<EchoServer> {
  const child = startIn(lab, site, [process.execPath, program, name, String(port)]);
  await child.wrote('listening');
  return { ...site, name, port, child };
}

/** Starts any program inside a site's namespace; it is killed before the network goes away. */
export function startIn(lab: Lab, site: Site, argv: readonly string[]): Child {
  const child = Child.start(site.namespace.inside(argv));
  lab.beforeRemoval(() => {
    child.kill('SIGKILL');
    return child.exited;
  });
  return child;
}
