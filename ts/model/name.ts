/** Longest label of the DNS in octets (RFC 1035 §2.3.4). */
const LABEL_MAX = 63;

export const defaultVipZone = 'l4lb.thisdcos.directory';

/** A VIP that has a name; its address follows from the name alone. Both parts are normalised by {@link dnsFragment}. */
export interface VipName {
  readonly label: string;
  readonly framework: string;
}

/**
 * Any text as one DNS label, the way DC/OS does it: lower case, from the first letter or digit on; `_` and `.` become
 * `-`, all else is dropped. What is over 63 characters long is cut there, loses its dashes at the end and is filled up
 * again with the letters and digits that follow. May be empty.
 */
export function dnsLabel(text: string): string {
  const kept = text
    .replace(/[A-Z]/g, (c) => c.toLowerCase()) // not toLowerCase() as a whole: it makes a k of the Kelvin sign
    .replace(/[_.]/g, '-')
    .replace(/[^a-z0-9-]/g, '')
    .replace(/^-+/, '');
  const head = kept.slice(0, LABEL_MAX);
  if (kept.length <= LABEL_MAX) return head.replace(/-+$/, '');
  const stem = head.replace(/-+$/, '');
  const rest = kept.slice(LABEL_MAX).replaceAll('-', '');
  return (stem + rest).slice(0, LABEL_MAX);
}

/** Each dotted part as a label, empty ones left out: `/path/to/svc.with.dots` → `pathtosvc.with.dots`. */
export function dnsFragment(text: string): string {
  const parts = text.split('.').map(dnsLabel);
  return parts.filter((part) => part !== '').join('.');
}

/** From a label and a framework's name as written. */
export function vipName(label: string, framework: string): VipName {
  return { label: dnsFragment(label), framework: dnsFragment(framework) };
}

/** What the address is derived from: `web.marathon`. */
export function vipNameText({ label, framework }: VipName): string {
  return `${label}.${framework}`;
}

/**
 * The parts of `web.marathon:80`, which stands where an address could: the framework is what follows the last dot.
 * undefined for what can only be meant as an address: with a colon or bracket in it, or no letter behind the last dot.
 */
export function splitVipName(text: string): { label: string; framework: string; port: number } | undefined {
  const colon = text.lastIndexOf(':');
  const dot = text.lastIndexOf('.', colon);
  const [label, framework, port] = [text.slice(0, dot), text.slice(dot + 1, colon), text.slice(colon + 1)];
  if (dot < 0 || /[:[\]]/.test(label) || !/[A-Za-z]/.test(framework) || !/^\d{1,6}$/.test(port)) return undefined;
  return { label, framework, port: Number(port) };
}

export function vipFqdn(name: VipName, zone = defaultVipZone): string {
  return `${vipNameText(name)}.${zone}`;
}
