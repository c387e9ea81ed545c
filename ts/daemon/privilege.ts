import { missingCapabilities } from '../libbpf/features.js';
import { VipdError } from '../util/errors.js';

/** @throws VipdError PRIVILEGE_MISSING naming every capability that is missing, in one sentence */
export function checkPrivilege(missing: readonly string[] = missingCapabilities()): void {
  if (missing.length === 0) return;
  throw new VipdError({
    code: 'PRIVILEGE_MISSING',
    object: `user ${process.geteuid?.() ?? '?'}`,
    cause: `this process lacks ${missing.join(', ')}`,
    hint: 'run it as root or by its systemd unit',
  });
}
