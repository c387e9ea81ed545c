import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DeclaredService } from '../model/service.js';
import { serviceToJson, validateService } from '../model/validation.js';
import { type Fault, faultOf, VipdError } from '../util/errors.js';

/** Of the layout below; another number is foreign and set aside. */
const VERSION = 1;

/** What operators said through the API. */
export interface ApiState {
  readonly services: ReadonlyMap<string, DeclaredService>;
  /** `service\0backend` */
  readonly drained: ReadonlySet<string>;
}

export const EMPTY_STATE: ApiState = { services: new Map(), drained: new Set() };

interface StateJson {
  readonly version: typeof VERSION;
  readonly services: readonly unknown[];
  readonly drained: readonly { readonly service: string; readonly backend: string }[];
}

/**
 * Reads the state. What is torn, foreign or partly wrong is renamed to `PATH.broken-TIME` and told as faults, so that no
 * later write can bury it. @throws VipdError STATE_UNREADABLE when the system refuses
 */
export async function readState(path: string): Promise<{ state: ApiState; faults: readonly Fault[] }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { state: EMPTY_STATE, faults: [] };
    if (code !== 'EISDIR') throw stateError('STATE_UNREADABLE', path, 'read', error);
    return { state: EMPTY_STATE, faults: [await setAside(path, 'it is a directory')] };
  }
  const json = parseState(bytes);
  if (typeof json === 'string') return { state: EMPTY_STATE, faults: [await setAside(path, json)] };
  const { services, faults } = readServices(json.services, path);
  if (faults.length > 0) faults.unshift(await setAside(path, `${faults.length} of its services are not valid`));
  const drained = new Set(json.drained.map(({ service, backend }) => `${service}\0${backend}`));
  return { state: { services, drained }, faults };
}

/** Replaces the file as a whole: after a crash there is the old state or the new one. @throws VipdError STATE_UNWRITABLE */
export async function writeState(path: string, state: ApiState): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(stateText(state));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // the first error is the one to tell
    throw stateError('STATE_UNWRITABLE', path, 'written', error);
  }
}

/** The parsed file, or why it is none of ours. */
function parseState(bytes: Buffer): StateJson | string {
  let json: Partial<StateJson> | null;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<StateJson> | null;
  } catch {
    return 'it is torn or not JSON';
  }
  if (json?.version !== VERSION) return `it has version ${JSON.stringify(json?.version) ?? 'none'}, not ${VERSION}`;
  if (!Array.isArray(json.services) || !Array.isArray(json.drained)) return 'its services or drained are missing';
  const text = json.drained.every((one) => typeof one?.service === 'string' && typeof one.backend === 'string');
  return text ? (json as StateJson) : 'its drained has entries of another form';
}

function readServices(list: readonly unknown[], path: string): { services: ApiState['services']; faults: Fault[] } {
  const services = new Map<string, DeclaredService>();
  const faults: Fault[] = [];
  for (const [i, json] of list.entries()) {
    const object = `${path} services[${i}]`;
    try {
      const definition = validateService(json, object);
      services.set(definition.name, definition);
    } catch (error) {
      faults.push(faultOf(error, object));
    }
  }
  return { services, faults };
}

async function setAside(path: string, reason: string): Promise<Fault> {
  const aside = `${path}.broken-${new Date().toISOString().replaceAll(':', '')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    throw stateError('STATE_UNWRITABLE', path, 'set aside', error);
  }
  return { code: 'STATE_BROKEN', object: path, cause: `${reason}, so it was set aside`, hint: `see ${aside}` };
}

/** The text of a service is kept with it: one changed among thousands must not cost the making of all. */
const texts = new WeakMap<DeclaredService, string>();

function serviceText(definition: DeclaredService): string {
  let text = texts.get(definition);
  if (text === undefined) {
    text = JSON.stringify(serviceToJson(definition));
    texts.set(definition, text);
  }
  return text;
}

function stateText({ services, drained }: ApiState): string {
  const list = Array.from(services.values(), serviceText).join(',\n');
  const pairs = [...drained].sort().map((key) => {
    const [service = '', backend = ''] = key.split('\0');
    return { service, backend };
  });
  return `{"version":${VERSION},\n"services":[\n${list}\n],\n"drained":${JSON.stringify(pairs)}}\n`;
}

/** Without it a power cut may forget the rename. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function stateError(code: string, path: string, verb: string, error: unknown): VipdError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new VipdError({ code, object: path, cause: `the state could not be ${verb}: ${reason}` }, { cause: error });
}
