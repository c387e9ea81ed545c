import { missingCapabilities } from '../libbpf/features.js';
import { VipdError } from '../util/errors.js';

/**
 * Routes are needed whatever carries packets; what else is missing, a data plane says for itself.
 * @throws VipdError PRIVILEGE_MISSING naming every capability that is missing, in one sentence
 */
export function checkPrivilege(missing: readonly string[] = missingCapabilities()): void {
  if (missing.includes('CAP_NET_ADMIN')) checkAllPrivileges(missing);
}

/** @throws VipdError PRIVILEGE_MISSING when one is missing that any data plane needs */
export function checkAllPrivileges(missing: readonly string[] = missingCapabilities()): void {
  if (missing.length === 0) return;
  throw new VipdError({
    code: 'PRIVILEGE_MISSING',
    object: `user ${process.geteuid?.() ?? '?'}`,
    cause: `this process lacks ${missing.join(', ')}`,
    hint: 'run it as root or by its systemd unit',
  });
}
