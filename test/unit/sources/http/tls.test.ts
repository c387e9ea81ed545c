import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HttpClient } from '../../../../ts/sources/http/client.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { Authority, type Identity } from '../../../helpers/authority.js';

const signal = new AbortController().signal;

function directory(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'vipd-test-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

/** Its origin by address; what is presented there is `identity`. */
async function serve(t: ExecutionContext, identity: Identity): Promise<string> {
  const server = createServer({ ...identity }, (_, response) => response.end('told')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function trusting(t: ExecutionContext, ca?: string): HttpClient {
  const http = new HttpClient({ files: { ca } });
  t.teardown(() => http.close());
  return http;
}

const read = async (http: HttpClient, url: string) => (await http.read(url, { maxBytes: 100 }, signal)).toString();

async function faultOf(t: ExecutionContext, promise: Promise<unknown>): Promise<VipdError['fault']> {
  return (await t.throwsAsync(promise, { instanceOf: VipdError }))!.fault;
}

test('who presents a certificate of the given authority is asked, and nobody else', async (t) => {
  const where = directory(t);
  const [ours, foreign] = [new Authority(where, 'ours'), new Authority(where, 'foreign')];
  const url = await serve(t, ours.issue('IP:127.0.0.1'));
  t.is(await read(trusting(t, ours.file), url), 'told');
  const other = await faultOf(t, read(trusting(t, foreign.file), url));
  t.like(other, { code: 'HTTP_UNREACHABLE', object: url });
  t.regex(other.cause, /certificate/i);
  t.is((await faultOf(t, read(trusting(t), url))).code, 'HTTP_UNREACHABLE');
});

test('a certificate for another host is refused, although the authority signed it', async (t) => {
  const ours = new Authority(directory(t), 'ours');
  const url = await serve(t, ours.issue('DNS:master.example'));
  const fault = await faultOf(t, read(trusting(t, ours.file), url));
  t.is(fault.code, 'HTTP_UNREACHABLE');
  t.regex(fault.cause, /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('another authority in the file counts from the next request on', async (t) => {
  const where = directory(t);
  const [before, after] = [new Authority(where, 'before'), new Authority(where, 'after')];
  const url = await serve(t, after.issue('IP:127.0.0.1'));
  const file = join(where, 'ca.pem');
  copyFileSync(before.file, file);
  const http = trusting(t, file);
  await faultOf(t, read(http, url));
  copyFileSync(after.file, file);
  t.is(await read(http, url), 'told');
});

test('a file that holds no certificate is named, and nothing is asked', async (t) => {
  const file = join(directory(t), 'ca.pem');
  writeFileSync(file, 'no certificate');
  const fault = await faultOf(t, read(trusting(t, file), 'https://127.0.0.1:1/'));
  t.like(fault, { object: file, cause: 'holds no certificate in PEM' });
});
