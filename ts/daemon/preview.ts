import { RequestError } from '../api/errors.js';
import type { AppPreview } from '../api/routes/labels.js';
import { vipFqdn, vipNameText } from '../model/name.js';
import { isNamed, type ServiceDefinition, type VipKey, vipKey } from '../model/service.js';
import { NO_TASKS } from '../model/task.js';
import { Vips } from '../sources/labels/vips.js';
import { translate } from '../sources/marathon/translate.js';
import type { Sources } from '../sources/sources.js';

/** Where the one task is that the app is given for a preview: an address for documentation (RFC 5737). */
const HOST = '192.0.2.1';

/** Ports it is given, more than any app asks for. */
const PORTS = Array.from({ length: 100 }, (_, i) => 31_000 + i);

/** What the labels of a Marathon app would come to, beside all that is defined now. @throws RequestError APP_INVALID */
export function previewApp(app: unknown, sources: Sources): AppPreview {
  const { tasks, rejected, fault } = readApp(app);
  if (fault) throw new RequestError(400, fault);
  const { services } = new Vips({ ipv6: true }).follow(tasks);
  const placed = sources.preview('preview', services);
  const taken = new Map([...sources.table().services.values()].map((one) => [keyOf(one.definition), one.source]));
  const vips = services.map(({ frontend }) => {
    const key = vipKey(frontend);
    const found = placed.find((one) => keyOf(one) === key);
    const source = taken.get(key);
    return {
      vip: key,
      ...(isNamed(frontend) && { name: vipFqdn(frontend.name) }),
      address: found?.frontend.address ?? 'none is left',
      ...(source !== undefined && { source }),
    };
  });
  return {
    vips,
    rejected: rejected.map(({ key, value, code, reason, mended }) => {
      return { key, value, code, reason, ...(mended === undefined ? {} : { mended }) };
    }),
  };
}

function readApp(app: unknown) {
  const task = { id: 'preview', host: HOST, ports: PORTS, ipAddresses: [{ ipAddress: HOST }] };
  const given = typeof app === 'object' && app !== null ? { id: '/preview', ...app, tasks: [task] } : app;
  const info = { name: 'marathon', frameworkId: 'preview' };
  const { table, rejected, faults } = translate([given], [], info, {
    hosts: new Map([[HOST, HOST]]),
    before: NO_TASKS,
    heard: NO_TASKS,
  });
  return { tasks: table.tasks, rejected, fault: faults[0] };
}

/** As its label asks for it: by its name where it has one. */
function keyOf({ frontend, vipName }: ServiceDefinition): VipKey {
  if (vipName === undefined) return vipKey(frontend);
  return `${frontend.protocol}/${vipNameText(vipName)}:${frontend.port}`;
}
