import { defaultVipZone, dnsFragment, vipFqdn, vipNameText } from '../../model/name.js';
import type { NameEntry, Names } from '../../model/names.js';
import { RequestError } from '../errors.js';
import type { ApiPorts } from '../ports.js';
import type { NameView, nameRoutes } from '../routes/names.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';
import { viewsOf } from './vips.js';

export function nameHandlers(ports: ApiPorts): Handlers<typeof nameRoutes> {
  const { status } = ports;
  return {
    names: async () => ({ names: Array.from(status.names().values(), nameView) }),
    where: async ({ name }) => {
      const entry = findName(status.names(), name);
      const keys = new Set(entry.ports.map(({ key }) => key));
      const vips = await viewsOf(
        ports,
        status.vips().filter((vip) => keys.has(vip.key)),
      );
      return { name: nameView(entry), vips };
    },
  };
}

/** As it is written in a service, in the DNS, or short where only one name begins so. @throws RequestError NOT_FOUND */
export function findName(names: Names, text: string): NameEntry {
  const wanted = dnsFragment(text.replace(new RegExp(`\\.${defaultVipZone}\\.?$`, 'i'), ''));
  const exact = names.get(wanted);
  if (exact) return exact;
  const [only, ...more] = [...names.values()].filter(({ name }) => name.label === wanted);
  if (only && more.length === 0) return only;
  const found = [only, ...more].flatMap((entry) => (entry ? vipNameText(entry.name) : []));
  const cause = found.length === 0 ? 'no service has this name' : `it may be ${found.join(' or ')}`;
  const hint = found.length === 0 ? 'vipctl vips lists the names there are' : 'name the framework as well';
  throw new RequestError(404, { code: 'NOT_FOUND', object: `name ${text}`, cause, hint });
}

function nameView({ name, addresses, ports, v4, v6 }: NameEntry): Frozen<NameView> {
  const families = ([4, 6] as const).flatMap((family) => {
    const address = addresses[family];
    return address === undefined ? [] : [{ family, address, forwards: address === (family === 4 ? v4 : v6) }];
  });
  return { name: vipNameText(name), fqdn: vipFqdn(name), addresses: families, vips: ports.map(({ key }) => key) };
}
