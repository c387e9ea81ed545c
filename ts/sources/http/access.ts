import { readFileSync } from 'node:fs';
import { VipdError } from '../../util/errors.js';

/** How to prove who we are. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | ServiceAccount;

/** A DC/OS service account: a token is fetched with a statement signed by its key (RS256, RFC 7518 §3.3). */
export interface ServiceAccount {
  readonly kind: 'account';
  readonly user: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  readonly loginUrl: string;
}

export interface Access {
  readonly credentials: Credentials;
  /** Certificates of authorities, PEM, that are trusted instead of the system's. */
  readonly ca?: string;
}

export interface AccessFiles {
  /** Holds `user:password`, or the JSON of a DC/OS service account. */
  readonly secret?: string | undefined;
  /** Holds certificates of authorities, PEM. */
  readonly ca?: string | undefined;
}

/** Reads the files anew, so that what is rotated takes effect at the next login. @throws VipdError */
export function readAccess({ secret, ca }: AccessFiles): Access {
  const credentials = secret === undefined ? { kind: 'none' as const } : parseSecret(readText(secret), secret);
  return { credentials, ...(ca === undefined ? {} : { ca: readAuthorities(ca) }) };
}

/** The name we are known by where we ask. */
export function principalOf(credentials: Credentials): string {
  return credentials.kind === 'none' ? 'anonymous' : credentials.user;
}

function parseSecret(text: string, file: string): Credentials {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return parseAccount(trimmed, file);
  const colon = trimmed.indexOf(':');
  if (colon > 0 && !/[\r\n]/.test(trimmed)) {
    return { kind: 'basic', user: trimmed.slice(0, colon), password: trimmed.slice(colon + 1) };
  }
  throw invalid(file, 'holds neither user:password on one line nor the JSON of a service account');
}

function parseAccount(text: string, file: string): ServiceAccount {
  let json: Readonly<Record<string, unknown>>;
  try {
    json = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    throw invalid(file, 'begins like JSON and is none'); // the parser's message would quote the secret
  }
  const { uid, private_key, login_endpoint, scheme = 'RS256' } = json;
  if (typeof uid !== 'string' || typeof private_key !== 'string' || typeof login_endpoint !== 'string') {
    throw invalid(file, 'a service account has the texts uid, private_key and login_endpoint');
  }
  if (scheme !== 'RS256') throw invalid(file, 'only the scheme RS256 is known');
  return { kind: 'account', user: uid, privateKey: private_key, loginUrl: login_endpoint };
}

function readAuthorities(file: string): string {
  const text = readText(file);
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw invalid(file, 'holds no certificate in PEM');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new VipdError({ code: 'FILE_UNREADABLE', object: file, cause: (error as Error).message }, { cause: error });
  }
}

function invalid(object: string, cause: string): VipdError {
  return new VipdError({ code: 'SECRET_INVALID', object, cause });
}
