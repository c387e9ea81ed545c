import { lookup } from 'node:dns/promises';
import type { Agent, Framework } from '../../model/task.js';
import { readAddress } from './task.js';
import type { AgentInfo, FrameworkMessage } from './wire.js';

/** The first address of a host, canonical text; undefined when it has none. */
export type Resolve = (host: string) => Promise<string | undefined>;

export const resolveBySystem: Resolve = async (host) => {
  const found = await lookup(host).catch(() => undefined);
  return found && readAddress(found.address);
};

/** Address and port of a libprocess PID, `slave(1)@10.0.0.1:5051`; undefined for anything else. */
export function readPid(pid: string | undefined): { readonly address: string; readonly port: number } | undefined {
  const match = /@(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(pid ?? '');
  const address = readAddress(match?.[1] ?? match?.[2] ?? '');
  return address === undefined ? undefined : { address, port: Number(match![3]) };
}

/** By its host name where that is an address, else by its PID; undefined when it has neither, or no id. */
export function agentOf(info: AgentInfo, pid?: string): Agent | undefined {
  const own = readPid(pid);
  const address = readAddress(info.hostname ?? '') ?? own?.address;
  if (address === undefined || info.id === undefined) return undefined;
  return { id: info.id.value, address, port: own?.port ?? info.port ?? 5051 };
}

export function frameworkOf({ framework_info: info }: FrameworkMessage, pid?: string): Framework | undefined {
  if (info.id === undefined) return undefined;
  const named = { id: info.id.value, name: info.name ?? '' };
  const hostname = info.hostname === undefined || info.hostname === '' ? {} : { hostname: info.hostname };
  return { ...named, ...readPid(pid), ...hostname };
}
