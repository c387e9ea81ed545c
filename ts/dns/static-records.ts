import { canonicalAddress, checkedPort, familyOf } from '../model/address.js';
import { preview } from '../model/problem.js';
import { VipdError } from '../util/errors.js';
import { rrType } from './codes.js';
import type { Entry } from './ledger.js';
import { nameKey } from './name.js';
import { address, cname, type RecordData, srv } from './record.js';

/** Reads `www.example.org A 192.0.2.1`, as lines of a zone file without TTL and class. @throws VipdError RECORD_INVALID, NAME_INVALID */
export function parseRecord(text: string): Entry {
  const [name, type = '', ...words] = text.trim().split(/\s+/);
  if (name === undefined || name === '' || words.length === 0) throw invalid(text, 'it is not NAME TYPE DATA');
  return { name: nameKey(name), data: dataOf(text, type.toUpperCase(), words) };
}

function dataOf(text: string, type: string, words: readonly string[]): RecordData {
  if (type === 'TXT') return { type: rrType.TXT, text: unquoted(text) };
  const [first = '', second, third, fourth] = words;
  if (type === 'SRV' && words.length === 4) {
    return srv(nameKey(fourth!), checkedPort(Number(third), text), word16(first, text), word16(second!, text));
  }
  if (words.length > 1) throw invalid(text, 'there is more than the type needs');
  if (type === 'A' || type === 'AAAA') return addressOf(text, type, first);
  if (type === 'CNAME') return cname(nameKey(first));
  if (type === 'PTR' || type === 'NS') return { type: rrType[type], target: nameKey(first) };
  throw invalid(text, `${preview(type)} is none of A, AAAA, CNAME, SRV, TXT, PTR, NS`);
}

function addressOf(text: string, type: 'A' | 'AAAA', value: string): RecordData {
  const canonical = canonicalAddress(value);
  if (familyOf(canonical) !== (type === 'A' ? 4 : 6)) throw invalid(text, `${value} is no address for ${type}`);
  return address(canonical);
}

function word16(value: string, text: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) < 65_536) return Number(value);
  throw invalid(text, `${preview(value)} is no number from 0 to 65535`);
}

/** All behind the type, without the quotes around it. */
function unquoted(text: string): string {
  const data = text.trim().replace(/^\S+\s+\S+\s+/, '');
  return /^".*"$/.test(data) ? data.slice(1, -1) : data;
}

function invalid(text: string, cause: string): VipdError {
  return new VipdError({
    code: 'RECORD_INVALID',
    object: preview(text),
    cause,
    hint: 'write: www.example.org A 192.0.2.1',
  });
}
