import { addressBytes, familyOf } from '../model/address.js';
import { rrType, typeName } from './codes.js';
import { type NameKey, nameText } from './name.js';

/** The data of a record of ours. Addresses are canonical text. */
export type RecordData =
  | AddressData
  | { readonly type: typeof rrType.CNAME | typeof rrType.NS | typeof rrType.PTR; readonly target: NameKey }
  | {
      readonly type: typeof rrType.SRV;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: NameKey;
    }
  | { readonly type: typeof rrType.TXT; readonly text: string }
  | Soa
  | RawData;

export interface AddressData {
  readonly type: typeof rrType.A | typeof rrType.AAAA;
  readonly address: string;
}

/** Data that came from others, as it goes into a message: names in it are whole. */
export interface RawData {
  readonly type: number;
  readonly raw: Uint8Array;
}

/** RFC 1035 §3.3.13; times in seconds. */
export interface Soa {
  readonly type: typeof rrType.SOA;
  readonly mname: NameKey;
  readonly rname: NameKey;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long a negative answer holds, at most (RFC 2308 §4). */
  readonly minimum: number;
}

export function address(text: string): RecordData {
  return { type: familyOf(text) === 4 ? rrType.A : rrType.AAAA, address: text };
}

export function cname(target: NameKey): RecordData {
  return { type: rrType.CNAME, target };
}

export function ptr(target: NameKey): RecordData {
  return { type: rrType.PTR, target };
}

export function srv(target: NameKey, port: number, priority = 0, weight = 1): RecordData {
  return { type: rrType.SRV, priority, weight, port, target };
}

/** Of a record of type A 4 bytes, AAAA 16. */
export function rawAddress({ address: text, type }: AddressData): Uint8Array {
  const bytes = addressBytes(text);
  return type === rrType.A ? bytes.subarray(12) : bytes;
}

/** `SRV 0 1 80 web.example`: as zone files write it; two records are the same when their texts are. */
export function recordText(data: RecordData): string {
  return `${typeName(data.type)} ${dataText(data)}`;
}

export function dataText(data: RecordData): string {
  if ('address' in data) return data.address;
  if ('raw' in data) return `\\# ${data.raw.length} ${Buffer.from(data.raw).toString('hex')}`;
  if (data.type === rrType.SRV) return `${data.priority} ${data.weight} ${data.port} ${nameText(data.target)}`;
  if (data.type === rrType.TXT) return JSON.stringify(data.text);
  if (data.type !== rrType.SOA) return nameText(data.target);
  const { mname, rname, serial, refresh, retry, expire, minimum } = data;
  return `${nameText(mname)} ${nameText(rname)} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
}

/** The records of one name and type. */
export class RecordSet {
  /** Nothing before anybody has asked: names may change more often than they are asked for. */
  #packed: Buffer | 'none' | undefined;

  constructor(
    readonly type: number,
    /** Seconds. */
    readonly ttl: number,
    readonly records: readonly RecordData[],
  ) {}

  /**
   * Addresses as they stand in an answer to a question for their owner: each record with a pointer to the question's
   * name at offset 12, all of one size. Undefined for other types.
   */
  get packed(): Buffer | undefined {
    this.#packed ??= this.records.every(isAddress) ? packedAddresses(this.ttl, this.records) : 'none';
    return this.#packed === 'none' ? undefined : this.#packed;
  }

  /** Bytes of one packed record. */
  get stride(): number {
    return this.type === rrType.A ? 16 : 28;
  }
}

function isAddress(data: RecordData): data is AddressData {
  return 'address' in data;
}

function packedAddresses(ttl: number, records: readonly AddressData[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const raw = rawAddress(record);
      const head = Buffer.from([0xc0, 12, 0, record.type, 0, 1, 0, 0, 0, 0, 0, raw.length]);
      head.writeUInt32BE(ttl, 6);
      return [head, raw];
    }),
  );
}
