import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate with its key, both in PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** An authority made by openssl, of which nobody knows but who is given its file. */
export class Authority {
  /** Its certificate, PEM. */
  readonly file: string;
  readonly #key: string;

  /** @param directory for its files; `name` keeps several apart there */
  constructor(
    private readonly directory: string,
    private readonly name: string,
  ) {
    this.file = join(directory, `${name}.pem`);
    this.#key = join(directory, `${name}.key`);
    openssl('req', '-x509', ...newKey(this.#key), '-subj', `/CN=${name}`, '-days', '2', '-out', this.file);
  }

  /** Signs for `alternative`, as `IP:127.0.0.1` or `DNS:master.example` (RFC 5280 §4.2.1.6). */
  issue(alternative: string): Identity {
    const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((suffix) =>
      join(this.directory, `${this.name}-issued.${suffix}`),
    ) as [string, string, string, string];
    openssl('req', '-new', ...newKey(key), '-subj', '/CN=issued', '-out', request);
    writeFileSync(extensions, `subjectAltName=${alternative}\n`);
    const signer = ['-CA', this.file, '-CAkey', this.#key, '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', request, ...signer, '-extfile', extensions, '-out', cert);
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  }
}

function newKey(file: string): readonly string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file];
}

function openssl(...argv: readonly string[]): void {
  execFileSync('openssl', argv, { stdio: 'pipe' });
}
