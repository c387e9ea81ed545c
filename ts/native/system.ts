import { addon } from './binding.js';
import { NativeError, translating } from './errors.js';

/**
 * Tells the service manager, see sd_notify(3): `READY=1`, `STATUS=…`, `WATCHDOG=1`; several separated by newlines.
 * False when nobody waits for it.
 * @param socket path, or `@name` for an abstract socket
 * @throws NativeError when the socket does not take it
 */
export function sdNotify(message: string, socket = process.env.NOTIFY_SOCKET): boolean {
  if (socket === undefined || socket === '') return false;
  translating(
    (failure, cause) => new NativeError(`socket ${socket}`, failure, undefined, { cause }),
    () => addon().notify(socket, message),
  );
  return true;
}

/** Mounts a bpf filesystem on an existing directory; pins live there. @throws NativeError EPERM without CAP_SYS_ADMIN */
export function mountBpffs(path: string): void {
  const hint = `mount it as root: mount -t bpf bpf ${path}`;
  translating(
    (failure, cause) => new NativeError(path, failure, hint, { cause }),
    () => addon().mountBpffs(path),
  );
}
