import ipaddr from 'ipaddr.js';
import type { Fault } from '../util/errors.js';
import { canonicalAddress, type Endpoint, type Protocol } from './address.js';
import { dnsFragment, type VipName, vipName, vipNameText } from './name.js';
import { NO_VIP } from './rules.js';

/** A name longer than this leaves no room for the zones it is published in (RFC 1035 §2.3.4: 255 octets). */
const NAME_MAX = 200;

/** What a VIP label asks for: an address anybody may share, or a name inside its framework; and a port. */
export type VipTarget = Endpoint | { readonly name: VipName; readonly port: number };

/** Why a label makes no VIP, and how it would. */
export interface LabelProblem {
  /** Stable name, UPPER_SNAKE. */
  readonly code: string;
  readonly reason: string;
  /** The value that was probably meant. */
  readonly mended?: string;
}

/** A label somebody wrote to get a VIP, and did not. */
export interface RejectedLabel extends LabelProblem {
  readonly framework: string;
  /** Name of the task. */
  readonly task: string;
  readonly taskId: string;
  /** Address of its agent. */
  readonly agent: string;
  readonly key: string;
  readonly value: string;
}

/** A VIP that more than one application asks for. That may be meant: then it has the backends of all of them. */
export interface SharedVip {
  /** As people write it: `web.marathon:80`. */
  readonly vip: string;
  readonly protocol: Protocol;
  /** `framework/task name` of each, sorted. */
  readonly apps: readonly string[];
}

/** What became of the labels of a source's tasks, beyond VIPs. */
export interface LabelReport {
  readonly rejected: readonly RejectedLabel[];
  readonly shared: readonly SharedVip[];
}

/** What the writer of a label may have meant where it says nothing. */
export interface LabelContext {
  /** The framework's registered name. */
  readonly framework: string;
  /** Name of the task. */
  readonly task: string;
  /** Of the port that carries the label. */
  readonly port?: number | undefined;
}

/** Whether a port label asks for a VIP: its key begins with exactly `VIP` or `vip`, whatever follows. */
export function isVipKey(key: string): boolean {
  return key.startsWith('VIP') || key.startsWith('vip');
}

/**
 * The value of a VIP label: `left:port`, split at the last colon. A left part that is an address, IPv6 with or without
 * brackets, makes an IP VIP; any other text is a name, made a DNS name together with the framework's.
 */
export function readVipLabel(value: string, context: LabelContext): VipTarget | LabelProblem {
  const text = value.trim();
  const colon = text.lastIndexOf(':');
  if (colon < 0) return noPort(text, context);
  const port = readPort(text.slice(colon + 1), text.slice(0, colon), context);
  if (typeof port !== 'number') return port;
  const left = text.slice(0, colon);
  const address = strictAddress(left);
  return address === undefined ? readName(left, port, context) : readAddress(address, port);
}

export function isProblem(read: VipTarget | LabelProblem): read is LabelProblem {
  return 'reason' in read;
}

/** As a fault, for those who show both. */
export function labelFault(label: RejectedLabel): Fault {
  const { code, framework, task, key, value, reason, mended } = label;
  const object = `label ${key}=${value} of task ${task} of ${framework}`;
  return { code, object, cause: reason, ...(mended === undefined ? {} : { hint: `write ${mended}` }) };
}

function noPort(text: string, { port }: LabelContext): LabelProblem {
  const mended = text === '' ? {} : { mended: `${text}:${port ?? 80}` };
  return { code: 'LABEL_PORT_MISSING', reason: 'has no port: what is wanted is NAME:PORT or ADDRESS:PORT', ...mended };
}

/** Only digits: `+80`, which some take for 80, is a slip. */
function readPort(text: string, left: string, context: LabelContext): number | LabelProblem {
  const port = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65535) return port;
  const digits = Number(/\d+/.exec(text)?.[0] ?? Number.NaN);
  const meant = digits >= 1 && digits <= 65535 ? digits : (context.port ?? 80);
  const reason = Number.isNaN(port) ? `"${text}" is no port` : `port ${port} is not between 1 and 65535`;
  return { code: 'LABEL_PORT_INVALID', reason, mended: `${left}:${meant}` };
}

function readName(left: string, port: number, context: LabelContext): VipTarget | LabelProblem {
  const name = vipName(left, context.framework);
  if (name.label === '') {
    const mended = dnsFragment(context.task) || 'name';
    return { code: 'LABEL_NAME_EMPTY', reason: 'names nothing: no letter or digit', mended: `/${mended}:${port}` };
  }
  if (name.framework === '') {
    return {
      code: 'LABEL_FRAMEWORK_EMPTY',
      reason: `the framework's name ${context.framework} has no letter or digit`,
    };
  }
  if (vipNameText(name).length <= NAME_MAX) return { name, port };
  const mended = `/${name.label.slice(0, 63).replace(/[-.]+$/, '')}:${port}`;
  return { code: 'LABEL_NAME_LONG', reason: `the name is over ${NAME_MAX} characters long`, mended };
}

function readAddress(address: string, port: number): VipTarget | LabelProblem {
  const range = ipaddr.parse(address).range();
  if (!NO_VIP.has(range)) return { address, port };
  return { code: 'LABEL_ADDRESS_UNUSABLE', reason: `${address} is a ${range} address, no VIP can have it` };
}

/** Canonical text, or undefined when it is no address. Brackets are taken although the original took them for a name. */
function strictAddress(text: string): string | undefined {
  const inner = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  if (!/^[0-9a-fA-F:.]+$/.test(inner)) return undefined;
  try {
    return canonicalAddress(inner);
  } catch {
    return undefined;
  }
}
